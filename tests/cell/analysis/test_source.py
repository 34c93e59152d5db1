"""The source of a function: it must compile to the very code that the function has."""

from __future__ import annotations

import sys
from typing import Any

import nbexec


def test_the_source_of_an_older_cell_of_the_same_name_is_not_taken_for_it():
    names: dict[str, Any] = {"seen": []}
    old = "def f(x):\n    seen.append(x)\n    return x\n"
    nbexec.parallel(old, names, progress="off")
    report = nbexec.parallel("out = [f(x) for x in [1, 2]]\n\n\n", names, progress="off")
    assert "its source isn't there" in str(report)
    assert names["seen"] == [1, 2]


def test_a_function_without_a_source_that_only_computes():
    names: dict[str, Any] = {}
    exec("def f(x, y=2):\n    return x * y + 1", names)
    report = nbexec.parallel("out = [f(x) for x in [1, 2]]", names, progress="off")
    assert report.steps[-1].kind == "serial" or names["out"] == [3, 5]
    assert "sys" in sys.modules
