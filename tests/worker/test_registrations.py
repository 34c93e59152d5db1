"""What the user's code puts into registries of libraries is there in workers, and then gone.

Covers `nbexec.worker.registrations`.
"""

from __future__ import annotations

import copyreg
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import yaml

import nbexec
from nbexec.worker.registrations import Registered, found_in, take_out

from ..fidelity.ways import WAYS


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


class Doubled:
    def __init__(self, of: Any) -> None:
        self._of = of

    def sum(self) -> int:
        return 2 * int(self._of.sum())


def represent(dumper: Any, point: Point) -> Any:
    return dumper.represent_scalar("!point", str(point.x))


@pytest.fixture
def registered() -> Iterator[None]:
    """Register it for the time of a test."""
    yaml.add_representer(Point, represent)
    pd.api.extensions.register_series_accessor("doubled")(Doubled)
    copyreg.pickle(Doubled, lambda found: (int, (7,)))  # type: ignore[arg-type]
    yield
    unregister()


def unregister() -> None:
    del yaml.Dumper.yaml_representers
    del pd.Series.doubled
    copyreg.dispatch_table.pop(Doubled, None)


def look(x: int) -> Any:
    series = getattr(pd.Series([x]), "doubled", None)
    reduce = copyreg.dispatch_table.get(Doubled)
    reduced = reduce and reduce(None)[1]
    return yaml.dump(Point(x)), series and series.sum(), reduced


@pytest.mark.parametrize("way", WAYS)
def test_registries_of_libraries(registered: None, remote: str, way: str) -> None:
    assert WAYS[way](look, range(3), remote) == [*map(look, range(3))]


@pytest.mark.usefixtures("registered")
def test_another_run_does_not_find_it(sent: str) -> None:
    def looked(x: int) -> Any:
        return look(x)

    assert [*nbexec.map(looked, range(2), backend=sent)] == [*map(look, range(2))]
    unregister()
    try:
        assert [*nbexec.map(looked, range(2), backend=sent)] == [*map(look, range(2))]
    finally:
        yaml.add_representer(Point, represent)
        pd.api.extensions.register_series_accessor("doubled")(Doubled)


def test_what_cannot_be_sent_is_left_out() -> None:
    found = Registered({1: 1, 2: threading.Lock()}).sendable(lambda pair: pair[0] == 1)
    assert found.entries == {1: 1}
    assert Registered([1, 2]).sendable(lambda one: one == 2).entries == [2]


def test_entries_come_and_go() -> None:
    table, names, kinds = {1: "one"}, ["a"], {int}
    Registered({1: "another", 2: "two"}).add_to(table)
    Registered(["a", "b"]).add_to(names)
    Registered([str]).add_to(kinds)
    assert (table, names, kinds) == ({1: "another", 2: "two"}, ["a", "b"], {int, str})
    take_out()
    assert (table, names, kinds) == ({1: "one"}, ["a"], {int})


def test_what_counts_is_the_users() -> None:
    def own(thing: Any) -> bool:
        return thing is Point

    for container in ({Point: 1, int: 2}, [Point, 1], {Point}, [(1, Point)], {"a": (Point,)}):
        assert found_in(container, own) is not None
    assert found_in({int: 2}, own) is found_in([[Point]], own) is None
    assert pickle.loads(pickle.dumps(Registered([1]))).entries == [1]
