"""The law of serial elision: a random cell leaves the same with `parallel` as with `exec`.

With ``on_error="collect"`` a cell leaves what it leaves over the items that don't fail.

Each law has two tests. A few dozen programs are always tried; 1,000 in all, which take more
than a minute, are marked `extended`, and CI runs them. Both draw the same programs each time.
Other ones, for a night: ``NBEXEC_LAWS=20000 pytest -s -m extended tests/cell/test_laws.py``.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbexec

from .both_ways import both, leaving_after, plainly, run
from .programs import PRELUDE, awaiting_cells, cells, loops_alone

ALL_AT_ONCE = st.just(0)
EXAMPLES = int(os.environ.get("NBEXEC_LAWS", "1000"))
LAWS = settings(
    deadline=None,
    derandomize="NBEXEC_LAWS" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def long_run(test):
    """Mark a test that tries hundreds of programs, or as many as a night has time for."""
    for mark in (pytest.mark.extended, pytest.mark.slow, pytest.mark.timeout(36000)):
        test = mark(test)
    return test


def count(seen: Counter[str]) -> None:
    """Count a program, and report every 500 of them: a night's run shows that it goes on."""
    seen["programs"] += 1
    if seen["programs"] % 500 == 0:
        sys.stdout.write(f"{dict(seen)}\n")
        sys.stdout.flush()


# ---------------------------------------------------------------- what exec leaves


