"""What arithmetic tells: decimal's flags, NumPy's handlers of floating-point errors.

Covers nbexec.worker.arithmetic.
"""

from __future__ import annotations

import decimal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nbexec

from .ways import WAYS


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before, handler = np.geterr(), np.geterrcall()
    decimal.getcontext().clear_flags()
    yield
    np.seterr(**before)
    np.seterrcall(handler)
    decimal.getcontext().clear_flags()


def raised() -> set[str]:
    return {one.__name__ for one, flag in decimal.getcontext().flags.items() if flag}


def divided(x: int) -> str:
    return str(decimal.Decimal(6) / x)


def left_by(run: Callable[[], Any]) -> tuple[Any, set[str]]:
    decimal.getcontext().clear_flags()
    return run(), raised()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("items", [[1, 2, 3], [1, 7, 2]])
def test_decimal_has_the_flags_that_a_plain_loop_leaves(
    backend: str, way: str, items: list[int]
) -> None:
    there = left_by(lambda: WAYS[way](divided, items, backend))
    assert there == left_by(lambda: [divided(x) for x in items])


def test_of_iterating_and_of_a_run_in_the_background_too(backend: str) -> None:
    plain = left_by(lambda: [divided(x) for x in [1, 7]])
    assert left_by(lambda: [*nbexec.imap(divided, [1, 7], backend=backend)]) == plain
    assert left_by(lambda: nbexec.start(divided, [1, 7], backend=backend).result()) == plain


def test_items_see_the_flags_of_the_kernel(backend: str) -> None:
    decimal.getcontext().flags[decimal.Overflow] = True
    found = nbexec.map(lambda _: "Overflow" in raised(), range(2), backend=backend)
    assert found == [True, True]


def inverse(x: float) -> float:
    return float(np.float64(1) / np.float64(x))


class Written:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize("way", WAYS)
def test_an_object_that_numpy_writes_errors_to(backend: str, way: str) -> None:
    items = [1, 0, 2, 0]
    np.seterr(divide="log")
    found = []
    for run in (lambda: [inverse(x) for x in items], lambda: WAYS[way](inverse, items, backend)):
        np.seterrcall(written := Written())
        found.append((run(), written.lines))
    assert found[1] == found[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_function_that_numpy_calls_may_raise(backend: str, way: str) -> None:
    def refuse(kind: str, flag: int) -> None:
        raise LookupError(kind, flag)

    np.seterr(divide="call")
    np.seterrcall(refuse)
    with pytest.raises(LookupError) as plain:
        inverse(0)
    with pytest.raises(LookupError) as there:
        WAYS[way](inverse, [1, 0], backend)
    assert there.value.args == plain.value.args
    assert WAYS[way](inverse, [1, 2], backend) == [1.0, 0.5]


def test_one_that_can_not_be_sent_is_named(sent: str) -> None:
    lock = threading.Lock()

    def locked(kind: str, flag: int) -> None:
        with lock:
            pass

    np.seterrcall(locked)
    assert nbexec.map(inverse, [1, 2], backend=sent) == [1.0, 0.5]  # it isn't called
    np.seterr(divide="call")
    with pytest.raises(nbexec.PickleError, match="handler of NumPy's floating-point errors"):
        nbexec.map(inverse, [1, 0], backend=sent)


def test_in_a_cell_what_it_changes_is_there() -> None:
    """A loop whose arithmetic may call a function stays in the kernel."""
    cell = """
import numpy as np
kinds = []
def keep(kind, flag):
    kinds.append(kind)
before = np.seterr(divide="call"), np.seterrcall(keep)
found = [float(np.float64(1) / np.float64(x)) for x in [1, 0, 2, 0]]
"""
    found = []
    for run in (exec, lambda cell, names: nbexec.parallel(cell, names, backend="processes")):
        names: dict[str, Any] = {}
        run(cell, names)
        np.seterrcall(None)
        np.seterr(divide="warn")
        found.append((names["found"], names["kinds"]))
    assert found[0] == found[1]
    assert found[0][1] == ["divide by zero"] * 2
