"""Tests of nbexec.serialize.nans."""

from __future__ import annotations

import cmath
import math
import pickle
import struct

import numpy as np
import pytest

import nbexec
from nbexec.serialize import block_files, nans, pickling, returning

OWN = float("nan")


@pytest.mark.parametrize("dumps", [pickling.dumps, returning.dumps])
def test_nans_of_modules_are_themselves(dumps) -> None:
    value = [math.nan, np.nan, cmath.nan, {"a": math.nan}, 1.0]
    read = pickling.loads(dumps(value))
    assert [one is other for one, other in zip(read[:3], value[:3], strict=True)] == [True] * 3
    assert read[3]["a"] is math.nan
    assert read[4] == 1.0


def test_one_object_stays_one() -> None:
    other = float("nan")
    a, b, [c], _ = pickling.loads(pickling.dumps((OWN, other, [OWN], 2.0)))
    assert a is c
    assert a is not b
    assert a is not OWN


def test_the_bits_are_kept() -> None:
    odd = struct.unpack(">d", b"\xff\xf8\0\0\0\0\0\x07")[0]
    [read] = pickling.loads(pickling.dumps([odd]))
    assert struct.pack(">d", read) == struct.pack(">d", odd)


def test_others_are_pickled_as_ever() -> None:
    assert not nans.held(pickle.dumps([1.0, -1.0, math.inf], 5))
    assert pickling.dumps([1.0])[:1] != nans.MARK
    journaled = pickling.dumps_for_later([math.nan])
    assert math.isnan(pickle.loads(journaled)[0])


def test_with_large_arrays(tmp_path) -> None:
    value = [math.nan, np.zeros(100_000)]
    for read in (
        block_files.unpack(bytearray(pickling.pack(value))),
        block_files.read_file(_written(pickling.dumps_beside, value, tmp_path)),
        block_files.read_file(_written(returning.dumps_beside, value, tmp_path)),
    ):
        assert read[0] is math.nan
        assert read[1].shape == (100_000,)


def _written(dumps_beside, value, folder):
    file = folder / "file"
    assert dumps_beside(value, file)[0] == b""
    return file


def test_a_worker_knows_them_and_gives_them(sent: str) -> None:
    def look(x):
        return x is math.nan, x is np.nan, math.nan, {x}

    got = nbexec.map(look, [math.nan, np.nan, OWN], backend=sent)
    assert [one[:2] for one in got] == [(True, False), (False, True), (False, False)]
    assert all(one[2] is math.nan for one in got)
    assert len({one[2] for one in got}) == 1