def inside_a_function(source: str) -> str:
    """Give a cell that calls a function with the statements of another cell, and gives its names."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    # What calls `exec` is no function whose loops are handed over.
    tree.body = [stmt for stmt in tree.body if not ast.unparse(stmt).startswith("exec(")]
    names = sorted(
        {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    )  # fmt: skip
    lines = [f"    {line}" for line in ast.unparse(tree).split("\n")]
    each = [f"    try: left[{name!r}] = {name}\n    except NameError: pass" for name in names]
    whole = [
        PRELUDE,
        "def main():",
        *lines,
        "    left = {}",
        *each,
        "    return left",
        "left = main()",
    ]
    return "\n".join(whole)


def leaves_what_exec_leaves(
    backend: str,
    examples: int,
    plain: st.SearchStrategy[int] = ALL_AT_ONCE,
    made: Callable[[str], str] = str,
) -> Counter[str]:
    """Try programs; give how many there were, and how many had steps of each kind.

    Parameters
    ----------
    backend : str
        Where the loops run.
    examples : int
        How many programs to try.
    plain : strategy
        How many items of a loop run in the kernel before the others go there.
    made : callable
        Makes another cell of a program.
    """
    seen = Counter[str]()

    @settings(LAWS, max_examples=examples)
    @given(cells, plain)
    def check(source: str, first: int) -> None:
        with leaving_after(first) if first else contextlib.nullcontext():
            left = both(made(source), backend, workers=2)
        count(seen)
        if left.report is not None:
            seen.update({step.kind for step in left.report.steps if step.what or step.reason})

    check()
    sys.stdout.write(f"{backend}: {dict(seen)}\n")
    return seen


def some_do(backend: str, examples: int, *how: Any) -> bool:
    """Try more programs until steps of some run in parallel: of a few it may be that none do."""
    tried = (leaves_what_exec_leaves(backend, examples * more, *how) for more in (1, 2, 4))
    return any(seen["parallel"] for seen in tried)


@pytest.mark.parametrize(("backend", "examples"), [("threads", 20), ("processes", 8)])
def test_a_few_random_cells_leave_what_exec_leaves(backend, examples):
    assert some_do(backend, examples)


@pytest.mark.parametrize(("backend", "examples"), [("threads", 20), ("processes", 8)])
def test_a_few_whose_loops_begin_in_the_kernel_do_so_too(backend, examples):
    assert some_do(backend, examples, st.integers(1, 4))


@pytest.mark.parametrize(("backend", "examples"), [("threads", 40), ("processes", 15)])
def test_a_few_that_are_functions_do_so_too(backend, examples):
    assert some_do(backend, examples, st.integers(1, 3), inside_a_function)


@long_run
@pytest.mark.parametrize(("backend", "share"), [("threads", 0.3), ("processes", 0.2)])
def test_a_random_function_leaves_what_the_plain_call_leaves(backend, share):
    examples = int(EXAMPLES * share)
    seen = leaves_what_exec_leaves(backend, examples, st.integers(1, 3), inside_a_function)
    assert seen["parallel"] > examples / 20  # else nothing was tested


@long_run
@pytest.mark.parametrize(("backend", "share"), [("threads", 0.3), ("processes", 0.2)])
def test_a_random_cell_whose_loops_begin_in_the_kernel_does_so_too(backend, share):
    examples = int(EXAMPLES * share)
    seen = leaves_what_exec_leaves(backend, examples, st.integers(1, 4))
    assert seen["parallel"] > examples / 20  # else nothing was tested


@long_run
@pytest.mark.parametrize(("backend", "share"), [("threads", 0.5), ("processes", 0.2)])
def test_a_random_cell_leaves_what_exec_leaves(backend, share):
    examples = int(EXAMPLES * share)
    seen = leaves_what_exec_leaves(backend, examples)
    assert seen["parallel"] > examples / 10  # else nothing was tested
    assert seen["together"] > examples / 50
    assert seen["serial"] > examples / 50


# ---------------------------------------------------------------- cells that await


def awaits_what_it_awaits_alone(examples: int) -> Counter[str]:
    """Try programs that await; give how many there were, and how many had steps of each kind."""
    seen = Counter[str]()

    @settings(LAWS, max_examples=examples)
    @given(awaiting_cells)
    def check(source: str) -> None:
        left = both(source, "asyncio", workers=8)
        count(seen)
        if left.report is not None:
            seen.update(
                {
                    f"{step.kind} {step.stats.backend if step.stats else ''}".strip()
                    for step in left.report.steps
                    if step.what or step.reason
                }
            )

    check()
    sys.stdout.write(f"awaits: {dict(seen)}\n")
    return seen


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")  # where another argument raises
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_few_random_cells_that_await_leave_what_they_leave_alone():
    assert awaits_what_it_awaits_alone(15)["parallel asyncio"]


@long_run
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")  # where another argument raises
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_random_cell_that_awaits_leaves_what_it_leaves_alone():
    examples = int(EXAMPLES * 0.15)
    seen = awaits_what_it_awaits_alone(examples)
    assert seen["parallel asyncio"] > examples / 20
    assert seen["serial"] > examples / 50


# ---------------------------------------------------------------- cells that collect failures


class _Only(ast.NodeTransformer):
    """Restricts the last loop of a cell to some of its items."""

    def __init__(self, node: ast.AST, kept: set[int]) -> None:
        self._node = node
        self._kept = kept

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._node:
            source = f"_only(iter(0), {self._kept})"
            call: ast.Call = ast.parse(source, mode="eval").body
            call.args[0].args[0] = self._node
            return call
        return self.generic_visit(node)


def _over(source: str, kept: set[int]) -> str | None:
    """Give a cell whose last statement iterates over the items at positions `kept` alone."""
    tree = ast.parse(source)
    last = tree.body[-1]
    inner = {id(one) for fn in ast.walk(last) if isinstance(fn, ast.Lambda) for one in ast.walk(fn)}
    loops = [
        one
        for one in ast.walk(last)
        if isinstance(one, ast.comprehension) and id(one) not in inner  # a `map`'s function
    ]
    place = last.iter if isinstance(last, ast.For) else loops[0].iter if loops else None
    if place is None:
        return None
    return ast.unparse(ast.fix_missing_locations(_Only(place, kept).visit(tree)))


def _only(items, kept):
    return (item for at, item in enumerate(items) if at in kept)


def _plainly(source, names):
    names["_only"] = _only
    try:
        plainly(source, names)
    finally:
        del names["_only"]


def collects_what_fails(backend: str, examples: int) -> Counter[str]:
    """Try programs that collect failures; give how many there were, and how many had some."""
    seen = Counter[str]()

    def collecting(source, names):
        options = {"backend": backend, "workers": 2, "progress": "off"}
        return nbexec.parallel(source, names, on_error="collect", **options)

    @settings(LAWS, max_examples=examples)
    @given(loops_alone)
    def check(source: str) -> None:
        count(seen)
        ours = run(collecting, source)
        if ours.error is not None or ours.report is None:
            seen["raised"] += 1
            return
        step = ours.report.steps[-1]
        seen[step.kind] += 1
        failed = {one.index for one in ours.report.failures}
        seen["with failures"] += bool(failed)
        kept = set(range(20)) - failed
        other = _over(source, kept) if failed else source
        if other is None:  # a `map`, which has no place to leave items out
            return
        serial = run(_plainly, other)
        assert ours.shape() == serial.shape()
        for index in itertools.islice(failed, 2):  # and each of these does fail
            alone = _over(source, {index})
            if alone is not None:
                assert run(_plainly, alone).error is not None

    check()
    sys.stdout.write(f"{backend}, collecting: {dict(seen)}\n")
    return seen


@pytest.mark.parametrize(("backend", "examples"), [("threads", 20), ("processes", 8)])
def test_a_few_random_cells_that_collect_leave_what_they_leave_over_the_others(backend, examples):
    assert collects_what_fails(backend, examples)["parallel"]


@long_run
@pytest.mark.parametrize(("backend", "share"), [("threads", 0.2), ("processes", 0.05)])
def test_a_random_cell_that_collects_leaves_what_it_leaves_over_the_others(backend, share):
    examples = int(EXAMPLES * share)
    assert collects_what_fails(backend, examples)["with failures"] > examples / 20
