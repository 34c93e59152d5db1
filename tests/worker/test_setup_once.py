"""`nbexec.map(setup=, teardown=)`, over `worker/setup_once`: once a worker, on every backend."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

import pytest

import nbexec
from nbexec.errors import OptionError
from nbexec.run import loop

from ..waiting import until


class Ledger:
    """Files that say what was set up and torn down, wherever that was."""

    def __init__(self, folder):
        self.folder = folder

    def note(self, what, number):
        (self.folder / f"{what}-{number}").touch()

    def noted(self, what):
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith(what))


class Counter:
    """What setup gives: the items that it was given to, under a number of its own."""

    def __init__(self, number):
        self.number = number
        self.ran = []  # a list: several threads may add to it


def counting(folder):
    """Give setup, function and teardown that keep a ledger."""
    ledger = Ledger(folder)

    def setup():
        import uuid

        counter = Counter(uuid.uuid4().hex)
        ledger.note("setup", counter.number)
        return counter

    def fn(x, counter):
        counter.ran.append(1)
        return x

    def teardown(counter):
        ledger.note("teardown", f"{counter.number}-{len(counter.ran)}")

    return setup, fn, teardown


def counts(folder):
    """Give by worker how many items it had, as its teardown saw it."""
    ended = (path.name.split("-") for path in folder.glob("teardown-*"))
    return {number: int(count) for _, number, count in ended}


def set_up(folder):
    return {path.name.split("-")[1] for path in folder.glob("setup-*")}


def test_each_worker_that_ran_setup_runs_teardown_once(backend, tmp_path):
    setup, fn, teardown = counting(tmp_path)
    found = nbexec.map(fn, range(30), setup=setup, teardown=teardown, backend=backend)
    assert found == [*range(30)]
    assert set_up(tmp_path) == counts(tmp_path).keys()
    assert sum(counts(tmp_path).values()) == 30
    assert found.run.stats.notes == ()


@pytest.mark.parametrize("how", ["start", "imap", "imap closed", "auto"])
def test_whoever_waits_for_the_run(how, tmp_path):
    setup, fn, teardown = counting(tmp_path)
    given = {"setup": setup, "teardown": teardown, "backend": "threads"}
    if how == "start":
        assert nbexec.start(fn, range(9), **given).result() == [*range(9)]
    elif how == "auto":
        assert nbexec.map(fn, range(9), **{**given, "backend": "auto"}) == [*range(9)]
    else:
        results = nbexec.imap(fn, range(9), **given)
        assert next(results) == 0
        if how == "imap":
            assert list(results) == [*range(1, 9)]
        else:
            results.close()
    until(lambda: set_up(tmp_path) == counts(tmp_path).keys())


def test_amap_and_aimap(tmp_path):
    closed = []

    async def double(x, state):
        return 2 * x

    async def teardown(state):
        await asyncio.sleep(0)
        closed.append(state)

    given = {"setup": asyncio.get_running_loop, "teardown": teardown}

    async def main():
        here = asyncio.get_running_loop()
        assert await nbexec.amap(double, [1, 2], **given) == [2, 4]
        assert closed == [here]
        assert [y async for y in nbexec.aimap(double, [1, 2], **given)] == [2, 4]
        while len(closed) < 2:
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_coroutine_function_tears_down_on_every_backend(backend, tmp_path):
    async def teardown(state):
        await asyncio.sleep(0)
        (tmp_path / state).touch()

    nbexec.map(pow_of, [1, 2], setup=_name, teardown=teardown, backend=backend)
    assert (tmp_path / "a name").exists()


def _name():
    return "a name"


def pow_of(x, name):
    return x * x


def test_invoke_has_both(backend, tmp_path):
    setup, _, teardown = counting(tmp_path)
    given = {"setup": setup, "teardown": teardown, "backend": backend}
    assert nbexec.invoke(_count, _count, _count, **given) == [None] * 3
    assert sum(counts(tmp_path).values()) == 3


def _count(counter):
    counter.ran.append(1)


def test_without_setup_it_is_given_nothing(backend, tmp_path):
    def teardown():
        (tmp_path / "ended").touch()

    assert nbexec.map(abs, [-1, -2], teardown=teardown, backend=backend) == [1, 2]
    assert (tmp_path / "ended").exists()


def test_where_no_item_ran_nothing_is_torn_down(backend, tmp_path):
    setup, fn, teardown = counting(tmp_path)
    assert nbexec.map(fn, [], setup=setup, teardown=teardown, backend=backend) == []
    assert not [*tmp_path.iterdir()]


def test_a_setup_that_raises_has_nothing_to_tear_down(backend, tmp_path):
    def setup():
        raise LookupError("no model")

    def teardown(state):
        (tmp_path / "ended").touch()

    found = nbexec.map(
        pow_of, [1], setup=setup, teardown=teardown, backend=backend, on_error="collect"
    )
    assert isinstance(found[0].exception, LookupError)
    assert not (tmp_path / "ended").exists()


def test_what_it_raises_costs_no_result(backend, caplog):
    def teardown(name):
        raise OSError("the device is busy")

    with caplog.at_level(logging.WARNING, "nbexec"):
        found = nbexec.map(pow_of, [1, 2], setup=_name, teardown=teardown, backend=backend)
    assert found == [1, 4]
    notes = found.run.stats.notes
    assert notes
    assert all("teardown raised OSError('the device is busy') on" in n for n in notes)
    logged = [record.getMessage() for record in caplog.records if record.name == "nbexec"]
    assert len(logged) == len(notes)
    assert all("in teardown" in one for one in logged)  # the traceback


def test_what_it_writes_arrives(backend):
    def teardown(name):
        sys.stdout.write(f"closing {name}\n")

    found = nbexec.map(pow_of, [1], setup=_name, teardown=teardown, backend=backend)
    assert found.run.output[0] == "closing a name\n"


def test_what_it_logs_arrives(backend, caplog):
    def teardown(name):
        logging.getLogger("mine").warning("closing %s", name)

    with caplog.at_level(logging.WARNING):
        nbexec.map(pow_of, [1], setup=_name, teardown=teardown, backend=backend)
    assert "closing a name" in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_a_run_that_is_cancelled_tears_down_what_is_idle(backend, tmp_path):
    setup, _, teardown = counting(tmp_path)

    def fn(x, counter):
        counter.ran.append(1)
        (tmp_path / f"ran-{x}").touch()
        if x == 1:
            until(nbexec.cancelled)
        return x

    run = nbexec.start(fn, [0, 1], setup=setup, teardown=teardown, backend=backend, chunk=1)
    until(lambda: (tmp_path / "ran-1").exists() and run.stats.done)
    run.cancel()
    run.wait()
    assert counts(tmp_path)


def test_a_failure_tears_down(backend, tmp_path):
    setup, _, teardown = counting(tmp_path)

    def fn(x, counter):
        counter.ran.append(1)
        return 1 / x

    with pytest.raises(ZeroDivisionError):
        nbexec.map(fn, [1, 0], setup=setup, teardown=teardown, backend=backend)
    assert set_up(tmp_path) == counts(tmp_path).keys()


def test_a_run_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(loop, "TEARING_DOWN", 0.05)
    go = threading.Event()
    found = nbexec.map(
        pow_of, [1], setup=_name, teardown=lambda name: go.wait(30), backend="threads"
    )
    assert nbexec.map(pow_of, [2], setup=_name, backend="threads", workers=1) == [4]
    go.set()
    assert found == [1]
    assert "teardown goes on at 1 worker" in found.run.stats.notes[0]


def test_debug_tears_down_too():
    gone = []
    run = nbexec.map(
        pow_of, [3], setup=_name, teardown=gone.append, backend="threads", on_error="collect"
    ).run
    assert gone == ["a name"]
    assert run.debug(0) == 9
    assert gone == ["a name"] * 2


def test_a_cluster_that_was_given_tears_down_on_each_worker(tmp_path):
    distributed = pytest.importorskip("distributed")
    setup, fn, teardown = counting(tmp_path)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, processes=True
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        found = nbexec.map(fn, range(20), setup=setup, teardown=teardown, backend=client, workers=4)
    assert found == [*range(20)]
    assert set_up(tmp_path) == counts(tmp_path).keys()
    assert sum(counts(tmp_path).values()) == 20


def test_it_must_be_a_function():
    with pytest.raises(OptionError, match="teardown must be a function of what setup gives"):
        nbexec.map(abs, [1], teardown=3)
