"""Cancelling runs by a `CancelToken`, on every backend.  Covers `backends/token_flags`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import multiprocessing
import os
import threading
import time
import weakref
from pathlib import Path

import pytest

import nbexec
from nbexec.backends import aio
from nbexec.system import flag_files

from .waiting import until

LONG = 600.0  # seconds; no test waits for that
SPAWN = multiprocessing.get_context("spawn")
OTHERS = ["threads", "processes", "joblib:loky", "joblib:threading", "cluster"]


@pytest.fixture
def token():
    return nbexec.CancelToken()


@pytest.fixture(scope="module")
def cluster():
    """A cluster that is somebody else's."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(host="127.0.0.1", **options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def other(request):
    """An executor of others, or their cluster, in turn."""
    name = request.param
    if name == "cluster":
        yield request.getfixturevalue("cluster")
    elif name == "threads":
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            yield pool
    elif name == "processes":
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
            yield pool
    else:
        pytest.importorskip("joblib")
        yield name


def cancelled(token, start, reason="enough"):
    """Cancel what `start` starts once a file says that an item has begun."""
    folder, wait = start
    until(lambda: [*folder.glob("begun *")], 60)
    token.cancel(reason)
    with pytest.raises(nbexec.RunCancelled, match=reason) as caught:
        wait()
    return caught.value


def sleeper(folder):
    def work(x):
        (folder / f"begun {x}").touch()
        nbexec.sleep(LONG)

    return work


def test_it_ends_every_run_that_has_it(backend, token, tmp_path):
    runs = [
        nbexec.start(sleeper(tmp_path), range(3), backend=backend, cancel=token, workers=1)
        for _ in range(2)
    ]
    unaware = nbexec.start(lambda x: x, [1], backend="threads")
    cancelled(token, (tmp_path, runs[0].result))
    with pytest.raises(nbexec.RunCancelled, match="work was cancelled: enough; 0 of 3"):
        runs[1].result()
    assert unaware.result() == [1]


def test_a_run_that_begins_with_a_cancelled_token_begins_no_item(backend, token, tmp_path):
    token.cancel("before")
    run = nbexec.start((tmp_path / "begun").touch, [1, 2], backend=backend, cancel=token)
    with pytest.raises(nbexec.RunCancelled, match="was cancelled: before; 0 of 2") as caught:
        run.result()
    assert [one.kind for one in caught.value.partial_results] == ["cancelled"] * 2
    assert run.stats.phase == "cancelled"
    assert not (tmp_path / "begun").exists()


def test_every_entry_takes_it(token, tmp_path):
    token.cancel("no")
    work = sleeper(tmp_path)

    async def stream():
        return [x async for x in nbexec.aimap(work, [1], cancel=token)]

    entries = [
        lambda: nbexec.map(work, [1], cancel=token),
        lambda: list(nbexec.imap(work, [1], cancel=token)),
        lambda: nbexec.invoke(lambda: work(1), cancel=token),
        lambda: nbexec.ensemble(1, [work], cancel=token),
        lambda: asyncio.run(nbexec.amap(work, [1], cancel=token)),
        lambda: asyncio.run(stream()),
        lambda: nbexec.parallel("rows = [work(x) for x in range(3)]", {"work": work}, cancel=token),
    ]
    for entry in entries:
        with pytest.raises(nbexec.RunCancelled, match="no"):
            entry()
    with nbexec.options(cancel=token), pytest.raises(nbexec.RunCancelled, match="no"):
        nbexec.map(work, [1])
    assert not [*tmp_path.iterdir()]


WAITING = {
    "map": nbexec.map,
    "imap": lambda *args, **options: list(nbexec.imap(*args, **options)),
    "amap": lambda *args, **options: asyncio.run(nbexec.amap(*args, **options)),
}


@pytest.mark.parametrize("how", WAITING)
def test_it_ends_what_this_thread_waits_for(how, token, tmp_path):
    def cancel():
        until(lambda: [*tmp_path.glob("begun *")], 60)
        token.cancel("from a thread")

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(nbexec.RunCancelled, match="from a thread"):
        WAITING[how](sleeper(tmp_path), range(4), cancel=token, backend="threads")
    thread.join()


def test_it_ends_a_cell(token):
    names = {}
    source = "import time\ndef wait(x):\n    time.sleep(1)\n    return x"
    nbexec.parallel(source, names, filename="<before>")
    token.cancel_after(1.5)
    with pytest.raises(nbexec.RunCancelled, match=r"after 1\.5 s"):  # these would take 100 s
        nbexec.parallel(
            "rows = [wait(x) for x in range(200)]\nthere = True",
            names,
            backend="threads",
            cancel=token,
        )
    assert not {"rows", "there"} & {*names}


