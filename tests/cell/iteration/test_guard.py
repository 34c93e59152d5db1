"""The guard: changes that library code makes to its arguments, seen in the worker."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

from nbexec.cell.iteration import guard as guards
from nbexec.cell.iteration.guard import Guard

from ..both_ways import both, kind

SNEAKY = {
    "a captured list": "xs, out = [1], []\nfor x in range(6):\n    out.append(sneaky.total(xs))",
    "the item": "rows, out = [[1], [2], [3]], []\nfor row in rows:\n    out.append(sneaky.total(row))",
    "an item among captured things": "rows = [[1], [2]]\nout = [sneaky.total(r) for r in [*rows, rows[0]]]",
    "a list in a closure": "def make(xs):\n    return lambda: sneaky.total(xs)\nf = make([1])\n"
    "out = [f() for x in range(4)]",
    "a statement before one that reads it": "import time\nxs = [1]\ndef f(xs):\n    time.sleep(0.3)\n"
    "    return sneaky.total(xs)\ndef g(xs):\n    return sneaky.kind(xs)\na = f(xs)\nb = g(xs)",
    "the second of three statements": "import time\nxs = [1]\ndef f(xs):\n    time.sleep(0.3)\n"
    "    return sneaky.total(xs)\ndef g(xs):\n    return sneaky.kind(xs)\n"
    "a = g(xs)\nb = f(xs)\nc = g(xs)",
    "a statement": "import time\nxs = [1]\ndef f(xs):\n    return sneaky.total(xs)\na = f(xs)\nb = f(xs)",
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Install a module whose functions change their arguments."""
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "sneaky.py").write_text(
        "def total(xs):\n    xs.append(len(xs))\n    return sum(xs)\n"
        "def kind(xs):\n    return sum(xs)\n"
    )
    monkeypatch.syspath_prepend(str(home))
    import cloudpickle
    import sneaky

    cloudpickle.register_pickle_by_value(sneaky)  # workers that run already have an older sys.path
    yield
    cloudpickle.unregister_pickle_by_value(sneaky)
    sys.modules.pop("sneaky", None)


@pytest.mark.parametrize("source", SNEAKY.values(), ids=SNEAKY)
def test_the_guard_sees_what_nothing_had_shown(library, source):
    left = both(f"import sneaky\n{source}", "processes")
    assert "in the kernel" in str(left.report)
    assert "changed" in str(left.report)


def test_what_changes_nothing_passes_the_guard(library):
    source = "import sneaky\nrows = [[1], [2], [3]]\nout = [sneaky.kind(row) for row in rows]"
    left = both(source, "processes")
    assert kind(left) == "parallel"
    assert left.report.steps[-1].reason == ""
    assert "assumed: `sneaky.kind` changed nothing" in str(both(source, "threads").report)


def test_the_guard_looks_no_more_than_it_may_cost():
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001  # each look at the clock, so that looking costs a millisecond
        return now[0]

    guard = Guard({"xs": [1]}, clock, clock)
    seen = []
    for _ in range(60):
        guard.begin(1)
        now[0] += 0.002
        assert guard.changed() == ""
        seen.append(guard.looked)
    assert 1 < sum(seen) < 12


def test_what_is_heavy_is_looked_at_once_that_is_affordable(monkeypatch):
    now, looks, xs = [0.0], [], [1]
    monkeypatch.setattr(guards, "weight", lambda things: guards.RATE)  # it would take a second
    real = guards.fingerprint
    monkeypatch.setattr(guards, "fingerprint", lambda thing: looks.append(thing) or real(thing))
    guard = Guard({"xs": xs}, lambda: now[0], lambda: now[0])
    for took, looked_at in ((1, 0), (1, 0), (20, 1)):
        guard.begin(1)
        now[0] += took
        assert guard.changed() == ""
        assert not guard.looked
        assert len(looks) == 1 + looked_at  # the first is of nothing
    guard.begin(1)
    assert guard.changed() == ""
    assert guard.looked
    xs.append(2)
    guard.begin(1)
    assert guard.changed() == "xs"


def test_a_heavy_item_is_not_looked_at(monkeypatch):
    now, item = [0.0], [1]
    monkeypatch.setattr(guards, "weight", lambda things: guards.RATE if [*things] else 0)
    guard = Guard({}, lambda: now[0], lambda: now[0])
    guard.begin(item)
    now[0] += 1
    item.append(2)
    assert guard.changed() == ""
    assert not guard.looked
    guard.begin(item)
    now[0] += 100
    assert guard.changed() == ""
    guard.begin(item)  # the last one took so long that this one may cost a second
    item.append(3)
    assert guard.changed() == "the item"


THINGS = {
    "an instance": ("Box([1])", "thing.items.append(2)"),
    "an array": ("numpy.zeros(3)", "thing[1] = 2"),
    "a frame": ("pandas.DataFrame({'a': [1, 2]})", "thing.loc[0, 'a'] = 3"),
    "functions and classes": ("[print, Box, numpy, [1]]", "thing[3].append(2)"),
}


@pytest.mark.parametrize(("made", "change"), THINGS.values(), ids=THINGS)
def test_a_digest_differs_once_something_was_changed(made, change):
    class Box:
        def __init__(self, items):
            self.items = items

    names = {"numpy": pytest.importorskip("numpy"), "pandas": pytest.importorskip("pandas")}
    names["Box"] = Box
    names["thing"] = eval(made, names)
    before = guards.fingerprint(names["thing"])
    assert before is not None
    assert guards.fingerprint(names["thing"]) == before
    exec(change, names)
    assert guards.fingerprint(names["thing"]) != before


def test_what_pandas_works_out_is_no_change_and_what_is_stored_is_one():
    frame = pd.DataFrame(
        {"k": list("abc") * 4, "x": range(12)}, index=pd.date_range("2020", periods=12)
    )
    grouped = frame.groupby("k")
    for thing, look in (
        (frame, lambda: frame.resample("7D").x.sum()),
        (grouped, lambda: grouped.get_group("a").x.sum()),
        (frame.index, lambda: frame.index.get_loc(frame.index[3])),
    ):
        before = guards.fingerprint(thing)
        look()
        assert guards.fingerprint(thing) == before is not None
    before = [guards.fingerprint(frame), guards.fingerprint(grouped)]
    frame.iloc[0, 1] = 99
    assert guards.fingerprint(frame) != before[0]
    before[0] = guards.fingerprint(frame)
    frame.index.names = ["when"]
    assert guards.fingerprint(frame) != before[0]
