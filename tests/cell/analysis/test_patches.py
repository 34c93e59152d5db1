"""Tests of nbexec.cell.analysis.patches: what the notebook put into a library."""

from __future__ import annotations

import builtins
import functools
import json
import os
import time
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.core import accessor

import nbexec
from nbexec.cell.analysis.patches import patch_of

from ..both_ways import both, kind, reason

NOTEBOOK: dict[str, Any] = {"__name__": "__main__"}
exec("def mine(*given): return 'mine'\nclass Mine: pass", NOTEBOOK)
MINE: Any = NOTEBOOK["mine"]


class Counted:
    """Something callable."""

    def __call__(self, *given: Any) -> Any:
        return given


ACCESSOR = getattr(accessor, "Accessor", None) or accessor.CachedAccessor  # its name till pandas 2
PATCHES = {
    "Fraction.__str__": (Fraction, "__str__", MINE),
    "Fraction.half": (Fraction, "half", property(MINE)),
    "Fraction.parse": (Fraction, "parse", staticmethod(MINE)),
    "json.dumps": (json, "dumps", MINE),
    "json.loads": (json, "loads", functools.partial(MINE, 1)),
    "json.load": (json, "load", functools.cache(MINE)),
    "json.JSONEncoder": (json, "JSONEncoder", NOTEBOOK["Mine"]),
    "json.dump": (json, "dump", Counted()),
    "JSONEncoder.default": (json.JSONEncoder, "default", MINE),
    "posixpath.join": (os.path, "join", MINE),
    "numpy.linalg.norm": (np.linalg, "norm", MINE),
    "DataFrame.twice": (pd.DataFrame, "twice", MINE),
    "DataFrame.geo": (pd.DataFrame, "geo", ACCESSOR("geo", NOTEBOOK["Mine"])),
    "shout": (builtins, "shout", MINE),
}
REACHED = [Fraction(1, 2), json, os, np, pd]


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert patch_of(REACHED, NOTEBOOK) == ""
    holder, attribute, value = PATCHES[name]
    with monkeypatch.context() as patched:
        patched.setattr(holder, attribute, value, raising=False)
        assert patch_of(REACHED, NOTEBOOK) == name
    assert patch_of(REACHED, NOTEBOOK) == ""


def test_what_is_not_reached_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "dumps", MINE)
    assert patch_of([Fraction, np], NOTEBOOK) == ""
    assert patch_of([json.loads], NOTEBOOK) == "json.dumps"


def test_modules_of_the_users_lead_to_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.ModuleType("own_module_of_a_test")
    own.numbers, own.help = json, MINE
    assert patch_of([own], NOTEBOOK) == ""
    monkeypatch.setattr(json, "dumps", MINE)
    assert patch_of([own], NOTEBOOK) == "json.dumps"


def test_what_libraries_make_of_texts_is_theirs() -> None:
    """Named tuples and dataclasses of a library have methods without a file."""
    import ast
    import sched
    import urllib.parse

    assert patch_of([urllib.parse, sched, ast, functools, nbexec.Options], NOTEBOOK) == ""


@pytest.mark.alone
def test_a_look_takes_less_than_a_millisecond() -> None:
    def look() -> float:
        begun = time.process_time()
        for _ in range(10):
            patch_of([np, pd, json, np.zeros(3)], NOTEBOOK)
        return (time.process_time() - begun) / 10

    look()
    assert min(look() for _ in range(5)) < 0.001


CELLS = {
    "a method": (
        "from fractions import Fraction\nFraction.__str__ = lambda self: 'F'",
        "rows = [str(Fraction(k, 7)) for k in range(6)]",
        (Fraction, "__str__"),
    ),
    "a method of the items": (
        "from fractions import Fraction\nFraction.__str__ = lambda self: 'F'\n"
        "items = [Fraction(k, 7) for k in range(6)]\ndel Fraction",
        "rows = [str(item) for item in items]",
        (Fraction, "__str__"),
    ),
    "a function": (
        "import json\njson.dumps = lambda thing: 'mine'",
        "rows = [json.dumps(k) for k in range(6)]",
        (json, "dumps"),
    ),
    "a function that calls it": (
        "import json\njson.dumps = lambda thing: 'mine'\ndef text(k):\n    return json.dumps(k)",
        "rows = []\nfor k in range(6):\n    rows.append(text(k))",
        (json, "dumps"),
    ),
    "a function that imports it": (
        "import json\njson.dumps = lambda thing: 'mine'\ndel json\n"
        "def text(k):\n    import json\n    return json.dumps(k)",
        "rows = [text(k) for k in range(6)]",
        (json, "dumps"),
    ),
    "a method that imports it": (
        "import json\njson.dumps = lambda thing: 'mine'\ndel json\n"
        "class Writer:\n    def text(self, k):\n        import json\n        return json.dumps(k)\n"
        "writer = Writer()",
        "rows = [writer.text(k) for k in range(6)]",
        (json, "dumps"),
    ),
    "statements": (
        "import json\njson.dumps = lambda thing: 'mine'\n"
        "def work(x):\n    return sum(i * x for i in range(50)), json.dumps(x)",
        "first = work(1)\nsecond = work(2)\nthird = work(3)",
        (json, "dumps"),
    ),
}


@pytest.fixture
def restored() -> Iterator[Callable[[Any, str], Callable[[], None]]]:
    """Give what puts an attribute back as it is now."""
    puts: list[Callable[[], None]] = []

    def keep(holder: Any, name: str) -> Callable[[], None]:
        puts.append(functools.partial(setattr, holder, name, getattr(holder, name)))
        return puts[-1]

    yield keep
    for put in puts:
        put()


@pytest.mark.parametrize(("earlier", "cell", "where"), CELLS.values(), ids=CELLS)
def test_cells_run_where_the_patch_is(
    earlier: str, cell: str, where: Any, backend: str, restored: Any
) -> None:
    left = both(cell, backend, before=restored(*where), earlier=earlier)
    assert left.error is None


def test_the_report_names_the_patch(restored: Any) -> None:
    earlier, cell, where = CELLS["a method"]
    put = restored(*where)
    left = both(cell, "processes", before=put, earlier=earlier)
    assert kind(left) == "serial"
    assert "`Fraction.__str__` was replaced in the notebook" in reason(left)
    left = both(cell, "auto", before=put, earlier=earlier)
    assert kind(left) == "parallel"
    assert "on threads, since `Fraction.__str__` was replaced" in reason(left)


OWN_WAY = """
class Open:
    def __init__(self, n): self.n, self.left_out = n, n
    def __getstate__(self): return {"n": self.n, "left_out": -1}
class Built(Open):
    def __reduce__(self): return Built, (self.n + 1,)
def used(one): return sum(one.left_out * i for i in range(20))
"""


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("name", ["Open", "Built"])
@pytest.mark.parametrize(
    "cell",
    [
        "out = [used(one) for one in ones]",
        "out = [used(ones[2]) + n for n in range(6)]",
        "out = []\nfor n in range(6): out.append({name}(n))",
        "for one in ones: one.value = used(one)",
        "a = used(ones[1])\nb = used(ones[2])\nc = used(ones[3])",
    ],
)
def test_what_is_pickled_in_its_own_way_stays_in_this_process(cell, name, backend):
    earlier = f"{OWN_WAY}ones = [{name}(n) for n in range(6)]"
    left = both(cell.replace("{name}", name), backend, earlier=earlier)
    where = left.report.stats and left.report.stats.backend
    assert where == (backend if backend == "threads" and "c =" not in cell else where)
    assert where != "processes"
