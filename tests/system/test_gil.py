"""The switch interval: short while a run wants it, and then as it was.

Covers `nbexec.system.gil`.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from nbexec.system import gil

USUAL = 0.004


class Holder:
    """A run."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no run of another test hold the interval."""
    monkeypatch.setattr(gil, "_holders", weakref.WeakSet())
    monkeypatch.setattr(gil, "_before", None)
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL)
    yield
    sys.setswitchinterval(before)


def test_it_is_short_until_the_last_one_leaves() -> None:
    one, other = Holder(), Holder()
    gil.shorten(one)
    gil.shorten(one)
    gil.shorten(other)
    gil.leave(one)
    assert sys.getswitchinterval() == pytest.approx(gil.SHORT)
    gil.leave(other)
    assert sys.getswitchinterval() == pytest.approx(USUAL)


def test_leaving_twice_or_without_having_held_it_is_nothing() -> None:
    one = Holder()
    gil.shorten(one)
    gil.leave(Holder())
    assert sys.getswitchinterval() == pytest.approx(gil.SHORT)
    gil.leave(one)
    gil.leave(one)
    assert sys.getswitchinterval() == pytest.approx(USUAL)


def test_what_other_code_sets_meanwhile_stays() -> None:
    one = Holder()
    gil.shorten(one)
    sys.setswitchinterval(0.02)
    gil.leave(one)
    assert sys.getswitchinterval() == pytest.approx(0.02)


def test_a_run_that_begins_after_other_code_set_it_has_a_short_one() -> None:
    one, other = Holder(), Holder()
    gil.shorten(one)
    sys.setswitchinterval(0.02)
    gil.shorten(other)
    assert sys.getswitchinterval() == pytest.approx(gil.SHORT)
    gil.leave(one)
    gil.leave(other)
    assert sys.getswitchinterval() == pytest.approx(0.02)


def test_a_holder_that_is_gone_holds_it_no_longer() -> None:
    gil.shorten(Holder())
    gc.collect()
    one = Holder()
    gil.shorten(one)
    gil.leave(one)
    assert sys.getswitchinterval() == pytest.approx(USUAL)


def test_a_shorter_one_is_left_as_it_is() -> None:
    sys.setswitchinterval(0.0005)
    one = Holder()
    gil.shorten(one)
    assert sys.getswitchinterval() == pytest.approx(0.0005)
    gil.leave(one)
    assert sys.getswitchinterval() == pytest.approx(0.0005)


def test_workers_are_given_what_the_user_has_set() -> None:
    assert gil.interval() == pytest.approx(USUAL)
    one = Holder()
    gil.shorten(one)
    assert gil.interval() == pytest.approx(USUAL)
    sys.setswitchinterval(0.02)
    assert gil.interval() == pytest.approx(0.02)
    gil.leave(one)
    assert gil.interval() == pytest.approx(0.02)
