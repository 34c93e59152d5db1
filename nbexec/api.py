"""map, imap, amap, start, invoke: each makes a task, a source and a sink, and starts a Run."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, cast

from . import observers
from .backends.caller_thread import CallerThread
from .errors import OptionError
from .items.async_items import AsyncItems, is_async
from .items.feed import Source
from .items.sinks import Gather, Sink, Stream
from .model import Task
from .options import resolve
from .options.record import Options
from .run.handle import Run
from .run.results import Results
from .run.seeds import streams_for
from .run.streaming import iterate
from .worker.execute import depth
from .worker.random_streams import InStream

Items = Iterable[Any] | AsyncIterable[Any]


def map(
    fn: Callable[..., Any],
    *iterables: Items,
    setup: Callable[[], Any] | None = None,
    **options: Any,
) -> Results:
    """Call `fn` on every item, in parallel, and give the results in order.

    Parameters
    ----------
    fn : callable
        A function of one item, or of one item from each iterable.  A coroutine function
        is awaited.
    *iterables : iterable
        The items; with several, the shortest ends it, as with the built-in `map`.  Async
        iterables, such as async generators, are awaited item by item: by `amap` on the caller's
        event loop, else on that of the asyncio backend.
    setup : callable or None
        Called once in each worker; its value is passed to `fn` as the last argument.
    **options
        Any of `Options`.

    Returns
    -------
    Results
        A list.  With ``on_error="collect"`` a `Failure` stands where an item failed.

    Raises
    ------
    OptionError
        `fn` can't be called, an iterable isn't one, or an option can't be used.
    PickleError
        `fn` can't be sent to another process; the message names what it captured.
    ItemsError
        An iterable raised; finished results are in ``partial_results``.
    RunCancelled
        The run was cancelled; finished results are in ``partial_results``.
    Exception
        With ``on_error="raise"`` (the default), the exception of the first item in order that
        failed, with a note that names the item, and ``partial_results``.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.map(lambda x: x * x, range(4), progress="off")
    [0, 1, 4, 9]
    """
    run = prepare(fn, iterables, setup, resolve(options), Gather)
    return run.complete()


def start(
    fn: Callable[..., Any],
    *iterables: Items,
    setup: Callable[[], Any] | None = None,
    **options: Any,
) -> Run:
    """Start what `map` does in the background and return at once; the panel stays live.

    Parameters
    ----------
    fn, *iterables, setup, **options
        As for `map`.

    Returns
    -------
    Run
        With `result`, `cancel`, `wait`, `stats` and more.

    Raises
    ------
    OptionError, PickleError
        As for `map`; later errors are raised by ``run.result()``.

    Examples
    --------
    >>> import nbexec
    >>> run = nbexec.start(abs, [-1, -2], progress="off")
    >>> run.result()
    [1, 2]
    """
    run = prepare(fn, iterables, setup, resolve(options), Gather)
    return run.start(background=True)


async def amap(
    fn: Callable[..., Any],
    *iterables: Items,
    setup: Callable[[], Any] | None = None,
    **options: Any,
) -> Results:
    """Do what `map` does without blocking the event loop: the kernel stays live.

    Coroutine functions run on the caller's own loop, unless a backend is named.

    Parameters
    ----------
    fn, *iterables, setup, **options
        As for `map`.

    Returns
    -------
    Results
        As for `map`; it raises what `map` raises.  Cancelling the awaiting task cancels
        the run.

    Examples
    --------
    >>> import asyncio, nbexec
    >>> async def double(x):
    ...     return 2 * x
    >>> asyncio.run(nbexec.amap(double, [1, 2], progress="off"))
    [2, 4]
    """
    import asyncio

    loop = asyncio.get_running_loop()
    resolved = resolve(options)
    if resolved.backend in ("auto", "asyncio") and is_coroutine(fn):
        from .backends.aio import Asyncio

        resolved = resolved.updated({"backend": Asyncio(loop)})
    run = prepare(fn, iterables, setup, resolved, Gather, loop)
    run.caller_thread.serve_in_thread(contextvars.copy_context())
    ended = asyncio.Event()
    run.start().add_done_callback(lambda _: _tell(loop, ended.set))
    try:
        await ended.wait()
    except asyncio.CancelledError:
        run.cancel()
        raise
    return run.result()


def _tell(loop: Any, callback: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits
        pass


def imap(
    fn: Callable[..., Any],
    *iterables: Items,
    ordered: bool = True,
    setup: Callable[[], Any] | None = None,
    **options: Any,
) -> Iterator[Any]:
    """Give results one by one, with bounded memory, also of infinite inputs.

    Work begins at once and goes on while results are consumed, at most `window` items
    ahead.  Closing the iterator cancels what is left.

    Parameters
    ----------
    fn, *iterables, setup, **options
        As for `map`.
    ordered : bool
        Whether results come in the order of the items, or as they are ready.

    Returns
    -------
    iterator
        It raises what `map` raises, after the results before that.

    Examples
    --------
    >>> import itertools, nbexec
    >>> squares = nbexec.imap(lambda x: x * x, itertools.count(), progress="off")
    >>> [next(squares) for _ in range(4)]
    [0, 1, 4, 9]
    >>> squares.close()
    """
    resolved = resolve(options)
    stream = Stream(ordered, resolved.window, stops=resolved.on_error == "raise")
    run = prepare(fn, iterables, setup, resolved, lambda total: stream)
    run.caller_thread.serve_in_thread(contextvars.copy_context())
    run.start()
    return iterate(run, stream)


def invoke(*functions: Callable[[], Any], **options: Any) -> Results:
    """Call different functions at once, and give their results in order.

    Parameters
    ----------
    *functions : callable
        Functions without arguments (`functools.partial` fixes them).
    **options
        Any of `Options`.

    Returns
    -------
    Results
        One for each function; it raises what `map` raises.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.invoke(lambda: 1, lambda: "two", progress="off")
    [1, 'two']
    """
    for position, function in enumerate(functions):
        if not callable(function):
            raise OptionError(f"invoke() calls functions; argument {position} is {function!r}")
    resolved = resolve(options)
    again = resolved.checkpoint is not None  # the same call is to find its seed again
    streams = streams_for(functions, resolved.seed, repeats=again)
    if streams is not None:
        functions = tuple(InStream(one, streams, at) for at, one in enumerate(functions))
    return map(_call, functions, **{"name": "invoke", "chunk": 1, **options})


def _call(function: Callable[[], Any]) -> Any:
    return function()


def is_coroutine(fn: Callable[..., Any]) -> bool:
    """Whether calling `fn` gives an awaitable, as far as that is known without a call."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004  (its kind, not whether it is there)
    )


