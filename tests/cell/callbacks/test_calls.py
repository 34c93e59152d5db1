"""Calls of pandas and NumPy that call a function of the user's leave what the plain cell leaves.

Covers `cell/callbacks/call.py`, `cell/callbacks/call_run.py`, `cell/callbacks/stand_in.py`,
`cell/callbacks/recognise.py`, `cell/callbacks/known_methods.py`, `cell/callbacks/numpy_calls.py`,
`cell/callbacks/pandas_calls.py`, `cell/callbacks/coming_arguments.py` and
`cell/own_functions/callback_loop.py`.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import nbexec
from nbexec.cell.callbacks import coming_arguments as arguments
from nbexec.cell.own_functions import callback_loop
from nbexec.cell.own_functions.callback_loop import CallbackLoop
from nbexec.cell.own_functions.loop_site import AtSite, LoopSite
from tests.cell.both_ways import (
    both,
    filled_once_a_run_began,
    frames,
    kind,
    leaving_after,
    plainly,
    reason,
    run,
)

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.plain_first
EARLIER = """
import pandas as pd, numpy as np
def slow(x):
    return sum(i * x for i in range(50)) % 7
df = pd.DataFrame(
    {"a": range(90), "b": np.arange(90) / 3, "k": [i % 20 for i in range(90)],
     "t": [f"x{i % 5}" for i in range(90)]},
    index=range(5, 95),
)
df.attrs["unit"] = "m"
"""
ROWS = [
    "df.apply(lambda r: slow(r.a) + r.b, axis=1)",
    "df.apply(func=lambda r: slow(r.a), axis='columns')",
    "df.apply(lambda r: (r.name, str(r.dtype), dict(r), [*r.index], r.attrs), axis=1)",
    "df.apply(lambda r: r, axis=1)",
    "df[['a', 'b']].apply(lambda r: r * 2, axis=1)",
    "df.apply(lambda r: pd.Series({'q': slow(r.a), 'w': r.t}), axis=1)",
    "df.apply(lambda r: [slow(r.a), 1], axis=1, result_type='expand')",
    "df.apply(lambda r: [slow(r.a), 1, 2, 3], axis=1, result_type='broadcast')",
    "df[['a', 'b']].apply(lambda r: r.sum(), axis=1, raw=True)",
    "df[['a', 'b']].apply(lambda r: r * 2, 1, True)",
    "df[['a', 'b']].apply(lambda r: type(r).__name__, 1, raw=True)",
    "df.apply(lambda r, n, m=0: slow(r.a) + n + m, axis=1, args=(3,), m=5)",
    "pd.concat([df, df]).apply(lambda r: slow(r.a) + r.b, axis=1)",
    "df.set_index(['k', 't']).apply(lambda r: (r.name, slow(r.a)), axis=1)",
    "df.astype({'t': 'category', 'a': 'Int64'}).apply(lambda r: (r.t, slow(r.a)), axis=1)",
    "df.set_index(pd.date_range('2020', periods=90)).apply(lambda r: r.name.month, axis=1)",
    "df[['a', 'a', 'b']].apply(lambda r: r.iloc[1] + r.b, axis=1)",
    "df.assign(z=df.apply(lambda r: slow(r.a), axis=1))",
    "df.apply(lambda r: None if r.a % 2 else float('nan'), axis=1)",
]
ELEMENTS = [
    "df.a.map(slow)",
    "df.b.apply(lambda x, y: slow(x) + y, y=3)",
    "df.b.apply(lambda x, y: slow(x) + y, args=(4,))",
    "df.t.map(lambda t: t + '!')",
    "df[['a', 'b']].map(slow)",
    "df.assign(c=df.a.map(slow)).c",
    "pd.Series(pd.date_range('2020', periods=90)).map(lambda d: d.year)",
    "pd.Series([1.0, None] * 40).map(lambda x: x != x, na_action='ignore')",
    "pd.Series([float('nan'), 0.0, -0.0] * 30).map(repr if 0 else lambda x: str(x))",
    "df.t.astype('category').map(lambda t: t * 2)",
    "df.a.apply(lambda x: pd.Series([x, slow(x)]))",
    "df.a.astype(object).map(lambda x: x)",
    "df.set_index('t').a.map(slow)",
    "df.index.to_series().map(lambda x: (x, type(x).__name__))",
]
GROUPS = [
    "df.groupby('k').apply(lambda g: slow(g.b.sum()) + g.name)",
    "df.groupby('k').apply(lambda g: g)",
    "df.groupby('k').apply(lambda g: g.assign(z=g.b - g.b.mean()))",
    "df.groupby('k').apply(lambda g: g.nlargest(1, 'b'))",
    "df.groupby(['k', 't']).apply(lambda g: pd.Series({'n': len(g), 'name': str(g.name)}))",
    "df.groupby('k', group_keys=False).apply(lambda g: g.head(1))",
    "df.groupby('k', as_index=False).apply(lambda g: slow(g.b.sum()))",
    "df.groupby('k')['b'].agg(lambda s: slow(s.sum()))",
    "df.groupby('k')['b'].apply(lambda s: s.nlargest(2))",
    "df.groupby('k')['b'].apply(lambda s: (s.name, len(s)))",
    "df.groupby('k')[['a', 'b']].agg(lambda s: slow(s.sum()))",
    "df.groupby('k')['b'].transform(lambda s: s - s.mean())",
    "df.groupby('k')['b'].filter(lambda s: s.mean() > 12)",
    "df.groupby(df.t.astype('category'), observed=False).apply(lambda g: len(g))",
    "df.b.rolling(5).apply(lambda w: slow(w.sum()))",
    "df.b.rolling(5).apply(lambda w: slow(w.sum()), raw=True)",
    "df[['a', 'b', 'a', 'b', 'a', 'b']].apply(lambda c: slow(c.sum()))",
]
ARRAYS = [
    "np.vectorize(slow)(df.a.values)",
    "np.vectorize(lambda x, y: slow(x) + y)(df.a.values, 2)",
    "np.vectorize(lambda x, y: (slow(x), y))(df.a.values.reshape(9, 10), df.b.values[:10])",
    "np.vectorize(slow, otypes=[float])(df.a.values)",
    "np.apply_along_axis(lambda v: slow(v.sum()), 1, df[['a', 'b']].values)",
    "np.apply_along_axis(lambda v, n: v * n, 1, df[['a', 'b']].values, 3)",
]
ALL = [*ROWS, *ELEMENTS, *GROUPS, *ARRAYS]


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Have calls go to workers after three of them."""
    with leaving_after(3), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What calls were answered with."""
    found: list[Any] = []
    given = CallbackLoop.answer

    def answer(self: CallbackLoop, args: Any, kwargs: Any) -> Any:
        through = self._at < self._through
        value = given(self, args, kwargs)
        if through and self._given is not None:
            found.append(value)
        return value

    monkeypatch.setattr(CallbackLoop, "answer", answer)
    return found


def assert_equal(one: Any, other: Any) -> None:
    """Assert that two results of a library are the same in all that can be seen of them."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_flags=True)
        assert one.columns.names == other.columns.names
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_exact=True, check_flags=True)
        if one.dtype == object:
            assert [*map(type, one)] == [*map(type, other)]
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for part, same in zip(one, other, strict=True):
            assert_equal(part, same)
    else:
        assert repr(one) == repr(other)
    assert getattr(one, "attrs", None) == getattr(other, "attrs", None)
    if hasattr(one, "index"):
        assert type(one.index) is type(other.index)


