"""Warnings of items, wherever these run: shown, and known to have been shown, as by the plain cell.

Covers `nbexec.worker.warned`.
"""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest

import nbexec
from nbexec.cell.execution.reissue import reissue
from nbexec.system.silence import silently
from nbexec.worker.warned import Warned

CELLS = {
    "of the compiler": """
def look(x):
    return x is 1, "\\d"
rows = [repr((i is 1, "\\d")) for i in range(4)]
more = []
for i in range(4):
    more.append(repr((i is 1, "\\d", look(i))))
last = repr([look(i) for i in range(4)] is 1)
""",
    "errors from a statement on": """
import warnings
warnings.simplefilter("error")
rows = [repr(i is 1) for i in range(4)]
one = len(rows) is 1
""",
    "once for each place": """
def low(i):
    return np.log(np.float64(-i - 1))
rows = [repr(low(i)) for i in range(8)]
more = []
for i in range(8):
    more.append(repr(np.array([1.0]) / np.array([0.0])))
    again = low(i)
""",
    "in a comprehension that raises": """
rows = [1 // (np.log(np.float64(-i - 1)) * 0 == 0 or i != 5 or 0) for i in range(8)]
""",
    "in a loop that breaks": """
rows = []
for i in range(20):
    if i == 3:
        rows.append(repr(np.log(np.float64(-1))))
    if i == 5:
        break
    if i > 5:
        rows.append(repr(np.sqrt(np.float64(-1))))
""",
    "of statements beside one another": """
def work(x):
    return repr(np.log(np.float64(-x))), sum(i * x for i in range(50))
first = work(1)
second = work(2)
third = work(3)
""",
    "names that the last item leaves": """
for i in range(6):
    kept = [np.log(np.float64(-1))] * 2_000
kept = repr(kept)
""",
    "several texts": """
rows = [repr((np.log(np.float64(-i)), np.float64(i) / np.float64(0))) for i in range(6)]
""",
}


def run(how: Any, source: str, action: str) -> Any:
    """Give what was shown, and what the notebook's registry knows."""
    names: dict[str, Any] = {"np": np, "__name__": "__main__"}
    error = None
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        warnings.simplefilter(action)
        try:
            how(source, names)
        except Exception as raised:
            error = type(raised), str(raised)
    registry = names.pop("__warningregistry__", {})
    registry.pop("version", None)
    told = [(one.category, str(one.message), one.filename, one.lineno) for one in shown]
    values = {name: one for name, one in names.items() if isinstance(one, (list, tuple, str))}
    return told, registry, error, values


def plainly(source: str, names: dict[str, Any]) -> None:
    exec(compile(source, "<cell>", "exec"), names)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("action", ["default", "always", "once", "module", "ignore", "error"])
@pytest.mark.parametrize("source", CELLS.values(), ids=CELLS)
def test_warnings_are_those_of_the_plain_cell(source: str, action: str) -> None:
    plain = run(plainly, source, action)
    ours = run(
        lambda text, names: nbexec.parallel(text, names, backend="processes"), source, action
    )
    assert ours == plain


# On threads and asyncio, items warn as they run: in any order, and also behind a `break`.
BY_ALL = {name: source for name, source in CELLS.items() if "break" not in source}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("source", BY_ALL.values(), ids=BY_ALL)
def test_on_every_backend(source: str, backend: str) -> None:
    told, *plain = run(plainly, source, "default")
    ours = run(lambda text, names: nbexec.parallel(text, names, backend=backend), source, "default")
    assert ours[1:] == (*plain,)
    if backend in ("threads", "asyncio"):
        told, ours = sorted(told, key=repr), (sorted(ours[0], key=repr),)
    assert ours[0] == told


def test_a_later_cell_knows_what_was_shown() -> None:
    def twice(how: Any) -> Any:
        def both(source: str, names: dict[str, Any]) -> None:
            how(source, names)
            how(source, names)

        return both

    source = "rows = [repr(np.log(np.float64(-1))) for i in range(4)]"
    plain = run(twice(plainly), source, "default")
    parallel = twice(lambda text, names: nbexec.parallel(text, names, backend="processes"))
    assert len(plain[0]) == 1
    assert run(parallel, source, "default") == plain


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("warns_in_a_test")
    module.__file__ = "/folder/warns_in_a_test.py"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_module_has_a_registry_of_its_own(module: types.ModuleType) -> None:
    names: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(2):
            reissue([Warned(UserWarning("a"), str(module.__file__), 3)], names)
    assert [(str(one.message), one.lineno) for one in shown] == [("a", 3)]
    assert ("a", UserWarning, 3) in vars(module)["__warningregistry__"]
    assert names == {}


def test_silently_python_forgets_nothing() -> None:
    names: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        reissue([Warned(UserWarning("a"), "<cell>", 3)], names)
        with silently():
            warnings.warn("b", UserWarning, stacklevel=1)
        reissue([Warned(UserWarning("a"), "<cell>", 3)], names)
    assert [str(one.message) for one in shown] == ["a"]
