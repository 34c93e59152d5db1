"""A cluster whose scheduler goes and comes back, and whose workers come and go.

Covers `nbexec.backends.dask_link`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbexec
from nbexec.backends import dask_link
from nbexec.model import Choice
from nbexec.placement.chooser import BackendChooser
from tests.dask_processes import ProcessCluster, cluster

pytestmark = [pytest.mark.extended, pytest.mark.timeout(200)]


@pytest.fixture
def dask_processes(tmp_path: Path) -> Iterator[ProcessCluster]:
    with cluster(tmp_path / "dask.log", 2) as made, nbexec.options(workers=None):
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "items"
    made.mkdir()
    return made


QUICK = 10  # items that end at once: the first that begin


def note_and_wait(folder: Path, quick: int) -> Callable[[int], int]:
    """Give a function that notes each beginning, and waits but for the first ones."""

    def noted(item: int) -> int:
        (folder / f"{item}-{time.time_ns()}").touch()
        for place in range(quick):
            try:
                (folder / f"quick_{place}").open("x").close()
            except FileExistsError:
                continue
            return item * item
        while not (folder / "go").exists():
            time.sleep(0.01)
        return item * item

    return noted


def begun(folder: Path) -> list[int]:
    return [int(one.name.partition("-")[0]) for one in folder.glob("*-*")]


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 90
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def begin(given: ProcessCluster, folder: Path, count: int, **options: Any) -> nbexec.Run:
    """Begin a run; its first items have ended, and others wait at the workers."""
    run = nbexec.start(
        note_and_wait(folder, QUICK), range(count), backend=given.address, chunk=1, **options
    )
    wait_for(lambda: len(begun(folder)) > QUICK and run.stats.done == QUICK)
    return run


def restart(given: ProcessCluster, folder: Path, run: nbexec.Run) -> None:
    """Have another scheduler in the place of the one that there was, and a worker for it."""
    given.kill_scheduler()
    wait_for(lambda: any("is gone" in note for note in run.stats.notes))
    (folder / "go").touch()
    given.start_scheduler()
    given.add_worker()


def test_a_run_goes_on_when_the_scheduler_is_back(
    dask_processes: ProcessCluster, folder: Path
) -> None:
    run = begin(dask_processes, folder, 40, reconnect=100)
    restart(dask_processes, folder, run)
    assert run.result() == [item**2 for item in range(40)]
    assert len([one for one in run.stats.notes if "the scheduler is back" in one]) == 1
    assert len(begun(folder)) <= 40 + 2  # what two workers were in the middle of began again


def test_what_may_begin_once_begins_once(dask_processes: ProcessCluster, folder: Path) -> None:
    run = begin(dask_processes, folder, 30, reconnect=100, crash_retries=0, on_error="collect")
    restart(dask_processes, folder, run)
    results = run.result()
    lost = [one for one in results if isinstance(one, nbexec.Failure)]
    assert 1 <= len(lost) <= 6  # what two workers had, and what waited there
    assert all(isinstance(one.exception, nbexec.WorkerDied) for one in lost)
    assert all(one == at**2 for at, one in enumerate(results) if one not in lost)
    assert len(begun(folder)) == len(set(begun(folder)))


def test_a_run_ends_with_what_it_has_when_the_scheduler_stays_away(
    dask_processes: ProcessCluster, folder: Path
) -> None:
    run = begin(dask_processes, folder, 30, reconnect=1)
    dask_processes.kill_scheduler()
    with pytest.raises(nbexec.BackendError, match=r"not come back within reconnect=1 s") as raised:
        run.result()
    kept = [one for one in raised.value.partial_results if isinstance(one, int)]
    assert len(kept) == QUICK
    dask_processes.start_scheduler()  # a run that comes later connects anew
    dask_processes.add_worker()
    assert nbexec.map(abs, [-1, -2], backend=dask_processes.address, chunk=1) == [1, 2]


def test_a_worker_that_is_added_gets_work(dask_processes: ProcessCluster, folder: Path) -> None:
    def from_three(item: int) -> int:
        (folder / f"at-{os.getpid()}").touch()
        while len([*folder.glob("at-*")]) < 3:
            time.sleep(0.01)
        return item * item

    run = nbexec.start(from_three, range(30), backend=dask_processes.address, chunk=1)
    wait_for(lambda: len([*folder.glob("at-*")]) == 2)
    dask_processes.add_worker()
    assert run.result() == [item**2 for item in range(30)]
    assert run.stats.workers == 3


def test_a_number_of_workers_that_was_asked_for_stays(
    dask_processes: ProcessCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, follow = [], BackendChooser.follow

    def noted(chooser: BackendChooser, count: int, now: Choice) -> Choice | None:
        found = follow(chooser, count, now)
        counts.append(count)
        return found

    monkeypatch.setattr(BackendChooser, "follow", noted)
    monkeypatch.setattr(dask_link, "LOOK", 0.05)
    run = nbexec.start(
        note_and_wait(folder, 0), range(8), backend=dask_processes.address, workers=1, chunk=1
    )
    dask_processes.add_worker()
    wait_for(lambda: 3 in counts)
    assert run.stats.workers == 1
    (folder / "go").touch()
    assert run.result() == [item**2 for item in range(8)]