def goes(source: str, backend: str) -> None:
    """Assert that a cell with one such call goes to workers, and leaves the same."""
    left = both(source, backend, earlier=EARLIER)
    assert kind(left) == "parallel", reason(left)
    assert_equal(left.names["r"], run(plainly, source, EARLIER).names["r"])


@pytest.mark.parametrize("call", ALL)
def test_the_results_are_the_librarys_own(call: str, answered: list[Any]) -> None:
    goes(f"r = {call}", "threads")
    assert answered


@pytest.mark.one_in(2)
@pytest.mark.parametrize("call", ALL)
def test_so_they_are_on_processes(call: str, answered: list[Any]) -> None:
    goes(f"r = {call}", "processes")
    assert answered


STATEMENTS = [
    "df['c'] = df.apply(lambda r: slow(r.a), axis=1)\nr = df",
    "def load(d):\n    d = d.assign(z=d.a.map(slow))\n    return d.apply(lambda r: slow(r.z), axis=1)"
    "\nr = load(df)",
    "class Model:\n    k = 2\n    def score(self, r):\n        return slow(r.a) * self.k\n"
    "m = Model()\nr = df.apply(m.score, axis=1)",
    "import functools\ndef g(n, x):\n    return slow(x) + n\nr = df.a.map(functools.partial(g, 2))",
    "f = np.vectorize(slow)\nr = f(df.a.values)",
    "n = 3\ndef g(x):\n    return slow(x) + n\nr = df.a.map(g)",
    "def outer(n):\n    def g(x):\n        return slow(x) + n\n    return df.a.map(g)\nr = outer(4)",
    "r = (df\n  .assign(z=1)\n  .apply(lambda r: slow(r.a), axis=1)\n  .sum())",
]


