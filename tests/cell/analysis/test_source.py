"""The source of a function: it must compile to the very code that the function has."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
import textwrap
import warnings
from typing import Any

import pytest

import nbexec
from nbexec.cell.analysis.source import function_node, remember
from nbexec.system.silence import silently


def test_the_source_of_an_older_cell_of_the_same_name_is_not_taken_for_it():
    names: dict[str, Any] = {"seen": []}
    old = "def f(x):\n    seen.append(x)\n    return x\n"
    nbexec.parallel(old, names, progress="off")
    report = nbexec.parallel("out = [f(x) for x in [1, 2]]\n\n\n", names, progress="off")
    assert "its source isn't there" in str(report)
    assert names["seen"] == [1, 2]


def test_a_function_without_a_source_that_only_computes():
    names: dict[str, Any] = {}
    exec("def f(x, y=2):\n    return x * y + 1", names)
    report = nbexec.parallel("out = [f(x) for x in [1, 2]]", names, progress="off")
    assert report.steps[-1].kind == "parallel"
    assert names["out"] == [3, 5]


CLASSES = {
    "a dataclass": """
from dataclasses import dataclass
@dataclass
class Tally:
    t: int = 0
""",
    "a dataclass with slots": """
from dataclasses import dataclass
@dataclass(slots=True)
class Tally:
    t: int = 0
""",
    "attrs": """
import attrs
@attrs.define
class Tally:
    t: int = 0
""",
    "a named tuple": """
from collections import namedtuple
class Tally(namedtuple("Tally", "n", defaults=[0])):
    t = 0
""",
    "typing": """
import typing
class Base(typing.NamedTuple):
    n: int = 0
class Tally(Base):
    t = 0
""",
    "an enumeration": """
import enum
class Tally(enum.Enum):
    A = 1
    @classmethod
    def _missing_(cls, value):
        return cls.A
    t = property(lambda self: self.__dict__.get("u", 0), lambda self, t: setattr(self, "u", t))
""",
}
ADD = """
    def add(self, n):
        self.t += n
        return self.t
tally = Tally(0)
"""


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("of", CLASSES)
def test_a_method_that_exec_made_of_a_text_is_not_taken_for_one_that_a_library_wrote(of, backend):
    for source in ("out = [tally.add(i) for i in range(20)]", "out = [*map(tally.add, range(20))]"):
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(CLASSES[of] + ADD, names)
        nbexec.parallel(source, names, workers=2, backend=backend, progress="off")
        assert names["out"] == list(itertools.accumulate(range(20)))
        assert names["tally"].t == sum(range(20))


def test_methods_that_dataclasses_and_namedtuple_wrote_run_in_parallel():
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(CLASSES["a dataclass"] + CLASSES["a named tuple"].replace("Tally", "Pair"), names)
    source = "out = [(Tally(i), Pair(i).n, Tally(i) == Tally(1)) for i in range(3)]"
    report = nbexec.parallel(source, names, workers=2, backend="threads", progress="off")
    assert report.steps[-1].kind == "parallel", str(report)
    assert [(one.t, n, same) for one, n, same in names["out"]] == [
        (0, 0, False),
        (1, 1, True),
        (2, 2, False),
    ]


WITHOUT_SOURCE = {
    "an entry that is made": ("d = defaultdict(list)", "lambda d, k: len(d[k])", "f(d, i), len(d)"),
    "an iterator that is read": ("d = iter(range(99))", "lambda d, k: 2 * k in d", "f(d, i)"),
    "an attribute": ("d = Odd()", "lambda d: d.next", "f(d)"),
    "a slice": ("d = Odd()", "lambda d: d[1:2]", "f(d)"),
    "an operator of a class": ("d = Odd()", "lambda d, i: d + i", "f(d, i)"),
}
ODD = """
from collections import defaultdict
class Odd:
    n = 0
    def __add__(self, more):
        self.n += more
        return self.n
    def __getitem__(self, key):
        return self + 1
    next = property(lambda self: self + 1)
"""


@pytest.mark.parametrize("of", WITHOUT_SOURCE)
def test_a_function_without_a_source_that_changes_what_it_is_given(of):
    made, function, call = WITHOUT_SOURCE[of]
    source = f"out = [({call}) for i in range(20)]"
    plain, ours = {}, {}
    for names in (plain, ours):
        exec(f"{ODD}\n{made}\nf = {function}", names)
    exec(source, plain)
    nbexec.parallel(source, ours, workers=2, backend="threads", progress="off")
    assert ours["out"] == plain["out"]


def test_a_source_is_walked_through_once_for_all_its_functions(monkeypatch):
    text = "".join(f"def f{at}(x):\n    return x + {at}\n" for at in range(30))
    names: dict[str, Any] = {}
    remember(text, "<many functions>")
    exec(compile(text, "<many functions>", "exec", dont_inherit=True), names)
    walked: list[Any] = []
    walk = ast.walk
    monkeypatch.setattr(ast, "walk", lambda node: walked.append(node) or walk(node))
    found = [function_node(names[f"f{at}"].__code__) for at in range(30)]
    assert [getattr(one, "name", "") for one in found] == [f"f{at}" for at in range(30)]
    assert len([one for one in walked if isinstance(one, ast.Module)]) == 1


def test_the_reason_is_the_same_in_every_run():
    program = textwrap.dedent("""
        from nbexec.cell.plan import plan
        from nbexec.cell.analysis.source import remember
        text = "seen = []\\n" + "".join(
            f"class C{at}:\\n    @property\\n    def p{at}(self):\\n        seen.append({at})\\n"
            for at in range(20))
        remember(text, "<classes>")
        names = {}
        exec(compile(text, "<classes>", "exec", dont_inherit=True), names)
        names["things"] = [names[f"C{at}"]() for at in range(20)]
        names["which"] = ["p3", "p5"]
        print(plan("out = [getattr(t, w) for t in things for w in which]", names).steps[0].reason)
    """)
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert "seen" in said.pop()


def test_what_was_shown_once_is_not_shown_again_after_a_silent_block():
    code, names = compile("import warnings\nwarnings.warn('once')", "<cell>", "exec"), {}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        exec(code, names)
        with silently(), warnings.catch_warnings():  # as library code does
            warnings.simplefilter("ignore")
        exec(code, names)
        assert len(seen) == 1
        with warnings.catch_warnings():
            pass
        exec(code, names)
    assert len(seen) == 2  # the next one is told of again
