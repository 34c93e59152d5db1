"""Calls of a library that call a function with a memo, and what `strict` says of such calls.

Covers `nbexec.cell.own_functions.callback_loop`.
"""

from __future__ import annotations

from typing import Any

import pytest

import nbexec

from ..both_ways import both, kind, leaving_after, reason

STRICT = """
import nbexec, pandas as pd
log, memo = [], {}
def bad(v):
    log.append(v)
    return v
def kept(v):
    if v not in memo: memo[v] = str(v)
    return memo[v]
table = pd.DataFrame({"x": [1, 2, 3, 1]})
@nbexec.parallel(strict=True, backend="threads", progress="off")
def main(): return CALL
"""
CALLS = (
    "table.x.apply(F)",
    "table.x.map(F)",
    "table.apply(lambda row: F(row.x), axis=1)",
    "table.groupby('x').x.apply(lambda group: F(len(group)))",
    "list(map(F, [1, 2]))",
    "sorted([2, 1], key=F)",
)


@pytest.mark.plain_first
@pytest.mark.parametrize("call", CALLS)
def test_strict_is_about_calls_of_a_library_too(call: str) -> None:
    names: dict[str, Any] = {}
    source = STRICT.replace("CALL", call)
    text = source.replace("(F", "(bad").replace("F(", "bad(").replace("=F", "=bad")
    nbexec.parallel(text, names, progress="off")
    with pytest.raises(nbexec.SerialError, match=r"would run serially: calls .*log.append"):
        names["main"]()
    assert names["log"] == []
    text = source.replace("(F", "(kept").replace("F(", "kept(").replace("=F", "=kept")
    nbexec.parallel(text, names, progress="off")
    names["main"]()
    assert names["memo"]


@pytest.mark.plain_first
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("call", CALLS[:4])
def test_a_memo_of_what_a_library_calls(call: str, where: str) -> None:
    made = STRICT[: STRICT.index("@nbexec")].replace("3, 1]", "3, 1, 5, 2, 1]")
    text = call.replace("(F", "(kept").replace("F(", "kept(")
    with leaving_after(2):
        left = both(f"{made}out = {text}", where)
    assert kind(left) == "parallel", reason(left)


@pytest.mark.plain_first
def test_the_report_says_why_a_loop_of_a_function_stays() -> None:
    made = STRICT[: STRICT.index("@nbexec")]
    with leaving_after(2):
        left = both(f"{made}def main():\n    return [bad(x) for x in range(9)]\nout = main()")
    said = "list comprehension in `main`, line 12: calls `bad`, which calls `log.append()`"
    assert said in reason(left)
