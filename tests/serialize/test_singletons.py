"""Tests of nbexec.serialize.singletons."""

from __future__ import annotations

import dataclasses
import functools
import pickle
import sys
import types

import numpy as np
import pandas as pd
import pytest

import nbexec
from nbexec.serialize import pickling, returning

ALONE = [
    dataclasses.MISSING,
    *(np.ma.masked, np.ma.nomask, np.newaxis, np._NoValue),
    *(pd.NA, pd.NaT),
    *(Ellipsis, NotImplemented, None, functools.partial),
]


@pytest.mark.parametrize("one", ALONE, ids=lambda one: repr(one).partition(" object")[0])
def test_there_and_back(one: object) -> None:
    assert pickling.loads(pickling.dumps(one)) is one
    assert pickling.loads(returning.dumps(one)) is one


def test_a_worker_gives_the_kernels_own(sent: str) -> None:
    got = nbexec.map(lambda at: (ALONE[at], [ALONE[at]]), range(len(ALONE)), backend=sent)
    assert [one for one, (alone, [again]) in zip(ALONE, got, strict=True) if alone is not one] == []


def test_a_mark_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("marks_of_a_test")
    module.MARK = object()
    module.OTHERS = [object()]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert pickling.loads(pickling.dumps(module.MARK)) is module.MARK
    assert pickling.loads(pickling.dumps(module.OTHERS[0])) is not module.OTHERS[0]


class Settings:
    """What stands in a module, and may have changed since."""

    def __init__(self) -> None:
        self.level = 1


SETTINGS = Settings()


def test_what_has_attributes_goes_by_value() -> None:
    SETTINGS.level = 2
    assert pickling.loads(pickling.dumps(SETTINGS)) is not SETTINGS
    with pytest.raises(pickle.PicklingError, match="stands in a module"):
        returning.dumps([SETTINGS], exact=True)
    assert pickling.loads(returning.dumps(Settings(), exact=True)).level == 1


def test_what_took_the_place_of_a_module_of_a_library_goes_by_its_name(monkeypatch):
    class Replaced(types.ModuleType):
        """As torch.backends.cudnn is: without a spec, and standing in another module."""

    taken = Replaced("textwrap")
    monkeypatch.setitem(sys.modules, "textwrap", taken)
    taken.also = taken
    monkeypatch.setattr(Replaced, "__module__", "textwrap")
    assert pickling.loads(pickling.dumps(lambda: taken))() is taken
