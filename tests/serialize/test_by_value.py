"""Classes and functions that can't be imported: they come back as the kernel's own.

Covers `nbexec.serialize.returning` and `nbexec.serialize.classes_by_value`.
"""

from __future__ import annotations

from typing import Any

import pytest

import nbexec
from nbexec.serialize import pickling

SOURCE = """
import abc, collections.abc, dataclasses, enum, typing

made = []

class Shape:
    registry = {}
    def __init__(self, n): self.n = n
    def area(self): return self.n

class Slotted:
    __slots__ = ("x", "__y")
    def __init__(self): self.x = self.__y = 1

class Base:
    def __init_subclass__(cls, kind, **given): made.append((cls.__name__, kind))

class Cat(Base, kind=1): pass

class Meta(type):
    def __init__(cls, name, bases, given):
        made.append(name)
    def __setattr__(cls, name, value):
        if name != "__slotnames__":  # of pickle
            made.append((cls.__name__, name))
        super().__setattr__(name, value)

class WithMeta(metaclass=Meta): pass

class Abstract(abc.ABC):
    @abc.abstractmethod
    def f(self): ...

class Concrete(Abstract):
    def f(self): return 1

@Abstract.register
class Registered: pass

@collections.abc.Sequence.register
class Sequential: pass

class Planet(enum.Enum):
    EARTH = (5.9e24, 6.3e6)
    TERRA = (5.9e24, 6.3e6)
    def __init__(self, mass, radius): self.mass = mass

class Permission(enum.Flag):
    R = 1
    W = 2
    RW = 3
    NONE = 0

Pair = collections.namedtuple("Pair", "a b")

class Typed(typing.NamedTuple):
    a: int = 3

@dataclasses.dataclass(slots=True)
class Data:
    a: int
    b: list = dataclasses.field(default_factory=list)

T = typing.TypeVar("T")

class Generic(typing.Generic[T]): pass

class Failed(Exception):
    def __init__(self, a, b=2):
        super().__init__(a)
        self.b = b

class Text(str): pass

def helper(x): return x

things = dict(
    shape=Shape(3), slotted=Slotted(), cat=Cat(), meta=WithMeta(), concrete=Concrete(),
    registered=Registered(), earth=Planet.EARTH, terra=Planet.TERRA, rw=Permission.RW,
    none=Permission.NONE, both=Permission.R | Permission.W, pair=Pair(1, 2), typed=Typed(),
    data=Data(1), generic=Generic(), failed=Failed(1), text=Text("a"), kind=Shape, enum=Planet,
    abstract=Abstract, helper=helper, T=T, missing=dataclasses.MISSING,
    default=dataclasses.fields(Data)[0].default,
)
KINDS = [
    Shape, Slotted, Base, Cat, Meta, WithMeta, Abstract, Concrete, Registered, Planet, Permission,
    Pair, Typed, Data, Generic, Failed, Text,
]

def get(name): return things[name]

def seen(_):
    return (
        *(made, Planet.EARTH.mass, Planet.TERRA.name, repr(Permission.RW)),
        *(hasattr(Slotted(), "__dict__"), hasattr(Pair(1, 2), "__dict__")),
        *(isinstance(Sequential(), collections.abc.Sequence), isinstance(Registered(), Abstract)),
        *(isinstance(Shape(1), collections.abc.Sequence), Generic[int]().__class__ is Generic),
        dataclasses.fields(Data)[0].default is dataclasses.MISSING,
        *(Shape.area is area, Shape.registry is registry),
    )

area, registry = Shape.area, Shape.registry
"""


def notebook() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE, names)
    return names


def attributes(names: dict[str, Any]) -> list[dict[str, int]]:
    """Give which objects are the attributes of each class; pickle itself keeps one there."""
    return [
        {name: id(value) for name, value in vars(kind).items() if name not in NOT_OURS}
        for kind in names["KINDS"]
    ]


NOT_OURS = {"__slotnames__", "__dict__", "__weakref__"}
BY_IDENTITY = [
    "earth",
    "terra",
    "rw",
    "none",
    "both",
    "kind",
    "enum",
    "abstract",
    "helper",
    "T",
    "missing",
    "default",
]


def test_what_comes_back_is_the_kernels_own(sent: str) -> None:
    names = notebook()
    before, made = attributes(names), [*names["made"]]
    things = names["things"]
    got = dict(zip(things, nbexec.map(names["get"], [*things], backend=sent), strict=True))
    assert {name: type(one) for name, one in got.items()} == {
        name: type(one) for name, one in things.items()
    }
    assert [name for name in BY_IDENTITY if got[name] is not things[name]] == []
    assert attributes(names) == before
    assert names["made"] == made


def test_a_worker_sees_the_classes_as_they_are(sent: str) -> None:
    names = notebook()
    [seen] = nbexec.map(names["seen"], [0], backend=sent)
    assert seen == names["seen"](0)


def test_items_and_function_have_one_class(sent: str) -> None:
    names = notebook()
    exec("def same(shape): return type(shape) is Shape, Shape.area is area, shape.area()", names)
    items = [names["Shape"](n) for n in range(5)]
    assert nbexec.map(names["same"], items, backend=sent, chunk=1) == [
        (True, True, n) for n in range(5)
    ]


def test_a_worker_has_no_attribute_that_was_deleted_since(sent: str) -> None:
    names = notebook()
    exec("def there(_): return hasattr(Shape, 'area'), Shape.registry", names)
    with nbexec.options(workers=1):
        assert nbexec.map(names["there"], [0], backend=sent) == [(True, {})]
        exec("del Shape.area\nShape.registry = {1: 2}", names)
        assert nbexec.map(names["there"], [0], backend=sent) == [(False, {1: 2})]


def test_a_class_that_a_worker_made_stays_as_it_is_when_it_comes_again(sent: str) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        """
def make(_):
    global Made
    if "Made" not in globals():
        class Made:
            registry = []
    return Made()
""",
        names,
    )
    with nbexec.options(workers=1):
        first, second = nbexec.map(names["make"], [0, 1], backend=sent, chunk=1)
    assert type(first) is type(second)
    registry = type(first).registry

    def give(one: Any) -> Any:
        return one

    registry.append(1)
    [again] = nbexec.map(give, [second], backend=sent, workers=1)
    assert type(again) is type(first)
    assert type(first).registry is registry


def test_an_exception_of_the_notebook_is_its_own(sent: str) -> None:
    names = notebook()
    exec("def fail(_): raise Failed(1)", names)
    with pytest.raises(names["Failed"]) as caught:
        nbexec.map(names["fail"], [0], backend=sent)
    assert type(caught.value) is names["Failed"]


def test_pickles_for_a_worker_leave_the_class_alone_where_it_was_made() -> None:
    names = notebook()
    before, made = attributes(names), [*names["made"]]
    for kind in names["KINDS"]:
        assert pickling.loads(pickling.dumps(kind)) is kind
    assert attributes(names) == before
    assert names["made"] == made


def test_a_nested_run_gives_the_kernels_class_too() -> None:
    names = notebook()
    names["nbexec"] = nbexec
    exec(
        "def outer(n): return nbexec.map(Shape, [n], backend='processes', progress='off')[0]", names
    )
    [shape] = nbexec.map(names["outer"], [3], backend="processes", workers=1)
    assert type(shape) is names["Shape"]
