"""Arrays that come back are as those that were made here: who owns the data, and how they lie."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nbexec
from nbexec.serialize import pickling, returning


def arrays(n: int) -> dict[str, Any]:
    """Give arrays of every make; `n` decides whether their data goes into a file."""
    numbers = np.arange(float(n))
    fixed = np.arange(n)
    fixed.flags.writeable = False
    rows = np.ones((n // 2, 2))
    lying = np.empty_like(np.empty((2, n // 4, 2)).transpose(1, 0, 2))
    lying[:] = 7
    large = np.arange(4 * n)
    frame = pd.DataFrame({"a": numbers, "b": fixed, "c": ["x"] * n})
    return {
        "numbers": numbers,
        "fixed": fixed,
        "rows": rows,
        "fortran": np.asfortranarray(rows),
        "lying": lying,
        "reshaped": np.arange(n).reshape(2, -1),
        "transposed": rows.T,
        "reversed": numbers[::-1],
        "part": large[n // 2 : n],
        "steps": large[::2],
        "dates": np.arange(n).astype("M8[s]"),
        "texts": np.array(["ab"] * n),
        "records": np.zeros(n, dtype=[("a", "i4"), ("b", "f8")]),
        "of a subclass": np.rec.array([(1, 2.0)] * n, dtype=[("a", "i4"), ("b", "f8")]).copy(),
        "of a number": np.array(3.0),
        "empty": np.empty((0, 3)),
        "objects": np.array([None] * n),
        "column": frame["a"].to_numpy(),
        "codes": pd.Categorical(["a"] * n).codes,
        "blocks": [block.values for block in frame._mgr.blocks],
    }


def facts(thing: Any) -> Any:
    if isinstance(thing, list):
        return [facts(one) for one in thing]
    if not isinstance(thing, np.ndarray):
        return type(thing)
    lies = type(thing), thing.dtype, thing.shape, thing.strides
    flags = thing.flags.owndata, thing.flags.writeable, thing.base is None, type(thing.base)
    return *lies, *flags, thing.tolist() if thing.size < 100 else thing.tobytes()


@pytest.mark.parametrize("n", [8, 40_000], ids=["in the pickle", "in a file"])
def test_arrays_are_as_plain_ones(sent: str, n: int) -> None:
    [got] = nbexec.map(arrays, [n], backend=sent)
    for name, plain in arrays(n).items():
        assert facts(got[name]) == facts(plain), name
    dates = got.pop("dates")
    dates.resize(2 * n)
    assert dates[-1] == np.datetime64(0, "s")


def test_a_part_is_a_view_of_what_came_with_it() -> None:
    whole = np.arange(10)
    one, other = pickling.loads(returning.dumps((whole, whole[3:]), exact=True))
    other[0] = 99
    assert one[3] == 99


def test_two_parts_of_one_array_are_not_taken_for_two_arrays() -> None:
    whole = np.arange(100)
    for pair in (whole[:6], whole[3:9]), (whole[3:9], whole):
        with pytest.raises(pickle.PicklingError, match="share memory"):
            returning.dumps(pair, exact=True)
        first, second = pickling.loads(returning.dumps(pair))
        assert first.tolist() == pair[0].tolist()
        assert second.tolist() == pair[1].tolist()


def test_a_file_without_room_is_no_loss(tmp_path: Any) -> None:
    value = np.arange(100_000)
    data, size = returning.dumps_beside(value, tmp_path / "no folder" / "file")
    assert size == 0
    assert pickling.loads(data).flags.owndata