def test_what_was_finished_is_kept(backend, token, tmp_path, monkeypatch):
    monkeypatch.setattr("nbexec.run.stopping.GRACE", 60.0)

    def work(x):
        (tmp_path / f"begun {x}").touch()
        while x and not nbexec.cancelled():
            time.sleep(0.005)
        return x * 10

    run = nbexec.start(work, range(4), backend=backend, cancel=token, chunk=1)
    until(lambda: run.stats.done and len([*tmp_path.glob("begun *")]) > 1, 60)
    error = cancelled(token, (tmp_path, run.result))
    kept = [value for value in error.partial_results if not isinstance(value, nbexec.Failure)]
    begun = [int(path.name.split()[1]) for path in tmp_path.glob("begun *")]
    assert kept == [x * 10 for x in sorted(begun)]  # what comes at once after the cancel, too


def test_a_time_ends_a_run(token):
    token.cancel_after(0.2)
    with pytest.raises(nbexec.RunCancelled, match=r"was cancelled: after 0\.2 s"):
        nbexec.map(nbexec.sleep, [LONG], backend="threads", cancel=token)


def test_the_rest_of_a_cancelled_run_can_be_run_without_its_token(token, tmp_path):
    def work(x):
        if not token.cancelled:
            (tmp_path / f"begun {x}").touch()
            nbexec.sleep(LONG)
        return x

    run = nbexec.start(work, range(4), backend="threads", cancel=token)
    cancelled(token, (tmp_path, run.result))
    assert run.retry_failed() == [0, 1, 2, 3]


def test_a_journal_knows_a_function_again_that_has_another_token(tmp_path):
    def work_with(token):
        def work(x):
            (tmp_path / f"ran {x}").touch()
            return x if not token.cancelled else None

        return work

    for again in (False, True):
        token = nbexec.CancelToken()
        options = {"checkpoint": tmp_path / "journal.db", "cancel": token, "backend": "threads"}
        assert nbexec.map(work_with(token), [0, 1], **options) == [0, 1]
        assert bool([*tmp_path.glob("ran *")]) is not again
        for ran in tmp_path.glob("ran *"):
            ran.unlink()


def test_a_linked_token_ends_its_run_alone(token):
    linked = nbexec.CancelToken(token)
    mine = nbexec.start(nbexec.sleep, [LONG], backend="threads", cancel=linked)
    linked.cancel("mine alone")
    with pytest.raises(nbexec.RunCancelled, match="mine alone"):
        mine.result()
    assert not token.cancelled
    linked = nbexec.CancelToken(token, nbexec.CancelToken())
    mine = nbexec.start(nbexec.sleep, [LONG], backend="threads", cancel=linked)
    token.cancel("all")
    with pytest.raises(nbexec.RunCancelled, match="all"):
        mine.result()


def test_a_token_keeps_no_run_that_has_ended(backend, token):
    with nbexec.options(cancel=token):
        nbexec.map(abs, [-1], backend=backend)
        with nbexec.Executor(backend) as executor:
            assert executor.submit(abs, -1).result() == 1
    assert not token._callbacks


def test_a_token_that_goes_is_let_go_of(token):
    gone = weakref.ref(nbexec.CancelToken())
    gc.collect()
    assert gone() is None


# ---------------------------------------------------------------- in tasks


def follower(folder):
    def work(x, token):
        (folder / f"begun {x}").touch()
        end = time.monotonic() + 60
        while not token.cancelled and time.monotonic() < end:
            time.sleep(0.005)
        return token.reason, token

    return work


def test_a_task_that_has_the_token_sees_it(backend, token, tmp_path, monkeypatch):
    monkeypatch.setattr("nbexec.run.stopping.GRACE", 60.0)
    run = nbexec.start(follower(tmp_path), [0], [token], backend=backend, cancel=token)
    error = cancelled(token, (tmp_path, run.result))
    assert error.partial_results == [("enough", token)]  # it comes back as itself


def test_so_does_one_whose_run_does_not_have_it(backend, token, tmp_path):
    run = nbexec.start(follower(tmp_path), [0], [token], backend=backend)
    until(lambda: [*tmp_path.glob("begun *")], 60)
    run._loop.post(int)  # the run goes on
    token.cancel("just the task's")
    assert run.result() == [("just the task's", token)]