@pytest.mark.parametrize("source", STATEMENTS)
@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_where_the_call_stands_makes_no_difference(
    source: str, backend: str, answered: list[Any]
) -> None:
    left = both(source, backend, earlier=EARLIER)
    assert_equal(left.names["r"], run(plainly, source, EARLIER).names["r"])
    assert answered


def test_progress_bars_of_tqdm(answered: list[Any]) -> None:
    pytest.importorskip("tqdm")
    begin = "from tqdm import tqdm\ntqdm.pandas(disable=True)\n"
    goes(begin + "r = df.progress_apply(lambda r: slow(r.a), axis=1)", "threads")
    goes(begin + "r = df.a.progress_map(slow)", "threads")
    goes(begin + "r = df.groupby('k').progress_apply(lambda g: slow(len(g)))", "threads")
    assert answered


# ------------------------------------------------------------ identity, effects, exceptions


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_objects_stay_the_same_objects(backend: str) -> None:
    begin = "s = pd.Series([[i] for i in range(90)])\nd = pd.DataFrame({'o': s, 'p': 1})\n"
    for call in ("s.map(lambda x: x)", "d.apply(lambda r: r.o, axis=1)"):
        left = both(
            f"{begin}r = {call}\nsame = [x is y for x, y in zip(r, s)]", backend, earlier=EARLIER
        )
        assert all(left.names["same"])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("seen = []\nr = df.a.map(lambda x: seen.append(x))", "seen.append()"),
        (
            "def g(r):\n    r['z'] = 1\n    return r\nr = df.apply(g, axis=1)",
            "changes `r` in place",
        ),
        ("s = df.t.str.split('x')\nr = s.map(lambda x: x.append(1))", "append"),
        ("n = 0\ndef g(x):\n    global n\n    n += 1\n    return n\nr = df.a.map(g)", "`n`"),
        ("def g(r):\n    df['z'] = 1\n    return 2\nr = df[['a']].apply(g, axis=1)", "`df`"),
        ("import random\nrandom.seed(1)\nr = df.a.map(lambda x: random.random())", "random"),
    ],
)
def test_a_function_with_effects_runs_here(source: str, said: str) -> None:
    left = both(source, earlier=EARLIER)
    assert kind(left) == "serial"
    assert said in reason(left)
    assert "line " in reason(left)


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize(
    "call",
    [
        "df.a.map(lambda x: 1 / (x - 50))",
        "df.apply(lambda r:\n    1 / (r.a - 50 if r.a != 50 else None), axis=1)",
        "df.groupby('k').apply(lambda g: 1 / (g.name - 9))",
        "np.vectorize(lambda x: 1 / (50 - x))(np.arange(90))",
    ],
)
def test_an_exception_comes_out_of_the_call(call: str, backend: str, answered: list[Any]) -> None:
    source = f"def inner():\n    return {call}\nr = inner()"
    left = both(source, backend, earlier=EARLIER)
    plain = run(plainly, source, EARLIER)
    assert left.error is not None
    assert plain.error is not None
    assert frames(left.error) == frames(plain.error)
    assert "r" not in left.names
    assert answered


def test_one_that_the_function_catches_is_no_exception(answered: list[Any]) -> None:
    source = "def g(x):\n    try:\n        return 1 // (x % 5)\n    except ZeroDivisionError:\n"
    goes(source + "        return -1\nr = df.a.map(g)", "processes")
    assert answered


def test_one_before_the_calls_leave_is_the_plain_one() -> None:
    left = both("r = df.a.map(lambda x: 1 / (x - 1))", earlier=EARLIER)
    assert isinstance(left.error, ZeroDivisionError)


# ------------------------------------------------------------ what was foreseen


