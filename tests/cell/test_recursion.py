"""A cell may call as deep as it may alone, wherever its loops run.

Covers nbexec.system.recursion.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import nbexec
from nbexec.system import recursion

from .both_ways import both

DEPTH = """
def deepest(n=0):
    try:
        return deepest(n + 1)
    except RecursionError:
        return n
depths = [deepest()]
depths += [deepest() for _ in range(3)]
for _ in range(3):
    depths.append(deepest())
depths += [deepest() for _ in iter(range(3))]
p = deepest()
q = deepest()
depths.append(min(p, q))
depths.append(min(deepest() for _ in range(3)))
"""


def below(frames: int, call: Any) -> Any:
    return call() if frames == 0 else below(frames - 1, call)


@pytest.mark.parametrize("frames", [0, 60])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_no_part_of_a_cell_has_fewer_frames_than_alone(backend, frames):
    plain: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    limit = sys.getrecursionlimit()
    below(frames, lambda: exec(DEPTH, plain))
    options = {"workers": 2, "backend": backend, "progress": "off"}
    below(frames, lambda: nbexec.parallel(DEPTH, ours, **options))
    for alone, found in zip(plain["depths"], ours["depths"], strict=True):
        assert found >= alone
    assert sys.getrecursionlimit() == limit


def test_a_cell_under_the_magic_has_no_fewer_either(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("NBEXEC_WARM_UP", "off")
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="nocolor")
    shell.run_line_magic("load_ext", "nbexec")
    flags = "--workers 2 --backend serial --progress off"
    shell.run_cell(DEPTH)
    alone = shell.user_ns["depths"]
    shell.run_cell(f"%%parallel {flags}\n{DEPTH}")
    found = shell.user_ns["depths"]
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()
    assert found is not alone
    assert all(one >= before for one, before in zip(found, alone, strict=True))


def test_a_limit_that_the_cell_sets_is_the_one_that_it_leaves():
    before = sys.getrecursionlimit()
    try:
        cell = "import sys\nsys.setrecursionlimit(3000)\nout = [x for x in range(3)]\n"
        both(f"{cell}limit = sys.getrecursionlimit()", before=lambda: sys.setrecursionlimit(before))
        assert sys.getrecursionlimit() == 3000
    finally:
        sys.setrecursionlimit(before)


def test_a_limit_that_is_set_inside_stays():
    before = sys.getrecursionlimit()
    try:
        with recursion.room():
            sys.setrecursionlimit(before + 500)
            assert recursion.own() == before + 500
            with recursion.room():
                assert recursion.own() == before + 500
        assert sys.getrecursionlimit() == before + 500
    finally:
        sys.setrecursionlimit(before)


def test_a_cell_that_asks_for_the_limit_is_told_its_own():
    both("import sys\nout = [sys.getrecursionlimit() for _ in range(3)]")
