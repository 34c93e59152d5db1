"""`Executor.restart_workers` and `Run.restart_workers`: new workers, and nothing lost."""

from __future__ import annotations

import threading

import pytest

import nbexec
from nbexec.errors import BackendError

from ..backends.test_recycling import at, had
from ..waiting import until


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_idle_workers_are_replaced_by_ones_that_have_run_nothing(backend):
    with nbexec.Executor(backend, workers=2) as executor:
        before = had(executor.map(at, range(6)))
        executor.restart_workers()
        assert not had(executor.map(at, range(6))).keys() & before.keys()


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_a_busy_worker_ends_after_its_call(backend, tmp_path):
    def wait(x, state):
        (tmp_path / "began").touch()
        until((tmp_path / "go").exists)
        return at(x)

    given = {"setup": lambda: None, "teardown": lambda state: (tmp_path / "ended").touch()}
    with nbexec.Executor(backend, workers=1, **given) as executor:
        busy = executor.submit(wait, 0)
        until((tmp_path / "began").exists)
        executor.restart_workers()
        after = executor.submit(lambda x, state: at(x), 1)
        assert not (tmp_path / "ended").exists()
        (tmp_path / "go").touch()
        assert busy.result(60)[0] == 0
        assert after.result(60)[1:] != busy.result()[1:]
        assert (tmp_path / "ended").exists()


def test_a_run_goes_on_with_others():
    entered, go = threading.Semaphore(0), threading.Event()

    def wait(x):
        entered.release()
        go.wait(60)
        return at(x)

    run = nbexec.start(wait, range(20), backend="threads", workers=2, chunk=1)
    entered.acquire(timeout=60)
    run.restart_workers()
    until(lambda: run.stats.running)
    go.set()
    found = run.result(60)
    assert [one[0] for one in found] == [*range(20)]
    assert len(had(found)) > 2


@pytest.mark.parametrize("backend", ["serial", "asyncio"])
def test_where_there_is_nothing_to_restart(backend):
    with (
        nbexec.Executor(backend, workers=1) as executor,
        pytest.raises(BackendError, match="can't be restarted: those of 'threads', 'processes'"),
    ):
        executor.restart_workers()
