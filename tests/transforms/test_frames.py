"""`nbexec.vmap` over what pandas has: Series, rows, columns and groups."""

from __future__ import annotations

import numpy as np
import pytest

import nbexec

pd = pytest.importorskip("pandas")


@pytest.fixture
def frame():
    return pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]}, index=["x", "y", "z"])


def test_a_series_gives_a_series_with_its_index(frame):
    doubled = nbexec.vmap(lambda value: 2 * value, backend="threads")(frame["a"])
    pd.testing.assert_series_equal(doubled, 2 * frame["a"], check_names=False)


def test_rows_give_what_apply_gives(frame):
    def total(row):
        return row["a"] + row["b"]

    totals = nbexec.vmap(total, backend="processes", workers=2)(frame)
    pd.testing.assert_series_equal(totals, frame.apply(total, axis=1))
    rows = nbexec.vmap(lambda row: row * 2, backend="threads")(frame)
    pd.testing.assert_frame_equal(rows, frame.apply(lambda row: row * 2, axis=1))


def test_columns_are_axis_1(frame):
    sums = nbexec.vmap(lambda column: column.sum(), in_axes=1, backend="threads")(frame)
    assert sums.to_dict() == {"a": 6, "b": 15.0}
    same = nbexec.vmap(lambda column: column, in_axes=1, out_axes=1, backend="threads")(frame)
    pd.testing.assert_frame_equal(same, frame.astype(float), check_dtype=False)


def test_groups_give_a_list(frame):
    groups = frame.groupby([1, 1, 2])
    assert nbexec.vmap(len, backend="threads")(groups) == [2, 1]


def test_arrays_of_rows_are_an_array(frame):
    arrays = nbexec.vmap(lambda row: row.to_numpy(), backend="threads")(frame)
    assert np.array_equal(arrays, frame.to_numpy())


def test_columns_of_a_frame_with_as_many_rows_keep_their_labels():
    square = pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=["r", "s"])
    sums = nbexec.vmap(lambda column: column.sum(), in_axes=1, backend="serial")(square)
    assert sums.to_dict() == {"a": 3, "b": 7}
    same = nbexec.vmap(lambda column: column, in_axes=1, out_axes=1, backend="serial")(square)
    pd.testing.assert_frame_equal(same, square)


def test_arrays_of_different_lengths_stay_values():
    series = pd.Series([1, 2], index=["x", "y"])
    found = nbexec.vmap(np.arange, backend="serial")(series)
    assert [value.tolist() for value in found] == [[0], [0, 1]]
    assert found.index.tolist() == ["x", "y"]


def test_of_no_items_there_is_an_empty_series(frame):
    found = nbexec.vmap(lambda row: row.sum(), backend="serial")(frame.iloc[:0])
    assert isinstance(found, pd.Series)
    assert found.empty


def test_one_result_for_all_may_be_a_frame(frame):
    found = nbexec.vmap(lambda item: frame, out_axes=None, backend="serial")([1, 2])
    pd.testing.assert_frame_equal(found, frame)
