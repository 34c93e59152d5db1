"""What an item leaves in a worker: the next run finds it as a plain loop would.

Covers `nbexec.worker.left_behind`.
"""

from __future__ import annotations

import builtins
import http.client
import json
import logging
import random
import string
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nbexec

from ..fidelity.ways import WAYS


class Finder:
    """Finds nothing."""

    @staticmethod
    def find_spec(*_: Any) -> None:
        return None


LEFT: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "a function": (lambda: setattr(json, "dumps", lambda _: "mine"), lambda: json.dumps([1])),
    "a function in C": (
        lambda: setattr(time, "sleep", lambda _: None),
        lambda: type(time.sleep).__name__,
    ),
    "a bound method": (lambda: setattr(random, "random", lambda: 4), lambda: random.random() == 4),
    "a method": (
        lambda: setattr(json.JSONEncoder, "default", lambda *_: "mine"),
        lambda: json.JSONEncoder.default.__module__,
    ),
    "a constant": (
        lambda: setattr(string, "ascii_lowercase", "x"),
        lambda: string.ascii_lowercase,
    ),
    "a name": (lambda: setattr(builtins, "left_there", 1), lambda: hasattr(builtins, "left_there")),
    "a stream": (lambda: setattr(sys, "stdout", None), lambda: sys.stdout is None),
    "a hook": (lambda: setattr(sys, "excepthook", print), lambda: sys.excepthook is print),
    "a trace function of threads": (
        lambda: threading.setprofile(lambda *_: None),
        lambda: threading.getprofile(),
    ),
    "a trace function": (lambda: sys.setprofile(lambda *_: None), lambda: sys.getprofile()),
    "a finder": (
        lambda: sys.meta_path.insert(0, Finder),
        lambda: [one for one in sys.meta_path if getattr(one, "__name__", "") == "Finder"],
    ),
    "a module": (
        lambda: sys.modules.__setitem__("left_there", types.ModuleType("left_there")),
        lambda: "left_there" in sys.modules,
    ),
    "a level": (
        lambda: logging.getLogger("left.there").setLevel(7),
        lambda: logging.getLogger("left.there").level,
    ),
}


class Odd:
    """Raises whatever it is asked."""

    __hash__ = None  # type: ignore[assignment]

    def _raises(self, *_: Any) -> Any:
        raise RuntimeError("not now")

    __eq__ = __repr__ = __getattr__ = _raises
    __class__ = property(_raises)  # type: ignore[assignment]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LEFT)
def test_the_next_run_does_not_find_it(name: str, way: str) -> None:
    leave, look = LEFT[name]
    plain = look()
    assert WAYS[way](lambda _: look(), range(4), "processes") == [plain] * 4
    nbexec.map(lambda _: leave(), range(4), backend="processes", workers=2)
    assert WAYS[way](lambda _: look(), range(4), "processes") == [plain] * 4


def test_what_the_kernel_has_replaced_is_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "dumps", lambda _: "the kernel's")
    for _ in range(2):
        found = nbexec.map(lambda _: json.dumps([1]), range(2), backend="processes")
        assert found == ["the kernel's"] * 2
    monkeypatch.undo()
    assert nbexec.map(lambda _: json.dumps([1]), range(2), backend="processes") == ["[1]"] * 2


def test_items_of_one_run_find_what_those_before_have_left() -> None:
    def count(x: int) -> int:
        json.counted = getattr(json, "counted", 0) + 1  # type: ignore[attr-defined]
        return int(json.counted)  # type: ignore[attr-defined]

    for _ in range(2):
        found = nbexec.map(count, range(4), backend="processes", workers=1)
        assert found == [1, 2, 3, 4]


@pytest.mark.parametrize("odd", [Odd, lambda: np.arange(3)], ids=["raises", "array"])
def test_whatever_an_item_has_left_the_next_run_works(odd: Callable[[], Any], remote: str) -> None:
    def leave(_: int) -> None:
        json.dumps = json.left = string.digits = odd()  # type: ignore[attr-defined]

    def look(_: int) -> Any:
        return json.dumps([1]), string.digits, hasattr(json, "left")

    nbexec.map(leave, range(2), backend=remote, workers=1)
    assert (
        nbexec.map(look, range(2), backend=remote, workers=1) == [("[1]", string.digits, False)] * 2
    )


def test_a_constant_that_is_equal_but_of_another_class_is_put_back() -> None:
    def leave(_: int) -> None:
        http.client.HTTP_PORT = 80.0  # type: ignore[assignment]
        http.client.HTTPS_PORT = 1  # so that it is looked at

    nbexec.map(leave, range(2), backend="processes", workers=1)
    found = nbexec.map(lambda _: type(http.client.HTTP_PORT), [1], backend="processes", workers=1)
    assert found == [int]


def test_modules_that_come_with_an_import_stay() -> None:
    """`xml.parsers.expat` puts its parts into `sys.modules`, once."""

    def first(_: int) -> None:
        import xml.parsers.expat

        assert xml.parsers.expat

    def second(_: int) -> str:
        import xml.parsers.expat.errors as errors

        return errors.__name__

    nbexec.map(first, range(2), backend="processes", workers=1)
    found = nbexec.map(second, range(2), backend="processes", workers=1)
    assert found == ["pyexpat.errors"] * 2
