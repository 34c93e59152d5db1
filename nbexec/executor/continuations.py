"""Continuations: calls that begin once futures are done, and hold no worker until then.

A call may have futures among its arguments, and `CallFuture.then` goes on with a result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..items.awaiting_calls import AwaitingCall, in_turn, when_done
from ..items.call_queue import CallQueue
from ..run.handle import Run
from ..worker.execute import Call, TimedCall
from .future import CallFuture
from .mapping import CallsTogether

ATOMS = frozenset((bool, bytes, complex, float, int, str, type(None)))
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def futures_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Future[Any]]:
    """Give the futures among arguments, and in plain lists, tuples and dicts among these.

    Examples
    --------
    >>> future = Future()
    >>> futures_in((1, [future, 2]), {"key": future, "deep": [[future]]}) == [future]
    True
    >>> futures_in((1, [2]), {})
    []
    """
    if not kwargs and ATOMS.issuperset(map(type, args)):  # quick, as most are
        return []
    found: list[Future[Any]] = []
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind is CallsTogether:
            found += [future for args in value for future in futures_in(args, {})]
        elif kind is list or kind is tuple or kind is dict:
            found += _in_container(value, kind)
        elif issubclass(kind, Future):
            found.append(value)
    return list(dict.fromkeys(found)) if found else found


def _in_container(value: Any, kind: type) -> list[Future[Any]]:
    inner = [*value.values()] if kind is dict else value
    if not any(issubclass(one, Future) for one in set(map(type, inner))):  # quick if it is long
        return []
    return [one for one in inner if isinstance(one, Future)]


def _each(arguments: Arguments, change: Callable[[Any], Any]) -> Arguments:
    """Give arguments in which each future is changed; what holds none stays the same object."""
    args, kwargs = arguments

    def changed(value: Any) -> Any:
        if isinstance(value, Future):
            return change(value)
        kind = type(value)
        if kind is CallsTogether:
            return CallsTogether(_each((args, {}), change)[0] for args in value)
        if kind not in (list, tuple, dict) or not _in_container(value, kind):
            return value
        if kind is dict:
            return {key: _one(one, change) for key, one in value.items()}
        return kind(_one(one, change) for one in value)

    return tuple(map(changed, args)), {name: changed(value) for name, value in kwargs.items()}


def _one(value: Any, change: Callable[[Any], Any]) -> Any:
    return change(value) if isinstance(value, Future) else value


class AfterArguments(AwaitingCall):
    """A call with futures among its arguments.

    It begins once all have results.  When one fails, or is cancelled, it ends as that one does.
    """

    def __init__(
        self,
        calls: CallQueue,
        future: CallFuture[Any],
        wake: Callable[[], None],
        call: Call,
        awaited: list[Future[Any]],
        own: Any,
    ) -> None:
        self.own = own
        super().__init__(calls, future, wake)
        args, kwargs = _each((call.args, call.kwargs), lambda one: one)  # lists may yet change
        self._call: Call | None = call._replace(args=args, kwargs=kwargs)
        self._awaited = set(awaited)
        for one in awaited:
            when_done(one, self._done)

    @property
    def call(self) -> Call | None:
        return self._call

    def _done(self, awaited: Future[Any]) -> None:
        in_turn(functools.partial(self._on_done, awaited))

    def _on_done(self, awaited: Future[Any]) -> None:
        if awaited.cancelled() or awaited.exception() is not None:
            if self.settle():
                self.end_as(awaited)
            return
        left = self._awaited
        left.discard(awaited)
        if not left and self.settle():
            call = self._call
            assert call is not None
            args, kwargs = _each((call.args, call.kwargs), _result)
            self.begin(call._replace(args=args, kwargs=kwargs))

    def forget(self) -> None:
        """Keep nothing."""
        self._call, self._awaited = None, set()


def _result(future: Future[Any]) -> Any:
    return future.result()


class Continuation(AwaitingCall):
    """A call that goes on with what a future ends with.

    Parameters
    ----------
    calls, future, wake : object
        As for `AwaitingCall`.
    source : Future
        The one that it waits for.
    fn : callable or None
        Called with its result; None passes that on.
    on_error : callable or None
        Called with its exception; None passes that on.

    It has the options of the call before.
    """

    def __init__(
        self,
        calls: CallQueue,
        future: CallFuture[Any],
        wake: Callable[[], None],
        source: CallFuture[Any],
        fn: Callable[[Any], Any] | None,
        on_error: Callable[[Any], Any] | None,
    ) -> None:
        self.own = source._own
        super().__init__(calls, future, wake)
        self._next: Any = fn, on_error
        when_done(source, self._done)

    def _done(self, source: Future[Any]) -> None:
        in_turn(functools.partial(self._on_done, source))

    def _on_done(self, source: Future[Any]) -> None:
        if not self.settle():
            return
        fn, on_error = self._next
        error = None if source.cancelled() else source.exception()
        if isinstance(error, Exception) and on_error is not None:
            self.begin(self._call(on_error, error))
        elif source.cancelled() or error is not None:
            self.end_as(source)
        elif fn is not None:
            self.begin(self._call(fn, source.result()))
        else:
            self.succeed(source.result())

    def _call(self, fn: Callable[[Any], Any], argument: Any) -> Call:
        kind = TimedCall if self.own is not None and self.own.timed else Call
        return kind(fn, (argument,), {})

    def forget(self) -> None:
        """Keep nothing."""
        self._next = None


class FlatFuture(CallFuture[Any]):
    """The future of a continuation: where that gives a future, it ends as that one does."""

    _calls: CallQueue
    _wake: Callable[[], None]

    def set_result(self, result: Any) -> None:
        """Take in what the function gave."""
        if result is self:
            self.set_exception(RuntimeError("a continuation gave its own future as its result"))
        elif isinstance(result, Future):
            _Inner(self._calls, self, self._wake, result)
        else:
            super().set_result(result)


class _Inner(AwaitingCall):
    """A call that has run, and whose future ends as another one does."""

    def __init__(
        self, calls: CallQueue, future: FlatFuture, wake: Callable[[], None], inner: Future[Any]
    ) -> None:
        super().__init__(calls, future, wake, begun=True)
        when_done(inner, self._done)

    def _done(self, inner: Future[Any]) -> None:
        in_turn(functools.partial(self._on_done, inner))

    def _on_done(self, inner: Future[Any]) -> None:
        if not self.settle():
            return
        if inner.cancelled() or inner.exception() is not None:
            self.end_as(inner)
        else:
            CallFuture.set_result(self.future, inner.result())
            self.leave()


class Continuing:
    """What an executor does with calls that wait for futures."""

    _calls: CallQueue
    _run: Run
    _own: Any
    _in_stream: Callable[[Callable[..., Any]], Callable[..., Any]]
    _name_future: Callable[[CallFuture[Any], Any], None]

    def _when_done(
        self, awaited: list[Future[Any]], call: Call, future: CallFuture[Any]
    ) -> CallFuture[Any]:
        """Have a call begin once the futures among its arguments are done."""
        AfterArguments(self._calls, future, self._run.wake, call, awaited, self._own)
        return future

    def _then(
        self,
        source: CallFuture[Any],
        fn: Callable[[Any], Any] | None,
        on_error: Callable[[Any], Any] | None,
    ) -> CallFuture[Any]:
        """Have a call go on with what a future ends with."""
        for name, one in (("fn", fn), ("on_error", on_error)):
            if one is not None and not callable(one):
                raise TypeError(f"{name} must be callable or None, not {one!r}")
        future = FlatFuture()
        future._own = source._own
        self._name_future(future, fn if fn is not None else on_error)
        future._calls, future._wake = self._calls, self._run.wake
        fn, on_error = (one and self._in_stream(one) for one in (fn, on_error))
        Continuation(self._calls, future, self._run.wake, source, fn, on_error)
        return future
