"""Runs random notebooks plain and under `%%parallel`, and makes a failing one smaller.

A night of them: ``python -m tests.cell.compare --first 0 --count 20000 --backend processes``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import nbexec
from nbexec.cell.execution import plain_first
from nbexec.cell.execution.group_run import StatementGroup

from .both_ways import leaving_after, plainly
from .random_notebooks import notebook
from .whole_state import Unfit, whole_state

MODES = (1, 1, 1, 2, 3, None)  # how many items run before a loop leaves; None: as for users
LONGEST = 0.5  # seconds of CPU that a notebook may take when it runs plainly


@contextlib.contextmanager
def leaving(items: int | None) -> Iterator[None]:
    """Have loops leave after so many items; None: when it pays, as for users."""
    with pytest.MonkeyPatch.context() as patched, contextlib.ExitStack() as stack:
        if items is not None:
            patched.setattr(StatementGroup, "patience", 0.0)
            patched.setattr(plain_first, "ENABLED", False)
        if items:
            stack.enter_context(leaving_after(items))
        yield


def mode_of(seed: int) -> int | None:
    """Give how many items of a loop run in the kernel before the others leave."""
    return random.Random(f"mode {seed}").choice(MODES)


def difference(
    earlier: Sequence[str], cell: str, backend: str, items: int | None
) -> tuple[dict[str, Any], Any]:
    """Run a notebook both ways; give the names that differ with both states, and the report.

    What isn't the same when it runs plainly twice is no difference; a notebook that takes long
    is left out.
    """
    texts = backend == "threads"
    began = time.thread_time()
    plain, _ = whole_state(plainly, earlier, cell, ordered_texts=texts)
    if time.thread_time() - began > LONGEST:
        return {}, None

    def ours(source: str, names: dict[str, Any]) -> Any:
        return nbexec.parallel(source, names, backend=backend, workers=2, progress="off")

    with leaving(items):
        other, report = whole_state(ours, earlier, cell, ordered_texts=texts)
    found = _unequal(plain, other)
    if found:
        again, _ = whole_state(plainly, earlier, cell, ordered_texts=texts)
        for name in _unequal(plain, again):
            found.pop(name, None)
    return found, report


def _unequal(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        name: (one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    }


# ---------------------------------------------------------------- a smaller one


def smaller(source: str, fails: Callable[[str], bool]) -> str:
    """Leave out statements, and what surrounds them, as long as it still fails."""
    again = True
    while again:
        again = False
        at = 0
        while True:
            tries = list(_without(source, at))
            if not tries:
                break
            for one in tries:
                if one != source and fails(one):
                    source, again = one, True
                    break
            else:
                at += 1
    return source


def _without(source: str, at: int) -> Iterator[str]:
    """Give the source without its statement at a position, or with that one's body alone."""
    for how in ("gone", "body", "pass"):
        tree = ast.parse(source)
        places = [
            (part, field, index)
            for part in ast.walk(tree)
            for field in ("body", "orelse", "finalbody", "handlers")
            if isinstance(getattr(part, field, None), list)
            for index in range(len(getattr(part, field)))
        ]
        if at >= len(places):
            return
        part, field, index = places[at]
        held = getattr(part, field)
        one = held[index]
        if how == "gone":
            if len(held) == 1 and field == "body" and not isinstance(part, ast.Module):
                continue
            del held[index]
        elif how == "body":
            if not isinstance(getattr(one, "body", None), list):
                continue
            if isinstance(one, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
                continue
            held[index : index + 1] = one.body
        elif isinstance(one, ast.Pass | ast.ExceptHandler):
            continue
        else:
            held[index] = ast.Pass()
        with contextlib.suppress(SyntaxError, ValueError):
            made = ast.unparse(ast.fix_missing_locations(tree))
            ast.parse(made)
            yield made


def minimal(seed: int, backend: str) -> tuple[list[str], str]:
    """Give a smaller notebook that still differs."""
    given, cell = notebook(seed)
    earlier, items = list(given), mode_of(seed)
    names = difference(earlier, cell, backend, items)[0].keys()

    def fails(earlier: Sequence[str], cell: str) -> bool:
        try:
            found = difference(earlier, cell, backend, items)[0].keys()
        except Exception:  # an earlier cell that raises
            return False
        # an error that wasn't there would be another fault
        return bool(found) and ("(error)" in found) == ("(error)" in names)

    cell = smaller(ast.unparse(ast.parse(cell)), lambda one: fails(earlier, one))
    for at in (1, 0):
        whole = ast.unparse(ast.parse(earlier[at]))
        before, after = earlier[:at], earlier[at + 1 :]
        earlier[at] = smaller(whole, lambda one: fails([*before, one, *after], cell))  # noqa: B023
    return earlier, smaller(cell, lambda one: fails(earlier, one))


# ---------------------------------------------------------------- many of them


def many(first: int, count: int, backend: str) -> tuple[dict[int, str], Counter[str]]:
    """Run notebooks; tell by their numbers what differs, and how many steps of each kind ran."""
    failed, seen = {}, Counter[str]()
    for seed in range(first, first + count):
        earlier, cell = notebook(seed)
        seen["programs"] += 1
        try:
            found, report = difference(earlier, cell, backend, mode_of(seed))
            if found.keys() == {"(bars)"}:  # one that the garbage collector closes ends elsewhere
                found, report = difference(earlier, cell, backend, mode_of(seed))
        except Unfit:
            continue
        except Exception as error:
            failed[seed] = repr(error)
            continue
        if found:
            failed[seed] = told(found, report)
        if report is not None:
            seen.update({step.kind for step in report.steps if step.what or step.reason})
    return failed, seen


def told(found: dict[str, Any], report: Any) -> str:
    """Give the first difference of each name in words."""
    lines = []
    for name, (plain, other) in found.items():
        one, two = str(plain), str(other)
        same = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
        start, end = max(0, same - 150), same + 300
        lines += [name, f"  plain    {one[start:end]}", f"  parallel {two[start:end]}"]
    return "\n".join([*lines, str(report)[:600]])


def main() -> None:
    """Run notebooks of consecutive numbers, and print what differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--backend", default="threads")
    parser.add_argument("--smaller", action="store_true", help="show smaller ones that differ")
    given = parser.parse_args()
    began, totals, failed = time.perf_counter(), Counter[str](), []
    for first in range(given.first, given.first + given.count, 100):
        more, seen = many(first, min(100, given.first + given.count - first), given.backend)
        failed += more
        totals += seen
        took = time.perf_counter() - began
        say(f"{given.backend}, to {first + 100}: {dict(totals)}, {took:.0f} s, {failed}")
        for seed, text in more.items():
            say(f"--- {seed} on {given.backend}, {mode_of(seed)} items first\n{text}")
            if given.smaller:
                tell_smaller(seed, given.backend)


def tell_smaller(seed: int, backend: str) -> None:
    """Print a smaller notebook that differs, too."""
    try:
        earlier, cell = minimal(seed, backend)
        found, report = difference(earlier, cell, backend, mode_of(seed))
    except Exception as error:
        say(repr(error))
        return
    say("\n# --- the next cell\n".join([*earlier, cell, told(found, report)]))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ["NBEXEC_CACHE_DIR"] = "off"
    main()
