"""`journal/moved.py`: what a journal of 0.1.0 has is read, and found again, though names moved."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nbexec
from nbexec.cell.iteration.effect_log import Copied, Taken
from nbexec.cell.iteration.iteration import IterationRecord
from nbexec.journal.moved import before, today
from nbexec.telemetry.stats import Stats

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[2]
# Fingerprints have the version of what a library defines: with another one these run again.
NAME_NBEXEC = {"point", "index", "named", "reported", "Executor", "objects"}
OF_311 = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="code is of one Python")


@pytest.fixture
def path(tmp_path):
    """A journal that 0.1.0 wrote with Python 3.11: see `data/calls.py`."""
    return Path(shutil.copyfile(DATA / "version-0.1.0.db", tmp_path / "run.db"))


@pytest.fixture
def runs(path):
    """Its runs, in the order of the calls."""
    return [nbexec.attach(one.id, path) for one in reversed(nbexec.runs(path))]


def test_results_and_failures_of_a_call(runs):
    record, array, failure, results = runs[:4]
    assert record.name == "record"
    assert record.results[:2] == [
        {"x": x, "squares": [x * x], "text": str(x), "none": None} for x in (0, 1)
    ]
    late, raised = record.failures
    assert (type(late.exception), type(raised.exception)) == (nbexec.ItemTimeout, ValueError)
    assert (late.index, late.attempt, late.kind) == (2, 1, "error")
    assert [one.tolist() for one in array.results][:2] == [[], [0.0, 1.0]]
    assert type(failure.results[1]) is nbexec.Failure
    assert (failure.results[1].item, failure.results[1].attempt) == ([1], 2)
    stats, bars, (bar,), options, choice = results.results[0]
    assert (type(stats), type(bars), type(bar)) == (Stats, nbexec.Bars, nbexec.Bar)
    assert (stats.done, bar.items, options.workers, choice.backend) == (1, 1, 3, "threads")


@OF_311
def test_objects_of_a_class_that_was_kept(runs):
    assert [repr(one) for one in runs[4].results] == [f"Point({x})" for x in range(4)]
    assert runs[4].results[0].tell() == (None, False)


def test_what_iterations_left_behind(runs):
    assert len(runs) == 18
    for run in [*runs[9:14], *runs[15:17]]:  # but for objects of a class, and failures
        assert all(type(one) is IterationRecord for one in run.results)
        assert len(run.results) == run.stats.done == 4
    entries = [payload for _, payload in runs[10].results[1].entries]
    assert entries == [[2, 2]]
    assert type(entries[0]) is Taken
    assert type(runs[13].results[1].entries[0][1]) is Copied


@OF_311
def test_the_same_calls_run_nothing_again(path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(DATA / "calls.py"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=100)
    assert done.returncode == 0, done.stderr
    restored = {name: count for name, count, _ in json.loads(done.stderr)}
    made = {name: names for name, _, names in json.loads(done.stderr)}
    wanted = {**dict.fromkeys(restored, 4), "record": 2, "a failure": 3}
    if nbexec.__version__ != "0.1.0":
        wanted |= {name: restored[name] for name in NAME_NBEXEC}
    assert restored == wanted
    assert made["objects"]["out"] == "[Point(1), Point(2), Point(5), Point(10)]"
    assert made["an array"]["a"] == "array([ 1.,  2.,  5., 10.])"
    assert made["extend"]["out"] == "[1, 1, 2, 2, 5, 5, 10, 10]"


def test_names_that_nobody_moved_stay():
    assert today("nbexec.model", "Failure") == ("nbexec.model", "Failure")
    assert today("json", "loads") == ("json", "loads")
    assert before("nbexec.model", "Failure") == "nbexec.model"
    assert before("json", "loads") == "json"
    assert before("nbexec", "no such name") == "nbexec"
