"""``.nbexec`` of DataFrames, Series and groups gives what pandas' own methods give.

Covers `integrations/accessor_calls`.
"""

from __future__ import annotations

import os
import threading
import traceback
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.integrations.accessor_calls import cut

pd = pytest.importorskip("pandas")

NAMED = ["threads", "processes"]  # leave after the first call; auto times them


@pytest.fixture(autouse=True, params=NAMED)
def accessors(request):
    nbexec.pandas(backend=request.param, workers=2, progress="off")
    yield
    nbexec.pandas()


def same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    else:
        assert found == expected


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"k": list("abcab"), "n": range(5), "x": [0.5, 1.5, np.nan, 3.0, 4.0]},
        index=pd.Index(list("vwxyz"), name="row"),
    )


ROWS = {
    "a number": lambda row: row["n"] * 2,
    "a text": lambda row: row["k"] + str(row["n"]),
    "a Series": lambda row: pd.Series({"p": row["n"], "q": row["k"]}),
    "a list": lambda row: [row["n"]] * 2,
    "None": lambda row: None,
    "one of two kinds": lambda row: row["x"] if row["n"] % 2 else row["k"],
    "its name": lambda row: row.name,
    "dtypes": lambda row: str(row.dtype),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows(frame, kind):
    same(frame.nbexec.apply(ROWS[kind], axis=1), frame.apply(ROWS[kind], axis=1))


@pytest.mark.parametrize(
    "options",
    [
        {"axis": 1, "result_type": "expand"},
        {"axis": "columns", "result_type": "reduce"},
        {"axis": 0},
        {"axis": 1, "raw": True},
    ],
)
def test_options_of_apply(frame, options):
    numbers = frame[["n", "x"]]

    def both(values):
        return [values.sum(), 1]

    same(numbers.nbexec.apply(both, **options), numbers.apply(both, **options))


def test_arguments_of_apply(frame):
    def scaled(row, factor, shift=0):
        return row["n"] * factor + shift

    given_ = {"axis": 1, "args": (3,), "shift": 1}
    same(frame.nbexec.apply(scaled, **given_), frame.apply(scaled, **given_))


@pytest.mark.parametrize("na_action", [None, "ignore"])
def test_values(frame, na_action):
    def shown(value):
        return f"<{value}>"

    for column in frame:
        mapped = frame[column].map(shown, na_action=na_action)
        same(frame[column].nbexec.map(shown, na_action=na_action), mapped)
    same(frame["n"].nbexec.apply(lambda n: n + 1), frame["n"].apply(lambda n: n + 1))
    same(frame["n"].nbexec.apply(pow, args=(2,)), frame["n"].apply(pow, args=(2,)))
    same(frame.nbexec.map(shown, na_action=na_action), frame.map(shown, na_action=na_action))
    dates = pd.Series(pd.date_range("2026-01-01", periods=4))
    same(dates.nbexec.map(lambda day: day.day_name()), dates.map(lambda day: day.day_name()))


def test_a_function_of_the_whole_series(frame):
    whole = {"by_row": False}
    same(frame["n"].nbexec.apply(lambda s: s.sum(), **whole), frame["n"].sum())


def test_categories_are_called_once_each(frame):
    kinds = frame["k"].astype("category")
    same(kinds.nbexec.map(str.upper), kinds.map(str.upper))


GROUPS = {
    "apply": [
        lambda group: group["n"].sum(),
        lambda group: group.head(1),
        lambda group: pd.Series({"a": len(group), "b": group["x"].max()}),
        lambda group: group.name,
    ],
    "agg": [lambda column: column.max() - column.min()],
    "transform": [lambda column: column - column.mean(), lambda column: column.max()],
}


@pytest.mark.parametrize("method", GROUPS)
def test_groups(frame, method):
    for fn in GROUPS[method]:
        groups = frame.groupby("k") if method == "apply" else frame.groupby("k")[["n", "x"]]
        same(getattr(groups.nbexec, method)(fn), getattr(groups, method)(fn))
        one = frame.groupby("k")["n"]
        if method != "apply":
            same(getattr(one.nbexec, method)(fn), getattr(one, method)(fn))
    same(frame.groupby("k").nbexec.agg("first"), frame.groupby("k").agg("first"))
    sizes = frame.groupby("k", sort=False, as_index=False)
    same(sizes.nbexec.apply(len), sizes.apply(len))


def test_what_is_vectorised_goes_to_pandas(frame):
    numbers = frame[["n", "x"]]
    same(numbers.nbexec.apply("sum"), numbers.apply("sum"))
    same(numbers.nbexec.apply(np.sqrt), numbers.apply(np.sqrt))
    same(frame["k"].nbexec.map({"a": 1}), frame["k"].map({"a": 1}))


def test_an_exception_is_that_of_its_row(frame):
    ran = []

    def fails(row):
        ran.append(row["n"])
        return 1 // (row["n"] - 3)

    with pytest.raises(ZeroDivisionError) as caught:
        frame.nbexec.apply(fails, axis=1)
    assert "1 // (row" in "".join(traceback.format_exception(caught.value))


def test_empty_and_single_ones(frame):
    for part in (frame.iloc[:0], frame.iloc[:1]):
        found = part.nbexec.apply(lambda row: row["n"], axis=1)
        same(found, part.apply(lambda row: row["n"], axis=1))
        same(part["n"].nbexec.map(abs), part["n"].map(abs))


def test_they_run_on_workers():
    series = pd.Series(range(20))
    where = set(series.nbexec.map(lambda _: (os.getpid(), threading.get_ident())))
    assert len(where) > 1


def test_cheap_calls_stay_here_and_costly_ones_leave():
    nbexec.pandas(progress="off")
    series = pd.Series(range(1000))
    me = threading.get_ident(), os.getpid()
    assert set(series.nbexec.map(lambda _: (threading.get_ident(), os.getpid()))) == {me}


def test_bad_options():
    with pytest.raises(nbexec.OptionError, match="no option 'worker'"):
        nbexec.pandas(worker=2)
    with pytest.raises(nbexec.OptionError, match="on_error= is not for"):
        nbexec.pandas(on_error="collect")


def test_registering_again_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbexec.pandas(progress="off")
        nbexec.pandas(progress="off")


@given(st.integers(0, 500), st.data())
def test_the_pieces_are_all_that_is_left(count, data):
    first = data.draw(st.integers(0, count))
    pieces = cut(count, first)
    assert [at for start, stop in pieces for at in range(start, stop)] == list(range(first, count))


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_frame(data):
    column = st.lists(
        st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["a", None, True]),
        min_size=4,
        max_size=4,
    )
    frame = pd.DataFrame(data.draw(st.dictionaries(st.sampled_from("abc"), column, min_size=1)))

    def shown(row):
        return [type(value).__name__ for value in row], str(row.dtype)

    for axis in (0, 1):
        same(frame.nbexec.apply(shown, axis=axis), frame.apply(shown, axis=axis))


