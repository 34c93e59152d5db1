"""map, imap, amap, aimap, start, invoke: each makes a sink and a run, and starts it."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable
from typing import Any

from .errors import OptionError
from .items.sinks import Gather, Stream
from .options import resolve
from .options.record import Options
from .run.handle import Run
from .run.preparing import Items, is_coroutine, prepare
from .run.results import Results
from .run.seeds import streams_for
from .run.streaming import ResultStream, aiterate, iterate, tell
from .worker.random_streams import InStream


def map(
    fn: Callable[..., Any],
    *iterables: Items,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
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
    teardown : callable or None
        Called at the end of the run, once in each worker that setup ran in, with setup's value;
        without `setup`, with nothing, in each worker that ran items.  What it raises costs no
        result: it is a note of the run, and logged.
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
    ExceptionGroup
        With ``on_error="group"``, of what every item raised that failed, in the order of the
        items, each with such a note; its ``partial_results`` are all results.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.map(lambda x: x * x, range(4), progress="off")
    [0, 1, 4, 9]
    """
    run = prepare(fn, iterables, setup, resolve(options), Gather, teardown=teardown)
    return run.complete()


def start(
    fn: Callable[..., Any],
    *iterables: Items,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    **options: Any,
) -> Run:
    """Start what `map` does in the background and return at once; the panel stays live.

    Parameters
    ----------
    fn, *iterables, setup, teardown, **options
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
    run = prepare(fn, iterables, setup, resolve(options), Gather, teardown=teardown)
    return run.start(background=True)


async def amap(
    fn: Callable[..., Any],
    *iterables: Items,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    **options: Any,
) -> Results:
    """Do what `map` does without blocking the event loop: the kernel stays live.

    Coroutine functions run on the caller's own loop, unless a backend is named.

    Parameters
    ----------
    fn, *iterables, setup, teardown, **options
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
    resolved = _on_loop(resolve(options), fn, loop)
    run = prepare(fn, iterables, setup, resolved, Gather, loop, teardown=teardown)
    run.caller_thread.serve_in_thread(contextvars.copy_context())
    ended = asyncio.Event()
    run.start().add_done_callback(lambda _: tell(loop, ended.set))
    try:
        await ended.wait()
    except asyncio.CancelledError:
        run.cancel()
        raise
    return run.result()


def aimap(
    fn: Callable[..., Any],
    *iterables: Items,
    ordered: bool = True,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    **options: Any,
) -> AsyncIterator[Any]:
    """Do what `imap` does for ``async for``: results one by one, with bounded memory.

    Coroutine functions run on the caller's own loop, unless a backend is named.  Work begins
    at once.  Closing the iterator, and cancelling who waits for it, cancels what is left.

    Parameters
    ----------
    fn, *iterables, ordered, setup, teardown, **options
        As for `imap`.

    Returns
    -------
    async iterator
        It raises what `map` raises, after the results before that.

    Raises
    ------
    RuntimeError
        Where no event loop is running.

    Examples
    --------
    >>> import asyncio, nbexec
    >>> async def double(x):
    ...     return 2 * x
    >>> async def numbers():
    ...     for x in range(3):
    ...         yield x
    >>> async def main():
    ...     return [y async for y in nbexec.aimap(double, numbers(), progress="off")]
    >>> asyncio.run(main())
    [0, 2, 4]
    """
    import asyncio

    loop = asyncio.get_running_loop()
    resolved = _on_loop(resolve(options), fn, loop)
    stream = Stream(ordered, resolved.window, resolved.on_error)
    run = prepare(fn, iterables, setup, resolved, lambda total: stream, loop, teardown=teardown)
    run.caller_thread.serve_in_thread(contextvars.copy_context())
    run.start()
    return aiterate(run, stream)


def _on_loop(options: Options, fn: Callable[..., Any], loop: Any) -> Options:
    """Have a coroutine function run on this loop, where no other place is named."""
    if options.backend not in ("auto", "asyncio") or not is_coroutine(fn):
        return options
    from .backends.aio import Asyncio

    return options.updated({"backend": Asyncio(loop)})


def imap(
    fn: Callable[..., Any],
    *iterables: Items,
    ordered: bool = True,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    **options: Any,
) -> ResultStream:
    """Give results one by one, with bounded memory, also of infinite inputs.

    Work begins at once and goes on while results are consumed, at most `window` items
    ahead.  Closing the iterator cancels what is left.

    Parameters
    ----------
    fn, *iterables, setup, teardown, **options
        As for `map`.
    ordered : bool
        Whether results come in the order of the items, or as they are ready.

    Returns
    -------
    ResultStream
        An iterator.  It raises what `map` raises, after the results before that; with
        ``on_error="group"``, after all others.  With "collect" its ``ok()`` iterates over those
        that are good, ``failures.to_frame()`` has the others, and ``to_parquet(path)`` writes
        both as they come.

    Examples
    --------
    >>> import itertools, nbexec
    >>> squares = nbexec.imap(lambda x: x * x, itertools.count(), progress="off")
    >>> [next(squares) for _ in range(4)]
    [0, 1, 4, 9]
    >>> squares.close()
    """
    resolved = resolve(options)
    stream = Stream(ordered, resolved.window, resolved.on_error)
    run = prepare(fn, iterables, setup, resolved, lambda total: stream, teardown=teardown)
    run.caller_thread.serve_in_thread(contextvars.copy_context())
    run.start()
    return ResultStream(run, iterate(run, stream))


def invoke(
    *functions: Callable[..., Any],
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    **options: Any,
) -> Results:
    """Call different functions at once, and give their results in order.

    Parameters
    ----------
    *functions : callable
        Functions without arguments (`functools.partial` fixes them); with `setup`, of its value.
    setup, teardown, **options
        As for `map`.

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
    given = {"name": "invoke", "chunk": 1, **options}
    return map(_call, functions, setup=setup, teardown=teardown, **given)


def _call(function: Callable[..., Any], *state: Any) -> Any:
    return function(*state)
