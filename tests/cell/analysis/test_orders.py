"""Sets of texts: another process has another order for them, so nothing goes through one there."""

from __future__ import annotations

import enum
from collections import namedtuple
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nbexec
from nbexec.cell.analysis.orders import hashes_differ, varying
from nbexec.cell.analysis.source import remember

from ..both_ways import both, kind, reason, runs_in_parallel

Pair = namedtuple("Pair", "a b")
EARLIER = """
import itertools
words = ["alpha beta gamma delta", "beta gamma epsilon zeta eta", "theta iota kappa lambda"] * 3
vocabulary = set("one two three four five six seven eight nine ten".split())
index = {"v": [vocabulary], "numbers": {1, 2, 3}}
documents = [set(w.split()) for w in words]
def letters(w):
    found = []
    for c in set(w):
        found.append(c)
    return found
"""
IN_ORDER = {
    "rows": "out = [[w.count(v) for v in vocabulary] for w in words]",
    "in a dict": "out = [[v for v in index['v'][0]] for w in words]",
    "items": "out = [list(d) for d in documents]",
    "a list": "out = [list(set(w)) for w in words]",
    "of split": "out = [list(set(w.lower().split())) for w in words]",
    "a comprehension": "out = [[c for c in {x for x in w}] for w in words]",
    "ties": "out = [max(set(w), key=w.count) for w in words]",
    "sorted by": "out = [sorted(set(w), key=w.count) for w in words]",
    "joined": "out = [''.join(set(w)) for w in words]",
    "a text": "out = [str(set(w)) for w in words]",
    "repr": "out = [repr({c for c in w}) for w in words]",
    "an f-string": "out = [f'{set(w)}' for w in words]",
    "printed": "for w in words:\n    print(set(w))",
    "a loop": "out = []\nfor w in words:\n    for c in set(w):\n        out.append(c)",
    "extended": "out = []\nfor w in words:\n    out.extend(set(w))",
    "in a function": "out = [letters(w) for w in words]",
    "pop": "out = [set(w).pop() for w in words]",
    "next": "out = [next(iter(set(w))) for w in words]",
    "unpacked": "out = []\nfor w in words:\n    a, *b = set(w)\n    out.append((a, b))",
    "enumerated": "out = [[p for p in enumerate(set(w))] for w in words]",
    "starred": "out = [[*set(w)] for w in words]",
    "a dict": "out = [{c: w.count(c) for c in set(w)} for w in words]",
    "a frozenset": "out = [list(frozenset(w)) for w in words]",
    "tuples": "out = [list({(c, 1) for c in w}) for w in words]",
    "itertools": "out = [list(itertools.combinations(set(w), 2)) for w in words]",
}
IN_ANY = {
    "in": "out = [[v in vocabulary for v in w.split()] for w in words]",
    "len": "out = [len(set(w)) for w in words]",
    "sorted": "out = [sorted(set(w)) for w in words]",
    "any": "out = [any(c == 'a' for c in set(w)) for w in words]",
    "smallest": "out = [min(set(w)) for w in words]",
    "a set": "out = [len({c.upper() for c in set(w)}) for w in words]",
    "numbers": "out = [list({len(c) for c in w.split()}) for w in words]",
    "numbers from outside": "out = [[n for n in index['numbers']] for w in words]",
    "and": "out = [len(set(w.split()) & vocabulary) for w in words]",
}


@pytest.mark.skipif(not hashes_differ(), reason="PYTHONHASHSEED is set: the order is the same")
@pytest.mark.parametrize("what", IN_ORDER)
def test_what_goes_through_a_set_of_texts_stays_in_this_process(what):
    left = both(IN_ORDER[what], "processes", earlier=EARLIER)
    assert kind(left) == "serial"
    assert "goes through a set" in reason(left)
    left = both(IN_ORDER[what], "threads", earlier=EARLIER)
    assert kind(left) == "parallel"


@pytest.mark.parametrize("what", IN_ANY)
def test_what_asks_for_no_order_runs_in_other_processes(what):
    left = both(IN_ANY[what], "processes", earlier=EARLIER)
    assert kind(left) == "parallel", reason(left)


