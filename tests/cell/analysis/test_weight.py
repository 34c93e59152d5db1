"""The estimate of what objects weigh as a pickle, against the pickle itself."""

from __future__ import annotations

import dataclasses
import pickle
import time
from collections import Counter, defaultdict, deque, namedtuple

import pytest

from nbexec.cell.analysis.weight import weight

N = 20_000


class Point:
    def __init__(self, n):
        self.x, self.label, self.near = n, f"point {n}", [n, n + 1]


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, n):
        self.x, self.y = n, float(n)


class Table(dict):
    pass


Pair = namedtuple("Pair", "a b")


@dataclasses.dataclass
class Record:
    a: int
    b: str
    c: list


def frame(rows):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"a": range(rows), "b": [f"row {n}" for n in range(rows)]})


def numbers(size):
    return pytest.importorskip("numpy").arange(size, dtype="float64")


THINGS = {
    "integers": lambda: list(range(N)),
    "large integers": lambda: [2**200 + n for n in range(N)],
    "numbers": lambda: [float(n) for n in range(N)],
    "truths": lambda: [True, False] * N,
    "texts": lambda: [f"word {n}" for n in range(N)],
    "long texts": lambda: [str(n) * 300 for n in range(100)],
    "one text": lambda: "abc" * N,
    "a text in another script": lambda: "äöü" * N,
    "bytes": lambda: b"abc" * N,
    "a set": lambda: {f"word {n}" for n in range(N)},
    "a frozenset": lambda: frozenset(range(N)),
    "a dict": lambda: {n: f"word {n}" for n in range(N)},
    "dicts in a dict": lambda: {n: {"a": n, "b": str(n)} for n in range(N)},
    "lists in a dict": lambda: {f"w{n}": [f"a{n}", f"b{n}"] for n in range(N)},
    "empty lists": lambda: [[] for _ in range(N)],
    "tuples": lambda: [(n, str(n), float(n)) for n in range(N)],
    "rows": lambda: [[n * k for k in range(300)] for n in range(300)],
    "a deque": lambda: deque(range(N)),
    "a Counter": lambda: Counter({f"w{n}": n for n in range(N)}),
    "a defaultdict": lambda: defaultdict(list, {n: [n] * 5 for n in range(N)}),
    "nested": lambda: {
        str(k): {"rows": [{"x": n + k, "y": [float(n)]} for n in range(20)]} for k in range(500)
    },
    "instances": lambda: [Point(n) for n in range(N)],
    "slots": lambda: [Slotted(n) for n in range(N)],
    "a dict of one's own": lambda: Table({n: str(n) for n in range(N)}),
    "named tuples": lambda: [Pair(n, str(n)) for n in range(N)],
    "dataclasses": lambda: [Record(n, str(n), [1, 2, n]) for n in range(N)],
    "an instance with much in it": lambda: Record(1, "", {n: [str(n)] for n in range(N)}),
    "an array": lambda: numbers(1_000_000),
    "arrays": lambda: [numbers(1000) + n for n in range(300)],
    "an array of objects": lambda: numbers(N).astype(str).astype(object),
    "a frame": lambda: frame(N),
    "frames in a dict": lambda: {n: frame(500) for n in range(50)},
    "a column": lambda: frame(N)["a"],
    "a column of texts": lambda: frame(N)["b"],
    "a frame of an instance": lambda: Record(1, "", frame(N)),
    "small": lambda: [1, 2, 3],
}


@pytest.mark.parametrize("make", THINGS.values(), ids=THINGS)
def test_is_near_the_size_of_the_pickle(make):
    thing = make()
    size = len(pickle.dumps(thing, protocol=5))
    assert size / 3 < weight([thing]) < size * 3


def test_adds_up_things():
    things = [list(range(N)), numbers(100_000), "abc", {1: 2}, *range(20)]
    size = sum(len(pickle.dumps(one, protocol=5)) for one in things)
    assert size / 3 < weight(things) < size * 3


def test_an_object_that_is_there_twice_counts_once():
    array = numbers(100_000)
    assert weight([[array, array], array]) < 1.1 * array.nbytes


def test_runs_no_code_of_the_users():
    class Loud(list):
        def __len__(self):
            raise AssertionError

        __sizeof__ = __iter__ = __getitem__ = __reduce__ = __len__

    assert weight([Loud([1, 2]), [Loud()]]) > 0


@pytest.mark.alone
def test_takes_no_longer_for_more():
    def seconds(thing):
        took = []
        for _ in range(9):
            began = time.process_time()
            weight(thing)
            took.append(time.process_time() - began)
        return sorted(took)[4]

    linked = None
    for n in range(5000):
        linked, before = Point(n), linked
        linked.before = before
    many = {n: {"a": [n], "b": Point(n)} for n in range(100_000)}
    assert seconds([linked]) < 0.002  # 0.2 ms where nothing else runs
    assert seconds([many]) < 0.002
    assert seconds(list(range(100_000))) < 0.002
