"""Detached cells: what they leave, and what the notebook may do while they run.

Which names they leave pending is decided in `nbexec.cell.loops.detachable`.
"""

from __future__ import annotations

import ast
import os
import time
from pathlib import Path
from typing import Any

import pytest

import nbexec
from nbexec.cell.detached import detach, still_early, too_early
from nbexec.errors import NotReady, OptionError

from .both_ways import shape_of


# Items wait for a file, so that the test says when a cell ends.
def through(x: Any, gate: str) -> Any:
    while not os.path.exists(gate):
        time.sleep(0.01)
    return x


class Closed:
    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self) -> None:
        self.path.touch()


@pytest.fixture
def closed(tmp_path):
    made = Closed(tmp_path / "open")
    yield made
    made.set()
    for cell in nbexec.detached():
        cell.wait(30)


def begin(source: str, names: dict[str, Any], closed: Closed | None = None) -> Any:
    if closed is not None:
        names |= {"through": through, "gate": str(closed.path)}
    return detach(source, names, backend="threads", workers=2, progress="off")


CELL = """
factor = 3
rows, total = [], 0
for x in xs:
    y = through(x, gate) * factor
    rows.append(y)
    total += y
best = max(rows)
"""


def test_a_cell_returns_at_once_and_leaves_what_it_leaves(closed):
    names = {"xs": [1, 2, 3], "rows": "old"}
    cell = begin(CELL, names, closed)
    assert not cell.done
    assert names.keys() >= {"factor", "xs"}
    assert names.keys().isdisjoint({"rows", "total", "best", "x", "y"})
    assert nbexec.detached() == [cell]
    assert "running: best, rows, total, x, y" in repr(cell)
    closed.set()
    report = cell.result(30)
    assert [step.kind for step in report.steps] == ["serial", "serial", "parallel", "serial"]
    serial: dict[str, Any] = {"xs": [1, 2, 3], "through": through, "gate": names["gate"]}
    exec(CELL, serial)
    serial.pop("__builtins__")
    names.pop("__builtins__")
    assert shape_of(dict(sorted(names.items())), {}) == shape_of(dict(sorted(serial.items())), {})
    assert nbexec.detached() == []


def test_an_error_leaves_what_the_cell_leaves(closed):
    names: dict[str, Any] = {}
    cell = begin(
        "out = []\nfor x in [2, 1, 0]:\n    out.append(1 / through(x, gate))\nlater = 1",
        names,
        closed,
    )
    closed.set()
    with pytest.raises(ZeroDivisionError):
        cell.result(30)
    assert names["out"] == [0.5, 1.0]
    assert names["x"] == 0
    assert "later" not in names


def test_what_was_bound_meanwhile_stays(closed):
    names: dict[str, Any] = {}
    cell = begin("out = [through(x, gate) for x in [1, 2]]", names, closed)
    names["out"] = "mine"
    closed.set()
    assert cell.wait(30)
    assert names["out"] == "mine"


def test_reading_a_name_too_early_is_told(closed):
    names = {"xs": [1, 2]}
    begin("out = [through(x, gate) for x in xs]", names, closed)
    for source, at, said in [
        ("z = 1\nprint(out)", 1, "`out` is not there yet"),
        ("z = [i for i in out]", 0, "`out` is not there yet"),
        ("def f():\n    return out", 0, "`out` is not there yet"),
        ("xs.append(3)", 0, "`xs` is in use by a detached cell"),
        ("z = 1\nxs = []", 1, "`xs` is in use"),
    ]:
        position, why = too_early(ast.parse(source), names)
        assert position == at
        assert said in why
    assert too_early(ast.parse("out = 3\nprint(out, xs)"), names) is None
    with pytest.raises(NotReady, match="is not there yet"):
        still_early(ast.parse("out"), names)
    assert too_early(ast.parse("print(out)"), {}) is None  # another notebook


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("out = [x for x in [1]]\ndef f(): pass", "line 2 defines `f` after the first loop"),
        ("out = [x for x in [1]]\nf = lambda: out", "line 2 keeps a function"),
        ("out = [x for x in [1]]\nget_ipython().run_line_magic('pwd', '')", "uses `get_ipython`"),
        ("out = [peek() for x in [1]]", "reads `out`, which the cell changes"),
    ],
)
def test_what_cant_go_on_by_itself_is_told_before_anything_is_taken_away(source, said):
    names: dict[str, Any] = {"out": 1}
    exec("def peek():\n    return out", names)
    with pytest.raises(OptionError, match=said):
        begin(source, names)
    assert names["out"] == 1
    assert nbexec.detached() == []


def test_aliases_are_taken_away_too(closed):
    rows: list[int] = []
    names = {"rows": rows, "same": rows, "box": {"rows": rows}}
    cell = begin("for x in [1, 2]:\n    rows.append(through(x, gate))", names, closed)
    assert names.keys().isdisjoint({"rows", "same", "box"})
    closed.set()
    assert cell.wait(30)
    assert names["same"] is names["rows"] is names["box"]["rows"] is rows
    assert rows == [1, 2]


@pytest.mark.parametrize("backend", ["auto", "processes"])
def test_a_detached_cell_with_a_journal_runs_only_what_is_missing(tmp_path, backend):
    journal, there = tmp_path / "cell.db", tmp_path / "there"
    cell = "import os\nrows = []\nfor x in range(4):\n"
    cell += "    if x == 2 and not os.path.exists(there):\n        raise OSError('not there')\n"
    cell += "    rows.append(x)\n"
    names = {"there": str(there)}
    options = {"checkpoint": journal, "backend": backend, "workers": 1}
    first = detach(cell, names, **options)
    assert first.wait(60)
    assert isinstance(first.error, OSError)
    assert names["rows"] == [0, 1]
    there.touch()
    second = detach(cell, names, **options)
    assert second.wait(60)
    assert second.error is None
    assert names["rows"] == [0, 1, 2, 3]
    assert second.report.stats.restored >= 2


def test_a_detached_cell_collects_failures():
    names = {}
    cell = detach("rows = [1 / x for x in [1, 0, 2]]", names, backend="threads", on_error="collect")
    assert cell.wait(30)
    assert names["rows"] == [1.0, 0.5]
    assert [one.index for one in cell.report.failures] == [1]