@pytest.mark.skipif(not hashes_differ(), reason="PYTHONHASHSEED is set: the order is the same")
def test_auto_has_threads_then():
    left = both(IN_ORDER["rows"], "auto", earlier=EARLIER)
    assert left.report is not None
    step = left.report.steps[-1]
    assert step.stats is not None
    assert (step.stats.backend, "since it goes through" in step.reason) == ("threads", True)


@pytest.mark.skipif(not hashes_differ(), reason="PYTHONHASHSEED is set: the order is the same")
def test_statements_beside_one_another_neither():
    left = both("p = letters(words[0])\nq = letters(words[1])", "processes", earlier=EARLIER)
    assert left.report is not None
    assert {step.kind for step in left.report.steps} == {"serial"}


def test_the_loop_itself_may_go_through_one():
    runs_in_parallel("s = set('abcdefgh')\nout = [c * 2 for c in s]", "processes")


# ---------------------------------------------------------------- what else varies


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Named:
    n: int
    name: str


class Node:
    pass


class Keyed:
    def __init__(self, key):
        self.key = key

    def __hash__(self):
        return hash(self.key)


STEADY = [1, 2.5, True, Level.LOW, Point(1, 2), Keyed(3), (1, (2,)), frozenset([1]), Fraction(1, 2)]
STEADY += [Decimal(1), np.int64(3), np.float32(2), Pair(1, 2), ()]
VARYING = [Colour.RED, Named(1, "a"), Node(), Keyed("a"), (1, "a"), frozenset(["a"]), b"a", int]
VARYING += [np.str_("a"), date(2026, 1, 1), Path("a"), Pair(1, "a")]


def test_whether_hashes_are_the_same_in_every_process():
    assert not any(varying([one]) for one in STEADY)
    assert not varying(STEADY)
    if hashes_differ():
        assert all(varying([one]) for one in VARYING)
        assert varying([*range(1000), "a"])


NODES = """
from dataclasses import dataclass
class Node:
    def __init__(self, n): self.n = n
@dataclass(frozen=True)
class Point:
    n: int
nodes = {Node(n) for n in range(30)}
points = {Point(n) for n in range(30)}
held = {"nodes": nodes}
"""


@pytest.mark.parametrize("of", ["nodes", "held['nodes']"])
def test_a_set_of_objects_that_is_there_is_gone_through_here(of):
    cell = f"out = [[k * one.n for one in {of}] for k in range(4)]"
    names: dict = {}
    exec(NODES, names)
    report = nbexec.parallel(cell, names, workers=2, backend="processes", progress="off")
    assert report.steps[-1].kind == "serial"
    assert "which may have another order" in str(report)
    assert names["out"] == [[k * one.n for one in names["nodes"]] for k in range(4)]


def test_a_set_of_points_may_be_gone_through_anywhere():
    cell = "out = [[k * one.n for one in points] for k in range(4)]"
    plain: dict = {}
    names: dict = {}
    exec(NODES + cell, plain)
    remember(NODES, "<points>")
    exec(compile(NODES, "<points>", "exec", dont_inherit=True), names)
    report = nbexec.parallel(cell, names, workers=2, backend="processes", progress="off")
    assert report.steps[-1].kind == "parallel", str(report)
    assert names["out"] == plain["out"]


MORE = {
    "fromkeys": "out = [list(dict.fromkeys(set(w))) for w in words]",
    "percent": "out = ['%s' % set(w) for w in words]",
    "format": "out = ['{}'.format(set(w)) for w in words]",
    "added to a list": "out = []\nfor w in words:\n    found = [1]\n    found += set(w)\n    out.append(found)",
    "difference": "out = [list(set(w).difference('a')) for w in words]",
    "minus": "out = [list(set(w) - set('a')) for w in words]",
}


@pytest.mark.skipif(not hashes_differ(), reason="PYTHONHASHSEED is set: the order is the same")
@pytest.mark.parametrize("what", MORE)
def test_it_is_seen_in_these_ways_too(what):
    left = both(MORE[what], "processes", earlier=EARLIER)
    assert kind(left) == "serial"
    assert "goes through a set" in reason(left)


def test_a_seed_that_was_set_later_says_nothing_of_this_process(monkeypatch):
    if not hashes_differ():
        pytest.skip("PYTHONHASHSEED is 0")
    monkeypatch.setenv("PYTHONHASHSEED", "6640")  # as Dask does
    assert varying(["a"])
