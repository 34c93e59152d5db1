"""What an item raises is the same exception on every backend, however it is asked for.

Covers nbexec.worker.event_loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbexec


class Stop(StopIteration):
    pass


class Halt(KeyboardInterrupt):
    def __init__(self, *args: Any, why: str = "") -> None:
        super().__init__(*args)
        self.why = why


class Base(BaseException):
    pass


def group() -> BaseException:
    inner = ValueError(1)
    inner.add_note("of the inner one")
    made = ExceptionGroup("several", [inner, ExceptionGroup("more", [TypeError(2)])])
    made.add_note("of the group")
    made.__cause__ = KeyError("cause")
    return made


MAKE: dict[str, Callable[[], BaseException]] = {
    "StopIteration": lambda: StopIteration(5),
    "one of its own": lambda: Stop(6),
    "StopAsyncIteration": lambda: StopAsyncIteration(7),
    "GeneratorExit": lambda: GeneratorExit(8),
    "KeyboardInterrupt": lambda: Halt("halt", why="a reason"),
    "CancelledError": lambda: asyncio.CancelledError("c"),
    "that of futures": lambda: concurrent.futures.CancelledError("c"),
    "TimeoutError": lambda: TimeoutError("t"),
    "SystemExit": lambda: SystemExit(3),
    "BaseException": lambda: Base("b"),
    "ExceptionGroup": group,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("b", [Base(1), KeyboardInterrupt()]),
    "BrokenExecutor": lambda: concurrent.futures.BrokenExecutor("x"),
    "one of nbexec's": lambda: nbexec.BackendError("x"),
}


OURS = ("__notes__", "partial_results")


def described(error: BaseException | None) -> Any:
    """Give what can be seen of an exception, but for what nbexec notes and ends of tracebacks."""
    if error is None:
        return None
    grouped = isinstance(error, BaseExceptionGroup)
    own = {name: value for name, value in vars(error).items() if name not in OURS}
    return {
        "type": type(error),
        "args": error.args[0] if grouped else error.args,
        "parts": [described(one) for one in error.exceptions] if grouped else [],
        "value": getattr(error, "value", None),
        "attributes": own,
        "notes": [one for one in getattr(error, "__notes__", ()) if not one.startswith("nbexec:")],
        "cause": described(error.__cause__),
        "context": described(error.__context__),
        "suppressed": error.__suppress_context__,
    }


def raising(make: Callable[[], BaseException]) -> Callable[[int], int]:
    def work(x: int) -> int:
        if x == 1:
            raise make()
        return x

    return work


def raising_async(make: Callable[[], BaseException]) -> Callable[[int], Any]:
    async def work(x: int) -> int:
        if x == 1:
            raise make()
        return x

    return work


def plain(work: Callable[[int], Any]) -> Any:
    """Call it as a plain loop does; a coroutine is awaited, without a task of its own."""
    try:
        value = work(1)
        if asyncio.iscoroutine(value):
            value.send(None)
    except BaseException as error:
        return described(error)
    raise AssertionError("it raises nothing")


def outcome(future: concurrent.futures.Future[Any]) -> Any:
    try:
        return future.result()
    except BaseException as error:
        return described(error)


def raised_by(call: Callable[[], Any]) -> Any:
    try:
        call()
    except BaseException as error:
        return described(error)
    raise AssertionError("it raises nothing")


def collected(results: Any) -> list[Any]:
    return [described(one.exception) if isinstance(one, nbexec.Failure) else one for one in results]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("made", [raising, raising_async])
def test_the_exception_of_an_item(backend: str, kind: str, made: Any) -> None:
    work = made(MAKE[kind])
    wanted = plain(work)
    assert raised_by(lambda: nbexec.map(work, range(3), backend=backend)) == wanted
    with nbexec.Executor(backend, workers=2) as executor:
        futures = [executor.submit(work, x) for x in range(3)]
        assert [outcome(future) for future in futures] == [0, wanted, 2]
    if kind == "KeyboardInterrupt" and backend == "serial":
        return  # as if it were the user's, who interrupts the run
    each = [0, wanted, 2]
    options = {"backend": backend, "on_error": "collect"}
    assert collected(nbexec.map(work, range(3), **options)) == each
    assert collected(nbexec.imap(work, range(3), **options)) == each
    assert collected(asyncio.run(nbexec.amap(work, range(3), **options))) == each


@pytest.mark.parametrize("kind", ["StopIteration", "one of its own"])
def test_iterating_raises_what_a_generator_raises(backend: str, kind: str) -> None:
    """To let it through would end the loop as if there were no more items."""
    work = raising(MAKE[kind])
    wanted = raised_by(lambda: [*(work(x) for x in range(3))])
    there = raised_by(lambda: [*nbexec.imap(work, range(3), backend=backend)])
    assert there == wanted
    there = raised_by(lambda: asyncio.run(nbexec.amap(work, range(3), backend=backend)))
    assert (there["type"], there["cause"]) == (RuntimeError, wanted["cause"])


def test_its_traceback_begins_in_the_users_code(backend: str) -> None:
    (failure,) = nbexec.map(raising(ValueError), [1], backend=backend, on_error="collect")
    assert [one.name for one in traceback.extract_tb(failure.exception.__traceback__)] == ["work"]


@pytest.mark.parametrize("backend", ["serial", "auto"])
@pytest.mark.parametrize("last", [0, 3, 150])
def test_nothing_begins_after_the_item_that_fails(backend: str, last: int) -> None:
    """As in the plain loop; on other backends items beside it have begun already."""
    begun: list[int] = []

    def work(x: int) -> None:
        begun.append(x)
        if x == last:
            raise KeyError(x)

    for _ in range(20):
        begun.clear()
        with pytest.raises(KeyError):
            nbexec.map(work, range(400), backend=backend)
        assert begun == [*range(last + 1)]


def test_a_worker_begins_nothing_after_the_item_that_fails(backend: str, tmp_path: Path) -> None:
    def work(x: int) -> None:
        (tmp_path / str(x)).touch()
        raise KeyError(x)

    with pytest.raises(KeyError):
        nbexec.map(work, range(400), backend=backend, workers=1, chunk=100)
    begun = sorted(int(one.name) for one in tmp_path.iterdir())
    assert [x for x in begun if x < 100] == [0]  # the next chunk may have begun


def test_where_a_failure_does_not_end_the_run_the_others_run(backend: str) -> None:
    def work(x: int) -> int:
        return x // (x - 3)

    found = nbexec.map(work, range(9), backend=backend, workers=1, chunk=9, on_error="collect")
    assert [*found.ok()] == [work(x) for x in range(9) if x != 3]