def raising_stop(value):
    if value == 3:
        raise StopIteration("three")
    return value


def test_stop_iteration_of_a_call_is_raised_as_it_is():
    series = pd.Series(range(6))
    with pytest.raises(StopIteration, match="three"):
        series.map(raising_stop)
    with pytest.raises(StopIteration, match="three"):
        series.nbexec.map(raising_stop)


def test_groups_may_have_missing_keys_and_a_column_of_the_name_name():
    frame = pd.DataFrame(
        {"k": pd.array([1, None, 2] * 2, dtype="Int64"), "name": range(6), "x": range(6)}
    )
    groups = frame.groupby("k", dropna=False)
    same(groups.nbexec.apply(len), groups.apply(len))

    def shape(group, more):
        return len(group) + more

    same(groups.nbexec.agg(shape, 1), groups.agg(shape, 1))
    by_x = frame.groupby("x")
    same(by_x.nbexec.agg(shape, 1), by_x.agg(shape, 1))


def test_parameters_have_the_names_and_the_order_of_pandas(frame):
    def kind(row):
        return type(row).__name__

    same(frame.nbexec.apply(func=kind, axis=1), frame.apply(func=kind, axis=1))
    same(frame.nbexec.apply(kind, 1, True), frame.apply(kind, 1, True))
    same(frame["n"].nbexec.map(func=kind), frame["n"].map(func=kind))
    same(frame.nbexec.map(func=kind), frame.map(func=kind))
    same(
        frame["n"].nbexec.apply(lambda value, fn: value + fn, fn=2),
        frame["n"].apply(lambda value, fn: value + fn, fn=2),
    )
    groups = frame.groupby("k")["n"]
    same(
        groups.nbexec.agg(func=lambda group: len(group)), groups.agg(func=lambda group: len(group))
    )


def test_coroutines_are_made_here():
    async def later(value):
        return value

    for found in pd.Series(range(4)).nbexec.map(later):
        found.close()
