"""What `pandas_facts` says of each method, tried on the pandas that is installed."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest

from nbexec.cell.analysis import pandas_facts as facts
from nbexec.cell.analysis.library_kinds import holds_plain
from nbexec.cell.analysis.tables import copy_on_write

from .samples import Samples, unchanged


def frame() -> pd.DataFrame:
    index = pd.Index(list("pqrstu"), name="i")
    columns = {"k": list("abcabc"), "x": np.arange(6.0), "n": [3, 1, 2, 3, 1, 2]}
    return pd.DataFrame(columns, index=index)


def numbers() -> pd.DataFrame:
    return frame()[["x", "n"]].copy()


def series() -> pd.Series:
    return pd.Series([3.0, 1.0, np.nan, 2.0], index=list("abcd"), name="s")


def texts() -> pd.Series:
    return pd.Series(["Ab cd", "ef", "gh-1"], name="t")


def times() -> pd.Series:
    return pd.Series(np.arange(8.0), index=pd.date_range("2024-01-01", periods=8, freq="12h"))


def multi() -> pd.DataFrame:
    return frame().set_index(["k", "n"], append=True)


MAKERS = [
    frame,
    numbers,
    series,
    texts,
    times,
    multi,
    lambda: times().to_frame("v"),
    lambda: pd.DataFrame({"A1": [1.0, 2.0], "A2": [3.0, 4.0], "id": [0, 1]}),
    lambda: pd.Index([3, 1, 2], name="i"),
    lambda: pd.Index(list("abc")),
    lambda: multi().index,
    lambda: times().index,
    lambda: pd.period_range("2024-01", periods=3, freq="M"),
    lambda: pd.Series(pd.period_range("2024-01", periods=3, freq="M")),
    lambda: pd.Categorical(list("aba")),
    lambda: pd.Series([7]),
    lambda: pd.Series([pd.Timestamp("2024", tz="UTC")], index=[pd.Timestamp("2024", tz="UTC")]),
    lambda: pd.Series([pd.Timedelta(1, "h"), pd.Timedelta(2, "h")]),
    lambda: times().index.to_series().reset_index(drop=True),
]
# What reads another object, with the way to it.
READERS = [
    (frame, lambda one: one.groupby("k")),
    (frame, lambda one: one.groupby("k")["x"]),
    (numbers, lambda one: one.groupby("n")),
    (series, lambda one: one.groupby([0, 0, 1, 1])),
    (series, lambda one: one.rolling(2)),
    (series, lambda one: one.expanding()),
    (series, lambda one: one.ewm(2)),
    (numbers, lambda one: one.rolling(2)),
    (times, lambda one: one.resample("D")),
    (texts, lambda one: one.str),
    (lambda: pd.Series([b"a"]), lambda one: one.str),
    (lambda: times().index.to_series(), lambda one: one.dt),
    (lambda: pd.Series([pd.Timedelta(1, "h")]), lambda one: one.dt),
    (lambda: pd.Series(pd.period_range("2024-01", periods=3, freq="M")), lambda one: one.dt),
    (lambda: pd.Series(list("aba")).astype("category"), lambda one: one.cat),
]


def one(*args, **keywords):
    return (args, keywords)


SAMPLES: Samples = {
    "add": [one(1)],
    "add_prefix": [one("a")],
    "add_suffix": [one("a")],
    "agg": [one("sum"), one(["sum", "max"]), one(lambda part: part.sum())],
    "align": [one(series()), one(numbers())],
    "append": [one(pd.Index([9]))],
    "apply": [one(lambda part: part), one(len), one(np.sqrt)],
    "asfreq": [one("6h"), one()],
    "asof": [one(pd.Timestamp("2024-01-02")), one(3)],
    "assign": [one(z=1), one(z=lambda part: part.iloc[:, 0])],
    "astype": [one("object"), one(float), one("float64", copy=False)],
    "at_time": [one("12:00")],
    "between": [one(1, 2)],
    "between_time": [one("11:00", "13:00")],
    "case_when": [one([(lambda part: part > 1, 0)])],
    "cat": [one(sep="-")],
    "ceil": [one("D")],
    "center": [one(9)],
    "clip": [one(1, 2), one(lower=1)],
    "combine": [one(series(), max), one(numbers(), lambda a, b: a)],
    "combine_first": [one(series()), one(numbers())],
    "compare": [one(series() + 1), one(numbers() + 1)],
    "contains": [one("b")],
    "corr": [one(), one(series()), one("pearson")],
    "corrwith": [one(series()), one(numbers())],
    "count": [one(), one("b")],
    "cov": [one(), one(series())],
    "decode": [one("ascii", dtype=object)],
    "delete": [one(0)],
    "difference": [one(pd.Index([1]))],
    "div": [one(2)],
    "divide": [one(2)],
    "divmod": [one(2)],
    "dot": [one(np.ones(4)), one(np.ones(2))],
    "drop": [one("a"), one(columns="x"), one(columns=["x"]), one(0), one([3])],
    "drop_duplicates": [one(), one(subset="k")],
    "droplevel": [one(0)],
    "duplicated": [one()],
    "encode": [one("ascii")],
    "endswith": [one("d")],
    "eq": [one(1)],
    "equals": [one(series())],
    "eval": [one("x + n"), one("z = x + n")],
    "ewm": [one(2)],
    "explode": [one("k"), one()],
    "extract": [one("(b)")],
    "extractall": [one("(b)")],
    "fillna": [one(0), one("x")],
    "filter": [one(["x"]), one(like="a"), one(lambda part: len(part) > 1)],
    "find": [one("b")],
    "findall": [one("b")],
    "floor": [one("D")],
    "floordiv": [one(2)],
    "fullmatch": [one("b")],
    "ge": [one(1)],
    "get": [one("x"), one("a"), one(0)],
    "get_group": [one("a"), one(1), one(0)],
    "get_indexer": [one([1])],
    "get_indexer_for": [one([1])],
    "get_level_values": [one(0)],
    "get_loc": [one(1), one("a")],
    "groupby": [one("k"), one("n"), one([0, 0, 1, 1]), one(lambda key: key)],
    "gt": [one(1)],
    "identical": [one(pd.Index([1]))],
    "index": [one("b")],
    "insert": [one(0, 9)],
    "intersection": [one(pd.Index([1]))],
    "isin": [one([1, "a"])],
    "item": [one()],
    "join": [
        one(pd.Series(np.arange(6), index=list("pqrstu"), name="j")),
        one("-"),
        one(pd.Index([1])),
    ],
    "le": [one(1)],
    "len": [one()],
    "ljust": [one(9)],
    "lstrip": [one()],
    "lt": [one(1)],
    "map": [one(lambda value: value), one({1: 2}), one(str)],
    "mask": [one(lambda part: part == 1)],
    "match": [one("A")],
    "melt": [one(), one("k")],
    "merge": [one(frame()[["k"]].drop_duplicates(), on="k")],
    "mod": [one(2)],
    "mul": [one(2)],
    "multiply": [one(2)],
    "ne": [one(1)],
    "nlargest": [one(2), one(2, "x")],
    "normalize": [one(), one("NFC")],
    "nsmallest": [one(2), one(2, "x")],
    "pad": [one(9)],
    "partition": [one(" ")],
    "pipe": [one(lambda part: part.sum())],
    "pivot": [one(columns="n", values="x")],
    "pivot_table": [one(index="k", values="x")],
    "pow": [one(2)],
    "putmask": [one([True, False, False], 9)],
    "quantile": [one(), one(0.5, numeric_only=True), one(0.2)],
    "query": [one("x > 1"), one("n == 1")],
    "radd": [one(2)],
    "rdiv": [one(2)],
    "rdivmod": [one(2)],
    "reindex": [one([0, 1]), one(list("abz"))],
    "reindex_like": [one(series()), one(numbers())],
    "removeprefix": [one("A")],
    "removesuffix": [one("d")],
    "rename": [one("other"), one(columns={"x": "y"}), one({"a": "b"})],
    "rename_axis": [one("other")],
    "reorder_levels": [one([1, 0, 2])],
    "repeat": [one(2)],
    "replace": [one(1, 2), one("b", "c"), one({1: 2})],
    "resample": [one("D")],
    "rfind": [one("b")],
    "rfloordiv": [one(2)],
    "rindex": [one("")],
    "rjust": [one(9)],
    "rmod": [one(2)],
    "rmul": [one(2)],
    "rolling": [one(2)],
    "round": [one(), one(1), one("D")],
    "rpow": [one(2)],
    "rsub": [one(2)],
    "rtruediv": [one(2)],
    "sample": [one(2, random_state=0), one(n=1, random_state=0)],
    "searchsorted": [one(2)],
    "select_dtypes": [one("number")],
    "set_axis": [one(list("uvwxyz")), one(list("wxyz"))],
    "set_index": [one("k"), one(["k", "n"])],
    "set_names": [one("other")],
    "shift": [one(1)],
    "slice": [one(0, 1)],
    "slice_indexer": [one(1, 2)],
    "slice_locs": [one(1, 2)],
    "slice_replace": [one(0, 1, "z")],
    "sort_values": [one(), one("x"), one("n", ascending=False)],
    "split": [one(), one(" ", expand=True)],
    "startswith": [one("A")],
    "strftime": [one("%Y")],
    "strip": [one()],
    "sub": [one(1)],
    "subtract": [one(1)],
    "symmetric_difference": [one(pd.Index([1]))],
    "take": [one([0, 1])],
    "to_frame": [one(), one("x")],
    "to_period": [one("D")],
    "transform": [one(lambda part: part), one("cumsum")],
    "translate": [one({97: "b"})],
    "truediv": [one(2)],
    "truncate": [one(after=pd.Timestamp("2024-01-02")), one(after=1)],
    "tz_convert": [one("UTC")],
    "tz_localize": [one("UTC")],
    "union": [one(pd.Index([1]))],
    "where": [one(lambda part: part == 1)],
    "wrap": [one(2)],
    "xs": [one("p"), one("a"), one(1, level="n")],
    "zfill": [one(9)],
}
SAMPLES["aggregate"] = SAMPLES["agg"]


def there() -> list[str]:
    kinds = {type(make()) for make in MAKERS} | {type(way(make())) for make, way in READERS}
    every = facts.NEW | facts.LINKED | facts.INDEX_NEW
    return sorted(name for name in every if any(hasattr(kind, name) for kind in kinds))


def overwrite(thing) -> None:
    """Change what a method gave, in place, wherever that can be done."""
    if isinstance(thing, pd.DataFrame):
        for at in range(thing.shape[1]):
            thing.iloc[:, at] = thing.iloc[::-1, at].to_numpy()
        if thing.columns.nlevels == 1:
            thing["added"] = 1
    elif isinstance(thing, pd.Series):
        thing.iloc[:] = thing.iloc[::-1].to_numpy()
        thing.name = "changed"
    elif isinstance(thing, pd.Index):
        thing.name = "changed"
    elif isinstance(thing, np.ndarray) and thing.flags.writeable and thing.size:
        thing[...] = thing[::-1].copy()
    elif isinstance(thing, dict):
        thing["changed"] = 1
    elif isinstance(thing, list):
        thing.append("changed")


@pytest.mark.parametrize("name", there())
def test_a_method_leaves_its_object_as_it_was(name):
    makers = MAKERS if name not in facts.INDEX_NEW - facts.NEW else MAKERS[8:13]
    pairs = unchanged(makers, name, SAMPLES, state)
    for make, way in READERS:
        source = make()
        before = state(source)
        pairs += [
            (source, found)
            for _, found in unchanged([lambda s=source, w=way: w(s)], name, SAMPLES, state)
        ]
        assert state(source) == before
    assert pairs, f"no arguments of `{name}` fit: give some in SAMPLES"
    if name in facts.LINKED or not copy_on_write():
        return
    for thing, found in pairs:
        if isinstance(found, pd.Index) or (name == "drop" and found is thing):
            continue  # these are told as what may be the object itself
        before = state(thing)
        try:
            overwrite(found)
        except (TypeError, ValueError, NotImplementedError):
            continue
        assert state(thing) == before, (
            f"what `{name}` gives is a part of its object: {type(thing)}, {type(found)}"
        )


def state(thing):
    """Give all that can be seen of an object, as text."""
    if isinstance(thing, pd.DataFrame):
        columns = [state(thing.iloc[:, at]) for at in range(thing.shape[1])]
        return [state(thing.columns), columns, thing.attrs]
    if isinstance(thing, pd.Series):
        return [state(thing.index), repr(thing.name), str(thing.dtype), repr(list(thing))]
    if isinstance(thing, pd.Index):
        return [type(thing).__name__, list(thing.names), str(thing.dtype), repr(list(thing))]
    if isinstance(thing, pd.Categorical):
        return repr(thing)
    if isinstance(thing, (tuple, list)):
        return [state(one) for one in thing]
    fixed = (str, int, float, bool, type(None), tuple)
    kept = {
        name: value
        for name, value in getattr(thing, "__dict__", {}).items()
        if isinstance(value, fixed)
    }
    return sorted((name, repr(value)) for name, value in kept.items() if name != "_cache")


def test_what_has_an_inplace_is_listed():
    kinds = [pd.DataFrame, pd.Series, pd.Index, pd.MultiIndex, pd.Categorical]
    for name in facts.NEW | facts.LINKED | facts.INDEX_NEW:
        for kind in kinds:
            method = getattr(kind, name, None)
            if not callable(method):
                continue
            parameters = list(inspect.signature(method).parameters.values())[1:]
            for at, parameter in enumerate(parameters):
                if parameter.name == "inplace":
                    assert name in facts.IN_PLACE, name
                    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                        assert facts.IN_PLACE[name] <= at


def test_what_changes_its_object_is_in_no_other_table():
    for name in facts.CHANGING:
        assert name not in facts.NEW | facts.LINKED
    assert not facts.NEW & facts.LINKED
    assert facts.COPIES | facts.FROM_ARGUMENTS | facts.FRAMES | facts.GROUPS | facts.PICKING <= (
        facts.NEW | facts.LINKED | facts.INDEX_NEW
    )


FUNCTIONS: Samples = {
    "DataFrame.from_dict": [one({"a": [1]})],
    "DataFrame.from_records": [one([{"a": 1}])],
    "concat": [one([numbers(), numbers()])],
    "crosstab": [one(frame()["k"], frame()["n"])],
    "cut": [one(series(), 2)],
    "date_range": [one("2024", periods=2)],
    "factorize": [one(np.array([1, 2]))],
    "get_dummies": [one(frame())],
    "melt": [one(frame())],
    "merge": [one(frame(), frame(), "inner", "k")],
    "merge_asof": [one(numbers(), numbers(), "x")],
    "merge_ordered": [one(numbers(), numbers(), "x")],
    "period_range": [one("2024", periods=2, freq="M")],
    "pivot": [one(frame(), columns="n", values="x")],
    "pivot_table": [one(frame(), values="x", index="k")],
    "qcut": [one(series(), 2)],
    "timedelta_range": [one("1h", periods=2)],
    "to_datetime": [one(pd.Series(["2024-01-01"]))],
    "to_numeric": [one(pd.Series(["1"]))],
    "to_timedelta": [one(pd.Series(["1h"]))],
    "wide_to_long": [one(pd.DataFrame({"A1": [1], "A2": [2], "id": [0]}), ["A"], "id", "y")],
} | {name: [one(series())] for name in ("isna", "isnull", "notna", "notnull", "unique")}


@pytest.mark.parametrize("name", sorted(facts.FUNCTIONS_NEW))
def test_a_function_leaves_what_it_is_given_as_it_was(name):
    for args, keywords in FUNCTIONS[name]:
        before = state(args)
        found = pd
        for part in name.split("."):
            found = getattr(found, part)
        overwrite(found(*args, **keywords))
        if copy_on_write():
            assert state(args) == before


def test_a_look_at_a_frame_leaves_what_was_warned_of_once():
    """`catch_warnings`, which `DataFrame.dtypes` enters, makes Python forget it."""
    df = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    code = compile("import warnings\nwarnings.warn('once')", "<cell>", "exec")
    names = {}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        exec(code, names)
        assert holds_plain(df)
        exec(code, names)
    assert len(seen) == 1