@pytest.mark.parametrize("call", ["df.a.map(slow)", "df.apply(lambda r: slow(r.a), axis=1)"])
def test_what_was_not_foreseen_is_computed_here(
    call: str, monkeypatch: pytest.MonkeyPatch, answered: list[Any]
) -> None:
    real = arguments.arguments_of

    def wrong(call: Any, line: int) -> Any:
        found = real(call, line)
        if isinstance(found.items, arguments.RowsToCome):
            other = call.of(call.source.iloc[::-1], None)
            return arguments.Arguments(arguments.RowsToCome(other), found.more, found.named)
        return arguments.Arguments(found.items[::-1], found.more, found.named)

    monkeypatch.setattr(callback_loop, "arguments_of", wrong)
    both(f"r = {call}", earlier=EARLIER)
    assert not answered


def test_a_call_that_goes_on_longer_than_was_foreseen(
    monkeypatch: pytest.MonkeyPatch, answered: list[Any]
) -> None:
    real = arguments.arguments_of

    def fewer(call: Any, line: int) -> Any:
        found = real(call, line)
        return arguments.Arguments(found.items[:40], found.more, found.named)

    monkeypatch.setattr(callback_loop, "arguments_of", fewer)
    both("r = df.a.map(slow)", earlier=EARLIER)
    assert len(answered) == 37


@pytest.mark.parametrize(
    "call",
    [
        "df.iloc[:0].apply(lambda r: slow(r.a), axis=1)",
        "df.iloc[:0].a.map(slow)",
        "df.iloc[:0].groupby('k').apply(lambda g: 1)",
        "df.a.map({1: 2})",
        "df.a.apply(np.sqrt)",
        "df.apply('sum', axis=1)",
        "df.a.map(str)",
        "df.a.apply([np.sqrt, slow])",
        "df.groupby('k').agg({'a': lambda s: s.sum(), 'b': 'max'})",
        "df.groupby('k').agg(n=('a', lambda s: s.sum()))",
        "df.a.apply(lambda s: s.sum(), by_row=False)",
        "df.a.map(no_such_name)",
        "df.apply()",
        "df.a.map(slow, 1, 2, 3)",
    ],
)
def test_calls_of_another_kind_run_as_they_are(call: str, answered: list[Any]) -> None:
    both(f"r = {call}", earlier=EARLIER)
    assert not answered


def test_a_method_of_that_name_of_the_users_own() -> None:
    source = "class Mine:\n    def apply(self, f, n=1):\n        return [f(x) for x in range(n)]\n"
    both(source + "r = Mine().apply(slow, n=30)", earlier=EARLIER)


def test_a_call_inside_a_call(answered: list[Any]) -> None:
    source = "r = df.groupby('k').apply(lambda g: g.apply(lambda r: slow(r.a), axis=1).sum())"
    goes(source, "threads")
    assert len(answered) == 17


def test_lambdas_of_one_line_are_told_apart(answered: list[Any]) -> None:
    source = "seen = []\nf, g = lambda x: seen.append(x), lambda x: slow(x)\nr = df.a.map("
    goes(f"{source}g)", "threads")
    assert answered
    assert kind(both(f"{source}f)", earlier=EARLIER)) == "serial"


@pytest.mark.parametrize("backend", ["threads"])
def test_calls_leave_while_the_first_one_lasts(
    backend: str, monkeypatch: pytest.MonkeyPatch, answered: list[Any]
) -> None:
    source = "import time\ndef g(x):\n    while not go: time.sleep(0.005)\n    return x + 1\n"
    source += "r = df.groupby('k').apply(lambda q: g(q.b.sum()))"
    names: dict[str, Any] = {}
    exec(EARLIER, names)
    with leaving_after(0), filled_once_a_run_began() as names["go"]:
        report = nbexec.parallel(source, names, backend=backend, progress="off")
    assert report.steps[-1].kind == "parallel"
    assert len(answered) >= 18
    assert_equal(names["r"], run(plainly, source, EARLIER + "go = [1]").names["r"])


def test_code_that_was_pickled_makes_the_call_as_it_stands() -> None:
    site: Any = pickle.loads(pickle.dumps(AtSite(LoopSite(None, "", "", "", 0))))
    call = site.call(pow, 2, 3, mod=5)
    assert call.end(call.callee(*call.args, **call.kwargs)) == 3


def test_names_of_ours_are_gone() -> None:
    left = both("r = df.a.map(slow)", earlier=EARLIER)
    assert not [name for name in left.names if "nbexec" in name]
