"""``.nbexec`` of polars' frames, Series and groups gives what polars' own methods give.

Covers `integrations/polars_accessors`.
"""

from __future__ import annotations

import os
import threading
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.integrations import accessor_calls

pl = pytest.importorskip("polars")
from polars.testing import assert_frame_equal, assert_series_equal  # noqa: E402

ways = pytest.mark.parametrize("backend", ["threads", "processes"])  # leave after the first call


def register(backend):
    nbexec.polars(backend=backend, workers=2, progress="off")


@pytest.fixture
def frame():
    return pl.DataFrame(
        {"k": list("abcab"), "n": range(5), "x": [0.5, None, float("nan"), 3.0, 4.0]}
    )


def outcome(call, *args, **kwargs):
    """Give what a call gives, or the type and text of what it raises."""
    try:
        return call(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


def same(found, expected):
    if isinstance(expected, pl.DataFrame):
        assert_frame_equal(found, expected)
    elif isinstance(expected, pl.Series):
        assert_series_equal(found, expected)
    else:
        assert found == expected


ELEMENTS = {
    "a text": lambda value: f"<{value}>",
    "a pair": lambda value: [value, value],
    "None": lambda value: None,
    "of two kinds": lambda value: "a" if value == 3 else 4,
    "an error": lambda value: 1 // (value != 3),
}


@ways
@pytest.mark.parametrize("kind", ELEMENTS)
def test_elements(frame, kind, backend):
    register(backend)
    for column in "nx":
        for options in ({}, {"skip_nulls": False}, {"return_dtype": pl.String}):
            plain = outcome(frame[column].map_elements, ELEMENTS[kind], **options)
            found = outcome(frame[column].nbexec.map_elements, ELEMENTS[kind], **options)
            same(found, plain)


ROWS = {
    "a number": lambda row: 2 * row[1],
    "a tuple": lambda row: (row[0], row[2]),
    "None": lambda row: None,
    "an error": lambda row: 1 // (row[1] - 3),
}


@ways
@pytest.mark.parametrize("kind", ROWS)
def test_rows(frame, kind, backend):
    register(backend)
    plain = outcome(frame.map_rows, ROWS[kind])
    same(outcome(frame.nbexec.map_rows, ROWS[kind]), plain)


GROUPS = {
    "a row": lambda group: group.head(1),
    "a sum": lambda group: group.select(pl.col("k").first(), pl.col("n").sum()),
    "no frame": lambda group: 3,
    "an error": lambda group: 1 // (group.height - 1),
}


@ways
@pytest.mark.parametrize("kind", GROUPS)
def test_groups(frame, kind, backend):
    register(backend)
    for by in ("k", ["k", "x"]):
        groups = frame.group_by(by, maintain_order=True)
        plain = outcome(groups.map_groups, GROUPS[kind])
        same(outcome(groups.nbexec.map_groups, GROUPS[kind]), plain)
    found = outcome(frame.group_by("k").nbexec.map_groups, GROUPS[kind])
    ordered = frame.group_by("k", maintain_order=True)
    same(found, outcome(ordered.map_groups, GROUPS[kind]))
    odd = frame.group_by(pl.col("n") % 2)
    same(outcome(odd.nbexec.map_groups, len), outcome(odd.map_groups, len))


@pytest.mark.parametrize("dtype", [None, pl.String, pl.Object])
def test_nested_values_are_given_as_polars_gives_them(dtype):
    register("threads")
    lists = pl.Series("l", [[1, 2], None, [3], [], [4, 5]])
    structs = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["x", None, "y", "z"]}).to_struct("s")
    for series in (lists, structs):
        calls = series.nbexec.map_elements, series.map_elements
        found, expected = [call(lambda value: f"{type(value)} {value}", dtype) for call in calls]
        assert found.dtype == expected.dtype
        assert found.to_list() == expected.to_list()
        frame = series.to_frame()
        found, expected = [
            call(lambda row: f"{type(row[0])} {row[0]}", dtype).to_series()
            for call in (frame.nbexec.map_rows, frame.map_rows)
        ]
        assert found.dtype == expected.dtype
        assert found.to_list() == expected.to_list()


@ways
def test_calls_leave_this_thread(backend):
    register(backend)
    here = f"{os.getpid()} {threading.get_ident()}"
    frame = pl.DataFrame({"k": range(20)})

    def where(_):
        return f"{os.getpid()} {threading.get_ident()}"

    def in_group(group):
        return group.with_columns(map=pl.lit(where(None))).select("map")

    for found in (
        frame["k"].nbexec.map_elements(where),
        frame.nbexec.map_rows(where)["map"],
        frame.group_by("k").nbexec.map_groups(in_group)["map"],
    ):
        assert {*found} - {here}


def test_polars_says_where_an_expression_would_do(frame):
    register("threads")
    with pytest.warns(pl.exceptions.PolarsInefficientMapWarning, match="n"):
        frame["n"].nbexec.map_elements(lambda x: x + 1, return_dtype=pl.Int64)


def test_cheap_calls_stay_here(monkeypatch):
    nbexec.polars(progress="off")
    clock = types.SimpleNamespace(perf_counter=lambda: 0.0)
    monkeypatch.setattr(accessor_calls, "time", clock)
    me = threading.get_ident()
    found = pl.Series(range(1000)).nbexec.map_elements(lambda _: threading.get_ident())
    assert {*found} == {me}


def test_bad_options_and_registering_again():
    with pytest.raises(nbexec.OptionError, match="no option 'worker'"):
        nbexec.polars(worker=2)
    with pytest.raises(nbexec.OptionError, match="on_error= is not for"):
        nbexec.polars(on_error="collect")
    nbexec.polars(progress="off")
    nbexec.polars(progress="off")  # polars would warn of a second one


@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=8),
    st.booleans(),
    st.sets(st.integers(-5, 5)),
)
def test_any_series(values, skip_nulls, to_none):
    register("threads")
    series = pl.Series("s", values, dtype=pl.Int64)

    def mapped(value):
        return None if value in to_none else f"<{value}>"

    plain = outcome(series.map_elements, mapped, skip_nulls=skip_nulls)
    same(outcome(series.nbexec.map_elements, mapped, skip_nulls=skip_nulls), plain)
    pairs = pl.DataFrame({"a": values, "b": values[::-1]}, schema={"a": pl.Int64, "b": pl.Int64})
    rows = outcome(pairs.map_rows, lambda row: mapped(row[0]))
    same(outcome(pairs.nbexec.map_rows, lambda row: mapped(row[0])), rows)
