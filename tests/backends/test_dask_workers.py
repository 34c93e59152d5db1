"""The worker processes of our own Dask cluster: how they start, and that a child disowns them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing import process

import pytest
from distributed import SpecCluster, Status

import nbexec
from nbexec.backends import dask_workers, get_backend
from nbexec.worker import children

from ..waiting import until

# that this process has threads; since Python 3.12
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def cluster():
    """Our own, with a process."""
    nbexec.map(abs, [1], backend="dask")
    return get_backend("dask")._local


def test_its_processes_are_no_daemons_and_do_not_import_the_script(cluster):
    for nanny in cluster.workers.values():
        one = nanny.process.process._process
        assert isinstance(one, dask_workers.OwnProcess)
        assert not one.daemon
        assert not one.init_main_module


def test_a_process_is_adopted_unless_the_user_said_how_it_starts():
    spawned = multiprocessing.get_context("spawn").Process(target=abs, args=(1,))
    spawned.daemon = True
    dask_workers.adopt(spawned)
    spawned.daemon = True  # as a nanny does
    assert not spawned.daemon
    forked = multiprocessing.get_context("fork").Process(target=abs, args=(1,))
    dask_workers.adopt(forked)
    assert type(forked).__name__ == "ForkProcess"


def test_an_adopted_process_can_be_killed():
    spawned = multiprocessing.get_context("spawn").Process(target=signal.pause)
    dask_workers.adopt(spawned)
    spawned.start()
    spawned.kill()
    spawned.join(30)
    assert spawned.exitcode == -signal.SIGKILL
    spawned.kill()  # nothing is left to do


def test_a_worker_that_died_is_replaced_by_one_of_the_same_kind(cluster):
    nanny = next(iter(cluster.workers.values()))
    before = nanny.pid
    os.kill(before, signal.SIGKILL)
    until(lambda: nanny.status == Status.running and nanny.pid not in (None, before), 60)
    assert isinstance(nanny.process.process._process, dask_workers.OwnProcess)
    assert nbexec.map(abs, range(4), backend="dask") == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_nothing_to_close_or_wait_for(cluster):
    backend = get_backend("dask")
    client = backend.client
    assert dask_workers.served(client)
    workers = {one for one in process._children if type(one) is dask_workers.OwnProcess}
    assert workers
    child = os.fork()
    if child == 0:
        closed = client.status == "closed" and cluster.status == Status.closed
        forgotten = cluster not in SpecCluster._instances
        clear = not workers & process._children  # those of other tests may be there
        all_of = closed, forgotten, clear, not dask_workers.served(client)
        os._exit(all_of.index(False) + 1 if False in all_of else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert nbexec.map(abs, range(4), backend="dask") == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_client_of_the_parent_is_refused_in_a_child(cluster):
    client = get_backend("dask").client
    child = os.fork()
    if child == 0:
        try:
            nbexec.map(abs, [1], backend=client)
        except nbexec.BackendError as error:
            os._exit(0 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_its_children_start_as_those_of_the_kernel(cluster):
    found = nbexec.map(lambda x: children.start_method(), [1], backend="dask")
    assert found == [children.start_method()]


def test_a_nanny_that_has_given_up_is_replaced(cluster):
    worker = get_backend("dask")._workers[0]
    worker._client.sync(worker._nanny.close)  # as where its process ended while it started
    assert nbexec.map(abs, range(-8, 0), backend="dask", chunk=1) == [*range(8, 0, -1)]
    assert all(nanny.status == Status.running for nanny in cluster.workers.values())


def test_where_no_nanny_comes_up_its_items_are_lost(cluster, monkeypatch):
    worker = get_backend("dask")._workers[0]
    monkeypatch.setattr(worker, "_renew", lambda: worker._watch())
    monkeypatch.setattr(worker, "_renewals", 3)
    worker._client.sync(worker._nanny.close)
    with pytest.raises(nbexec.WorkerDied, match="no Dask worker could be started"):
        nbexec.map(abs, range(8), backend="dask", chunk=1, crash_retries=0)
    monkeypatch.undo()
    assert nbexec.map(abs, range(-8, 0), backend="dask", chunk=1) == [*range(8, 0, -1)]