def test_so_does_a_call_of_an_executor_and_one_that_has_it_from_around(backend, token, tmp_path):
    work = follower(tmp_path)
    with nbexec.Executor(backend, workers=2) as executor:
        given = executor.submit(work, 0, token)
        captured = executor.submit(lambda: work(1, token)[0])
        until(lambda: [*tmp_path.glob("begun *")], 60)
        token.cancel("both")
        assert given.result(60) == ("both", token)
        assert captured.result(60) == "both"


def test_an_item_that_raises_for_its_runs_token_is_cancelled(backend, token, tmp_path, monkeypatch):
    monkeypatch.setattr("nbexec.run.stopping.GRACE", 60.0)

    def work(x, token):
        (tmp_path / f"begun {x}").touch()
        while True:
            time.sleep(0.001)
            token.raise_if_cancelled()

    run = nbexec.start(work, [0], [token], backend=backend, cancel=token, on_error="collect")
    error = cancelled(token, (tmp_path, run.result))
    assert [one.kind for one in error.partial_results] == ["cancelled"]
    assert run.stats.failed == 0


def test_a_worker_can_not_cancel_it(sent, token):
    with pytest.raises(RuntimeError, match="cancel it where it was made"):
        nbexec.map(lambda x: token.cancel(), [1], backend=sent)
    assert not token.cancelled


@pytest.mark.parametrize("how", ["map", "imap", "start", "executor"])
def test_runs_within_an_item_end_with_it(how, tmp_path):
    def inner(y):
        (tmp_path / f"begun {y}").touch()
        nbexec.sleep(LONG)

    def outer(x):
        try:
            with nbexec.options(backend="threads", progress="off", workers=2):
                if how == "map":
                    nbexec.map(inner, [1, 2])
                elif how == "imap":
                    list(nbexec.imap(inner, [1, 2]))
                elif how == "start":
                    nbexec.start(inner, [1, 2]).result()
                else:
                    with nbexec.Executor("threads", workers=2) as executor:
                        executor.submit(inner, 1)
        finally:
            (tmp_path / "ended").touch()

    run = nbexec.start(outer, [0], backend="threads")
    until(lambda: [*tmp_path.glob("begun *")], 60)
    run.cancel()
    with pytest.raises(nbexec.RunCancelled):
        run.result()
    until((tmp_path / "ended").exists, 60)


# ---------------------------------------------------------------- executors


def test_it_cancels_the_calls_of_an_executor(backend, token, tmp_path):
    executor = nbexec.Executor(backend, workers=2, cancel=token)
    futures = [executor.submit(sleeper(tmp_path), x) for x in range(6)]
    until(lambda: [*tmp_path.glob("begun *")], 60)
    token.cancel("enough")
    assert not concurrent.futures.wait(futures, 60).not_done
    began = [future for future in futures if not future.cancelled()]
    assert 1 <= len(began) <= 4
    assert all(isinstance(future.exception(), nbexec.RunCancelled) for future in began)
    assert all(": enough" in str(future.exception()) for future in began)
    assert futures[-1].cancelled()
    executor.run.wait()
    with pytest.raises(nbexec.RunCancelled, match="Executor was cancelled: enough"):
        executor.submit(abs, 1)
    executor.shutdown()


def test_an_executor_with_a_cancelled_token_runs_nothing(backend, token, tmp_path):
    token.cancel("before")
    with nbexec.Executor(backend, cancel=token) as executor:
        try:
            future = executor.submit((tmp_path / "begun").touch)
        except nbexec.RunCancelled:  # it has ended already
            pass
        else:
            assert future.cancelled() or isinstance(future.exception(60), nbexec.RunCancelled)
    assert not (tmp_path / "begun").exists()


def test_calls_that_wait_end_when_the_run_of_an_executor_is_cancelled():
    executor = nbexec.Executor("threads", workers=1)
    running, waiting = executor.submit(nbexec.sleep, LONG), executor.submit(abs, 1)
    until(lambda: running.running())
    executor.run.cancel()
    assert isinstance(running.exception(60), nbexec.RunCancelled)
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result(60)
    executor.shutdown()


