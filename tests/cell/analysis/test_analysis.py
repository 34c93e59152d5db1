"""The analysis of loops in other people's code: it may refuse any of them, but never fails.

By default 400 loops, drawn from the standard library and the installed packages. All of them:
``NBEXEC_SWEEP=all pytest tests/cell/analysis/test_analysis.py``.
"""

from __future__ import annotations

import ast
import os
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbexec.cell.plan import plan

SWEEP = os.environ.get("NBEXEC_SWEEP", "400")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def files() -> list[Path]:
    folders = [sysconfig.get_path(name) for name in ("stdlib", "purelib")]
    return sorted({path for folder in folders for path in Path(folder).rglob("*.py")})


def loops(path: Path) -> Iterator[str]:
    """Give each statement of a file that is a loop, or has a comprehension, as a cell."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.For) or (
            isinstance(node, ast.Assign | ast.Expr)
            and any(isinstance(part, COMPREHENSIONS) for part in ast.walk(node))
        ):
            yield ast.unparse(node)


def names_of(path: Path) -> dict[str, object]:
    """Give the names of a file's module if it is imported already."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(path):
            return dict(vars(module))
    return {}


def sample() -> Iterator[tuple[Path, str]]:
    every = files()
    if SWEEP != "all":
        random.Random(0).shuffle(every)
    found = ((path, text) for path in every for text in loops(path))
    for number, one in enumerate(found):
        if SWEEP != "all" and number >= int(SWEEP):
            return
        yield one


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_loop_breaks_the_analyser():
    kinds: Counter[str] = Counter()
    names: dict[Path, dict[str, object]] = {}
    for path, text in sample():
        known = names.setdefault(path, names_of(path))
        try:
            found = plan(text, known)
        except SyntaxError:  # `return` or `yield` outside its function
            kinds["no cell"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{path}:\n{text}") from error
        kinds.update(step.kind for step in found.steps)
    sys.stdout.write(f"{dict(kinds)}\n")
    assert kinds["parallel"] > 0
    assert kinds.total() >= (400 if SWEEP == "all" else int(SWEEP))
