"""Preparing: from a function and iterables to a run, with every argument checked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, cast

from .. import observers
from ..backends.caller_thread import CallerThread
from ..errors import OptionError
from ..items.async_items import AsyncItems, is_async
from ..items.feed import Source
from ..items.sinks import Sink
from ..model import Task
from ..options.record import Options
from ..worker.execute import depth
from ..worker.random_streams import Streams
from .handle import Run
from .seeds import streams_for

Items = Iterable[Any] | AsyncIterable[Any]


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
    draws: bool | Streams = True,
    teardown: Callable[..., object] | None = None,
) -> Run:
    """Check the arguments and make a run, which is not started; `first` is its first index.

    Without `draws` the function is known to draw no random numbers, whatever it leads to, and
    generators are left as they are; or `draws` are the streams of its items.  Items of async
    iterables are awaited on `loop`; None is that of the backend, or our own.
    """
    if not callable(fn):
        raise OptionError(f"the first argument must be a function of one item, not {fn!r}")
    if setup is not None and not callable(setup):
        raise OptionError(f"setup must be a function without arguments, or None, not {setup!r}")
    check_teardown(teardown)
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
    streams = draws if isinstance(draws, Streams) else None
    if draws is True:
        streams = streams_for((fn,), options.seed, repeats=again, setup=setup)
    task = Task(
        fn,
        function_name(fn),
        star=len(iterables) > 1,
        setup=setup,
        coroutine=is_coroutine(fn),
        depth=depth.get(),
        streams=streams,
        teardown=teardown,
    )
    caller_thread = CallerThread()
    source = Source(_taken(iterables, options, loop), caller_thread.call, first)
    watch = functools.partial(observers.watchers, options, task)
    return Run(task, source, sink(source.total), options, caller_thread, watchers=watch)


def check_teardown(teardown: Any) -> None:
    """Raise an `OptionError` where it can't be called."""
    if teardown is not None and not callable(teardown):
        raise OptionError(
            "teardown must be a function of what setup gives, or of nothing without setup, or "
            f"None, not {teardown!r}"
        )


def _taken(iterables: tuple[Items, ...], options: Options, loop: Any) -> list[Iterable[Any]]:
    """Give the iterables, the items of async ones awaited on the loop that coroutines run on."""
    if loop is None and any(is_async(one) for one in iterables):
        loop = _loop_of(options.backend)
    return [AsyncItems(one, loop) if is_async(one) else cast(Any, one) for one in iterables]


def _loop_of(backend: Any) -> Any:
    """Give the event loop of a run with this backend."""
    from ..backends import get_backend
    from ..backends.aio import Asyncio

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
