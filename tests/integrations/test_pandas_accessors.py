"""``.nbexec`` of DataFrames, Series and groups gives what pandas' own methods give.

Covers `integrations/accessor_calls` and `integrations/pandas_windows`.
"""

from __future__ import annotations

import itertools
import os
import pickle
import threading
import traceback
import types
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.integrations import accessor_calls
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
        {"axis": 1, "result_type": "broadcast"},
    ],
)
def test_options_of_apply(frame, options):
    numbers = frame[["n", "x"]]

    def both(values):
        return [values.sum(), 1]

    same(numbers.nbexec.apply(both, **options), numbers.apply(both, **options))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("twice", [False, True])
def test_values_that_pandas_broadcasts(axis, twice):
    """pandas takes rows by their labels: two of one label are given together."""
    numbers = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6], "c": [7, 8, 9]}, index=list("xyz"))
    if twice:
        numbers.index, numbers.columns = list("xyx"), list("aba")

    def largest(values):
        return np.asarray(values).max()

    options = {"axis": axis, "result_type": "broadcast"}
    same(numbers.nbexec.apply(largest, **options), numbers.apply(largest, **options))


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


@pytest.mark.parametrize(("each", "leave"), [(1e-6, False), (0.01, True)])
def test_cheap_calls_stay_here_and_costly_ones_leave(monkeypatch, each, leave):
    nbexec.pandas(progress="off")
    runs, ticks = [], itertools.count(0, each)
    clock = types.SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr(accessor_calls, "time", clock)
    monkeypatch.setattr(
        accessor_calls,
        "imap",
        lambda *args, **kwargs: runs.append(1) or nbexec.imap(*args, **kwargs),
    )
    assert pd.Series(range(1000)).nbexec.map(abs).tolist() == list(range(1000))
    assert len(runs) == leave


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
    sizes = [stop - start for start, stop in pieces]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert len(sizes) == min(64, count - first)  # so unequal ones are balanced


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


def spread(window):
    return window.max() - window.min()


WINDOWS = {
    "three": {"window": 3},
    "fewer values": {"window": 3, "min_periods": 1},
    "none at all": {"window": 3, "min_periods": 0},
    "centered": {"window": 3, "center": True, "min_periods": 2},
    "without its end": {"window": 2, "closed": "left"},
    "both ends": {"window": 2, "closed": "both", "min_periods": 0},
    "every second": {"window": 2, "step": 2},
}


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("kind", WINDOWS)
def test_windows(frame, kind, raw):
    numbers = frame[["n", "x"]]
    for part in (numbers, numbers["x"]):
        windows = part.rolling(**WINDOWS[kind])
        same(windows.nbexec.apply(len, raw=raw), windows.apply(len, raw=raw))
    same(numbers.expanding(2).nbexec.apply(spread, raw), numbers.expanding(2).apply(spread, raw))
    assert not hasattr(numbers.rolling(2, win_type="hamming"), "nbexec")


def test_windows_of_times_and_of_groups(frame):
    times = frame.set_index(pd.date_range("2026-01-01", periods=5, freq="h", name="at"))

    def shown(window):
        return len(window) + window.index[-1].hour + 100 * (window.index.freq is None)

    same(times["x"].rolling("2h").nbexec.apply(shown), times["x"].rolling("2h").apply(shown))
    column = times.reset_index()[["at", "n"]]
    given_ = {"window": "3h", "on": "at", "closed": "both"}
    same(column.rolling(**given_).nbexec.apply(len), column.rolling(**given_).apply(len))
    for groups in (frame.groupby("k")[["n", "x"]], frame.groupby("k", sort=False)["x"]):
        rolling = groups.rolling(2, min_periods=1)
        same(rolling.nbexec.apply(spread), rolling.apply(spread))
        same(groups.expanding().nbexec.apply(spread), groups.expanding().apply(spread))


def test_windows_of_an_indexer_of_ones_own(frame):
    ahead = pd.api.indexers.FixedForwardWindowIndexer(window_size=2)
    windows = frame["n"].rolling(ahead, min_periods=1)
    same(windows.nbexec.apply(spread, raw=True), windows.apply(spread, raw=True))


def test_arguments_of_windows_and_what_numpy_warns_of(frame):
    def inverse(window, power, shift=0):
        return 1 / (window.min() ** power) + shift  # of the first row, 1 / 0

    given_ = {"raw": True, "args": (2,), "kwargs": {"shift": 1}}
    windows = frame["n"].astype(float).rolling(2)
    same(windows.nbexec.apply(inverse, **given_), windows.apply(inverse, **given_))


