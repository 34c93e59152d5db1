"""Which names of a cell are tied, since they may share an object."""

from __future__ import annotations

import ast
from typing import Any

import nbexec
from nbexec.cell.loops.dataflow import ties
from nbexec.telemetry.observer import Observer


class Sees(Observer):
    """Refers to every name, as a panel does by way of the kernel."""

    def __init__(self, names):
        self.names = names


def test_a_run_among_the_names_does_not_tie_them_all_together():
    mine, its = [1], [[2]]
    names = {"mine": mine, "its": its, "run": nbexec.start(len, its, progress="off")}
    names["run"].watch(Sees(names))
    names["run"].result()
    tied = ties(ast.parse("mine; its; run").body, names)
    assert tied["mine"] == {"mine"}
    assert tied["its"] == {"its", "run"}


def test_an_exception_among_the_names_does_not_tie_them_all_together():
    names: dict[str, Any] = {"mine": [1]}
    raising = "def fail():\n    raise ValueError\ntry:\n    fail()\n"
    exec(raising + "except ValueError as caught:\n    error = caught", names)
    assert ties(ast.parse("mine; error").body, names)["mine"] == {"mine"}
