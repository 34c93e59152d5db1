"""What a cell makes in workers is the kernel's own: its classes, its marks, its registries.

Each cell has a probe, which plain Python evaluates afterwards: what is identical, owned or
registered.
"""

from __future__ import annotations

from typing import Any

import pytest

import nbexec

from .both_ways import both, plainly, reason, runs_serially

CELLS = {
    "class attributes": """
class Shape:
    registry = {}
    def __init__(self, n):
        self.n = n
    def area(self):
        return self.n
registry, area = Shape.registry, Shape.area
Shape.extra = 1
def make(n):
    return Shape(n)
shapes = [make(n) for n in range(8)]
del Shape.extra
more = [make(n) for n in range(8)]
PROBE = (Shape.registry is registry, Shape.area is area, hasattr(Shape, "extra"),
         all(type(one) is Shape for one in shapes + more))
""",
    "hooks": """
made = []
class Base:
    def __init_subclass__(cls, **given):
        made.append(cls.__name__)
class Named:
    def __set_name__(self, owner, name):
        made.append(name)
class Cat(Base):
    tail = Named()
class Dog(Base):
    pass
def pet(n):
    return Cat() if n % 2 else Dog()
pets = [pet(n) for n in range(6)]
PROBE = made, [type(one) is (Cat if n % 2 else Dog) for n, one in enumerate(pets)]
""",
    "classes made beside other statements": """
import collections, dataclasses
def work(x):
    return sum(i * x for i in range(50))
first = work(1)
Point = collections.namedtuple("Point", "x y")
second = work(2)
Data = dataclasses.make_dataclass("Data", ["x"], slots=True)
third = work(3)
point = Point(1, 2)
PROBE = (type(point) is Point, Point.__slots__, hasattr(point, "__dict__"), Data.__slots__,
         hasattr(Data(1), "__dict__"), Point.__module__, Data.__module__)
""",
    "classes made in items": """
import collections
def make(i):
    return collections.namedtuple(f"P{i}", "a")(i)
rows = [make(i) for i in range(6)]
kinds = [type(f"K{i}", (), {"x": i}) for i in range(6)]
PROBE = [type(one).__slots__ for one in rows], [(one.__name__, one.x) for one in kinds]
""",
    "enums": """
import enum
class Color(enum.Enum):
    RED = 1
    ALIAS = 1
    GREEN = 2
class Flag(enum.IntFlag):
    A = 1
    B = 2
    AB = 3
def pick(i):
    return [Color.RED, Color.ALIAS, Color.GREEN, Flag.A | Flag.B, Flag(0)][i]
rows = [pick(i) for i in range(5)]
PROBE = rows[0] is Color.RED, rows[1] is Color.RED, rows[2] is Color.GREEN, repr(rows)
""",
    "marks": """
import dataclasses
NOTHING = object()
def pick(i):
    return NOTHING if i % 2 else dataclasses.MISSING
rows = [pick(i) for i in range(4)]
deep = [{"a": [pick(i)]} for i in range(4)]
PROBE = ([one is NOTHING for one in rows], [one is dataclasses.MISSING for one in rows],
         [one["a"][0] is NOTHING for one in deep])
""",
    "attributes of classes": """
class Node:
    every = []
Node.root = Node()
rows = [(Node.root, i) for i in range(4)]
lists = []
for i in range(4):
    lists.append([Node.every])
PROBE = [one[0] is Node.root for one in rows], [one[0] is Node.every for one in lists]
""",
    "attributes of modules": """
import mimetypes
rows = [mimetypes.types_map for i in range(3)]
PROBE = [one is mimetypes.types_map for one in rows]
""",
    "functions": """
def double(x):
    return 2 * x
rows = [double for i in range(4)]
deep = [{"a": double} for i in range(4)]
PROBE = [one is double for one in rows], [one["a"] is double for one in deep]
""",
    "exceptions": """
class Failed(Exception):
    codes = []
    def __init__(self, code):
        super().__init__(code)
        self.code = code
codes = Failed.codes
def attempt(i):
    try:
        raise Failed(i)
    except Failed as error:
        return error
rows = [attempt(i) for i in range(4)]
PROBE = [type(one) is Failed for one in rows], Failed.codes is codes
""",
    "arrays": """
import numpy as np
def make(i):
    whole = np.arange(i + 3.0)
    return whole, whole[1:], np.arange(6).reshape(2, 3)
rows = [make(i) for i in range(4)]
PROBE = repr([(whole.flags.owndata, part.base is whole, np.shares_memory(whole, part),
               other.flags.owndata) for whole, part, other in rows])
""",
    "abstract classes": """
import abc, collections.abc
class Abstract(abc.ABC):
    pass
@Abstract.register
class Concrete:
    pass
@collections.abc.Sequence.register
class Listed:
    pass
rows = [(isinstance(Concrete(), Abstract), isinstance(Listed(), collections.abc.Sequence))
        for i in range(4)]
PROBE = rows
""",
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("source", CELLS.values(), ids=CELLS)
def test_it_is_as_in_the_plain_cell(source: str, backend: str) -> None:
    cell, probe = source.split("PROBE = ")
    left = both(cell, backend)
    plain: dict[str, Any] = {}
    plainly(cell, plain)
    assert eval(f"({probe})", left.names) == eval(f"({probe})", plain)


def test_what_a_loop_compares_by_identity(sent: str) -> None:
    earlier = """
class Shape:
    pass
def double(x):
    return 2 * x
functions = [double, len, lambda: 1, double]
kinds = [Shape, int, Shape]
"""
    both("same = [one is double for one in functions]", sent, earlier=earlier)
    both("same = [one is Shape for one in kinds]", sent, earlier=earlier)
    both("same = [type(one()) is Shape for one in kinds]", sent, earlier=earlier)


def test_weak_references_are_to_the_very_objects(backend: str) -> None:
    names: dict[str, Any] = {}
    source = """
import weakref
class Node:
    pass
nodes = [Node() for i in range(3)]
sets = [weakref.WeakSet([nodes[i]]) for i in range(3)]
"""
    nbexec.parallel(source, names, backend=backend)
    assert [[*one] for one in names["sets"]] == [[node] for node in names["nodes"]]


MAKERS = {
    "namedtuple": "import collections\nrows = [collections.namedtuple('P', 'a') for i in range(3)]",
    "make_dataclass": "import dataclasses\n"
    "rows = [dataclasses.make_dataclass('D', ['x']) for i in range(3)]",
    "Enum": "import enum\nrows = [enum.Enum('E', ['a', 'b']) for i in range(3)]",
    "new_class": "import types\nrows = [types.new_class('K') for i in range(3)]",
    "NamedTuple": "import typing\nrows = [typing.NamedTuple('N', [('a', int)]) for i in range(3)]",
    "type": "rows = [type('K', (), {}) for i in range(3)]",
}


@pytest.mark.parametrize("source", MAKERS.values(), ids=MAKERS)
def test_what_makes_classes_stays_in_the_kernel(source: str) -> None:
    runs_serially(source, "makes a class")


def test_a_class_that_nothing_showed_is_made_in_the_kernel(remote: str) -> None:
    left = both("import ctypes\nrows = [ctypes.c_int * (i + 40) for i in range(3)]", remote)
    assert "which was made in a worker" in reason(left)
    assert [one._length_ for one in left.names["rows"]] == [40, 41, 42]