def test_calls_that_wait_end_at_the_deadline_of_an_executor():
    executor = nbexec.Executor("threads", workers=1, deadline=0.3)
    calls = []
    with contextlib.suppress(nbexec.DeadlineExceeded):  # the machine is busy, and it has passed
        for _ in range(3):
            calls.append(executor.submit(nbexec.sleep, LONG))
    ended = {type(call.exception(60)) for call in calls}
    assert ended <= {nbexec.DeadlineExceeded, nbexec.RunCancelled}
    executor.run.wait()
    with pytest.raises(nbexec.DeadlineExceeded, match="stopped after deadline"):
        executor.submit(abs, 1)
    executor.shutdown()


# ---------------------------------------------------------------- others


@pytest.mark.parametrize("other", OTHERS, indirect=True)
def test_workers_of_others_are_free_again(other, token, tmp_path):
    def work(x):
        (tmp_path / f"begun {x}").touch()
        try:
            nbexec.sleep(LONG)
        finally:
            (tmp_path / f"ended {x}").touch()

    run = nbexec.start(work, range(8), backend=other, workers=2, cancel=token)
    cancelled(token, (tmp_path, run.result))
    assert nbexec.map(abs, range(-4, 0), backend=other, workers=2) == [4, 3, 2, 1]
    until(lambda: len([*tmp_path.glob("ended *")]) == len([*tmp_path.glob("begun *")]))


@pytest.mark.parametrize("asks", ["sleep", "token"])
def test_a_cluster_on_other_machines_is_told_by_message(
    cluster, asks, token, tmp_path, monkeypatch
):
    monkeypatch.setattr(flag_files, "raise_flag", lambda path, text="": None)
    monkeypatch.setattr(Path, "touch", _touch_none_that_workers_look_for)

    def work(x, token):
        (tmp_path / f"begun {x}").write_text("")
        try:
            if asks == "sleep":
                nbexec.sleep(LONG)
            else:
                token.wait(LONG)
        finally:
            (tmp_path / f"ended {x}").write_text(token.reason)

    items = range(2), [token] * 2
    run = nbexec.start(work, *items, backend=cluster, workers=2, cancel=token, chunk=1)
    until(lambda: len([*tmp_path.glob("begun *")]) == 2, 60)
    cancelled(token, (tmp_path, run.result))
    until(lambda: len([*tmp_path.glob("ended *")]) == 2, 60)
    if asks == "token":
        assert {one.read_text() for one in tmp_path.glob("ended *")} == {"enough"}


def _touch_none_that_workers_look_for(path):
    assert path.name.startswith("unwanted-")


def test_files_of_flags_are_in_the_kernels_folder_and_few(token):
    from nbexec.backends.scratch import scratch_folder

    before = {*os.listdir(scratch_folder())}
    nbexec.map(lambda x: token.cancelled, range(20), backend="processes")
    left = {*os.listdir(scratch_folder())} - before
    assert not [one for one in left if one.startswith(("cancelled-", "unwanted-"))]


@pytest.mark.parametrize("how", ["cancelled", "deadline", "timeout", "failed"])
def test_finally_of_coroutines_is_over_when_the_run_is(how, monkeypatch):
    monkeypatch.setattr(aio, "ENDING", 20.0)
    begun, ended = threading.Event(), []

    async def wait(x):
        begun.set()
        try:
            if x == 0 and how == "failed":
                raise ValueError(x)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append(x)

    options = {"deadline": {"deadline": 0.2}, "timeout": {"timeout": 0.2}}.get(how, {})
    run = nbexec.start(wait, range(2), backend="asyncio", progress="off", **options)
    assert begun.wait(20)
    if how == "cancelled":
        run.cancel()
    assert run.wait(60)
    assert sorted(ended) == [0, 1]


def test_a_coroutine_that_does_not_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(aio, "ENDING", 0.01)
    begun, ended, release = threading.Event(), threading.Event(), threading.Event()

    async def stay(x):
        begun.set()
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        ended.set()

    run = nbexec.start(stay, range(1), backend="asyncio", progress="off")
    assert begun.wait(20)
    run.cancel()
    assert run.wait(60)
    assert not ended.is_set()
    release.set()
    assert ended.wait(20)


def test_a_coroutine_that_blocks_its_loop_is_not_waited_for_either(monkeypatch):
    monkeypatch.setattr(aio, "ENDING", 0.01)
    begun, release = threading.Event(), threading.Event()

    async def block(x):
        begun.set()
        release.wait(LONG)

    run = nbexec.start(block, range(1), backend="asyncio", progress="off")
    assert begun.wait(20)
    run.cancel()
    ended = run.wait(60)
    release.set()
    assert ended
    assert not any("teardown" in note for note in run.stats.notes)
