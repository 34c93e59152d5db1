"""A cluster whose scheduler goes and comes back, and whose workers come and go.

Covers `nbexec.backends.dask_link`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client

import nbexec
from tests.dask_processes import ProcessCluster, cluster

pytestmark = [pytest.mark.extended, pytest.mark.timeout(200)]


@pytest.fixture
def dask_processes(tmp_path: Path) -> Iterator[ProcessCluster]:
    with cluster(tmp_path / "dask.log", 2) as made, nbexec.options(workers=None):
        yield made


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


def test_a_run_goes_on_when_the_scheduler_is_back(
    dask_processes: ProcessCluster, tmp_path: Path
) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    run = nbexec.start(
        note_and_wait(folder, QUICK),
        range(40),
        backend=dask_processes.address,
        chunk=1,
        reconnect=100,
    )
    wait_for(lambda: len(begun(folder)) > QUICK and run.stats.done == QUICK)
    dask_processes.kill_scheduler()
    wait_for(lambda: any("is gone" in note for note in run.stats.notes))
    (folder / "go").touch()
    dask_processes.start_scheduler()
    dask_processes.add_worker()
    assert run.result() == [item**2 for item in range(40)]
    assert any("the scheduler is back" in note for note in run.stats.notes)
    assert len(begun(folder)) <= 40 + 2  # what two workers were in the middle of began again


def test_what_may_begin_once_begins_once(dask_processes: ProcessCluster, tmp_path: Path) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    run = nbexec.start(
        note_and_wait(folder, QUICK),
        range(30),
        backend=dask_processes.address,
        chunk=1,
        crash_retries=0,
        on_error="collect",
        reconnect=100,
    )
    wait_for(lambda: len(begun(folder)) > QUICK and run.stats.done == QUICK)
    dask_processes.kill_scheduler()
    wait_for(lambda: any("is gone" in note for note in run.stats.notes))
    (folder / "go").touch()
    dask_processes.start_scheduler()
    dask_processes.add_worker()
    results = run.result()
    lost = [one for one in results if isinstance(one, nbexec.Failure)]
    assert 1 <= len(lost) <= 6  # what two workers had, and what waited there
    assert all(isinstance(one.exception, nbexec.WorkerDied) for one in lost)
    assert all(one == at**2 for at, one in enumerate(results) if one not in lost)
    assert len(begun(folder)) == len(set(begun(folder)))


def test_a_run_ends_with_what_it_has_when_the_scheduler_stays_away(
    dask_processes: ProcessCluster, tmp_path: Path
) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    options = {"backend": dask_processes.address, "chunk": 1, "progress": "off"}
    run = nbexec.start(note_and_wait(folder, QUICK), range(30), reconnect=1, **options)
    wait_for(lambda: len(begun(folder)) > QUICK and run.stats.done == QUICK)
    dask_processes.kill_scheduler()
    with pytest.raises(nbexec.BackendError, match=r"not come back within reconnect=1 s") as raised:
        run.result()
    kept = [one for one in raised.value.partial_results if isinstance(one, int)]
    assert len(kept) == QUICK
    dask_processes.start_scheduler()  # a run that comes later connects anew
    dask_processes.add_worker()
    assert nbexec.map(abs, [-1, -2], **options) == [1, 2]


def test_a_worker_that_is_added_gets_work(dask_processes: ProcessCluster, tmp_path: Path) -> None:
    folder = tmp_path / "items"
    folder.mkdir()

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
    dask_processes: ProcessCluster, tmp_path: Path
) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    run = nbexec.start(
        note_and_wait(folder, 0),
        range(8),
        backend=dask_processes.address,
        workers=1,
        chunk=1,
    )
    wait_for(lambda: len(begun(folder)) == 1)
    third = dask_processes.add_worker()
    with Client(dask_processes.address, set_as_default=False) as client:
        client.wait_for_workers(3)
        time.sleep(2.5)  # it is looked each second how many there are
    assert third.poll() is None
    assert run.stats.workers == 1
    (folder / "go").touch()
    assert run.result() == [item**2 for item in range(8)]