def prepare(
    fn: Callable[..., Any],
    iterables: tuple[Items, ...],
    setup: Callable[[], Any] | None,
    options: Options,
    sink: Callable[[int | None], Sink],
    loop: Any = None,
    first: int = 0,
    draws: bool = True,
) -> Run:
    """Check the arguments and make a run, which is not started; `first` is its first index.

    Without `draws` the function is known to draw no random numbers, whatever it leads to, and
    generators are left as they are.  Items of async iterables are awaited on `loop`; None is that
    of the backend, or our own.
    """
    if not callable(fn):
        raise OptionError(f"the first argument must be a function of one item, not {fn!r}")
    if setup is not None and not callable(setup):
        raise OptionError(f"setup must be a function without arguments, or None, not {setup!r}")
    if not iterables:
        raise OptionError(f"{function_name(fn)} needs items: give at least one iterable")
    for position, iterable in enumerate(iterables):
        if is_async(iterable):
            continue
        try:
            iter(cast(Any, iterable))
        except TypeError:
            raise OptionError(
                f"items must be an iterable, not {type(iterable).__qualname__} "
                f"(argument {position + 1} after the function)"
            ) from None
    again = options.checkpoint is not None  # as in `invoke`
    streams = streams_for((fn,), options.seed, repeats=again, setup=setup) if draws else None
    task = Task(
        fn,
        function_name(fn),
        star=len(iterables) > 1,
        setup=setup,
        coroutine=is_coroutine(fn),
        depth=depth.get(),
        streams=streams,
    )
    caller_thread = CallerThread()
    source = Source(_taken(iterables, options, loop), caller_thread.call, first)
    watch = functools.partial(observers.watchers, options, task)
    return Run(task, source, sink(source.total), options, caller_thread, watchers=watch)


def _taken(iterables: tuple[Items, ...], options: Options, loop: Any) -> list[Iterable[Any]]:
    """Give the iterables, the items of async ones awaited on the loop that coroutines run on."""
    if loop is None and any(is_async(one) for one in iterables):
        loop = _loop_of(options.backend)
    return [AsyncItems(one, loop) if is_async(one) else cast(Any, one) for one in iterables]


def _loop_of(backend: Any) -> Any:
    """Give the event loop of a run with this backend."""
    from .backends import get_backend
    from .backends.aio import Asyncio

    for wanted in (backend, "asyncio"):
        found = None if wanted == "auto" else get_backend(wanted)
        if isinstance(found, Asyncio):
            return found.running_loop()
    return Asyncio().running_loop()  # somebody registered another backend by that name


def function_name(fn: Callable[..., Any]) -> str:
    """Give the name of a function, or of its type."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name: str = getattr(fn, "__name__", type(fn).__name__)
    return name