def test_an_exception_of_a_window_is_pandas_own(frame):
    windows = frame["n"].rolling(2)

    def late(window):
        return 1 // int(window.iloc[-1] - 3)

    for fn, raised in ((late, ZeroDivisionError), (str, TypeError), ("sum", TypeError)):
        with pytest.raises(raised) as expected:
            windows.apply(fn)
        with pytest.raises(raised) as caught:
            windows.nbexec.apply(fn)
        assert str(caught.value) == str(expected.value)
    with pytest.raises(ValueError, match="raw parameter must be"):
        windows.nbexec.apply(len, raw="yes")


def test_windows_are_computed_on_workers():
    where = pd.Series(range(20)).rolling(2)
    me = os.getpid(), threading.get_ident()
    found = where.nbexec.apply(lambda _: (os.getpid(), threading.get_ident()) != me)
    assert found.sum() > 10


def sent(monkeypatch, call):
    """Give how many bytes the items of a run have, which `call` begins."""
    found = []

    def measured(replay, pieces, **options):
        found.append(sum(len(pickle.dumps(piece)) for piece in pieces))
        return nbexec.imap(replay, pieces, **options)

    monkeypatch.setattr(accessor_calls, "imap", measured)
    call()
    (size,) = found
    return size


def test_a_frame_is_sent_once_in_all_and_of_windows_only_where_they_are(monkeypatch):
    frame = pd.DataFrame(np.ones((2_000, 30)))
    size = sent(monkeypatch, lambda: frame.nbexec.apply(len, axis=1))
    assert frame.to_numpy().nbytes * 0.9 < size < frame.to_numpy().nbytes * 1.5
    windows = frame[0].rolling(100, min_periods=1)
    size = sent(monkeypatch, lambda: windows.nbexec.apply(len, raw=True))
    assert size < 20 * 8 * len(frame)  # one by one they would be of 100 numbers each


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_windows(data):
    values = data.draw(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=9))
    keys = data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values)))
    window = data.draw(st.integers(1, 4))
    given_ = {
        "min_periods": data.draw(st.none() | st.integers(0, window)),
        "center": data.draw(st.booleans()),
        "closed": data.draw(st.sampled_from([None, "left", "right", "both", "neither"])),
    }

    def shown(part):
        return len(part) + 10 * np.nansum(part) + 1000 * getattr(part, "index", [0])[-1:][0]

    frame = pd.DataFrame({"k": keys, "a": values, "b": values[::-1]})
    raw = data.draw(st.booleans())
    step = {"step": data.draw(st.none() | st.integers(1, 3))}
    if raw or given_["min_periods"] != 0:  # an empty window has no last label
        windows = frame[["a", "b"]].rolling(window, **given_, **step)
        same(windows.nbexec.apply(shown, raw=raw), windows.apply(shown, raw=raw))
        windows = frame.groupby("k").rolling(window, **given_)
        same(windows.nbexec.apply(shown, raw=raw), windows.apply(shown, raw=raw))


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_groups(data):
    count = data.draw(st.integers(1, 7))
    keys = st.sampled_from(["a", "b", None]) | st.integers(0, 1)
    frame = pd.DataFrame(
        {
            "k": data.draw(st.lists(keys, min_size=count, max_size=count)),
            "x": data.draw(st.lists(st.floats(-5, 5), min_size=count, max_size=count)),
        }
    )
    options = {name: data.draw(st.booleans()) for name in ("as_index", "group_keys", "dropna")}
    groups = frame.groupby("k", sort=False, **options)
    fns = {
        "apply": [len, lambda group: group.head(1), lambda group: group["x"].sum()],
        "agg": [spread],
        "transform": [lambda column: column - column.min()],
    }
    for method in fns:
        for fn in fns[method]:
            found, expected = (outcome(getattr(of, method), fn) for of in (groups.nbexec, groups))
            same(found, expected)


def outcome(call, *args):
    """Give what a call gives, or the type and text of what it raises."""
    try:
        return call(*args)
    except Exception as error:
        return type(error), str(error)


def test_functions_of_numpy_that_pandas_calls_row_by_row():
    """From pandas 3 on; before, it took them for its own methods of that name."""
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 9.0]})
    for fn in (np.std, np.mean, np.median, np.sqrt):
        same(frame.nbexec.apply(fn, axis=1), frame.apply(fn, axis=1))
        if fn is not np.sqrt:
            same(frame.groupby("a").nbexec.agg(fn), frame.groupby("a").agg(fn))
