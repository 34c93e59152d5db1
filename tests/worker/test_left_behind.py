"""What an item leaves in a worker: the next run finds it as a plain loop would.

Covers `nbexec.worker.left_behind`.
"""

from __future__ import annotations

import builtins
import json
import logging
import random
import string
import sys
import time
import types
from collections.abc import Callable
from typing import Any

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
