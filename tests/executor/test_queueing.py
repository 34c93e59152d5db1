"""`Executor(max_queue=, on_full=)`: a bounded queue, on every backend."""

from __future__ import annotations

import contextvars
import itertools
import sys
import threading

import pytest

import nbexec

from ..waiting import until

ASIDE = pytest.mark.parametrize("name", ["serial", "threads", "asyncio", "auto"])
USER = contextvars.ContextVar("user", default="nobody")


def wait_for(path):
    until(path.exists, 100)


@pytest.fixture
def full(backend, tmp_path):
    """A function that makes an executor whose queue of one is full, until the test is over."""
    made = []

    def make(on_full):
        executor = nbexec.Executor(backend, workers=1, max_queue=1, on_full=on_full, name="mine")
        made.append(executor)
        made.extend(executor.submit(wait_for, tmp_path / "go") for _ in range(2))
        return executor

    yield make
    (tmp_path / "go").touch()
    for one in made[1:]:
        one.exception(60) if not one.cancelled() else None
    made[0].shutdown()


def test_reject(full):
    executor = full("reject")
    with pytest.raises(nbexec.QueueFull, match=r"mine takes no more calls.*on_full='block'"):
        executor.submit(abs, -1)
    with pytest.raises(RuntimeError):
        executor.submit(abs, -2)
    assert executor._calls.rejected == 2


def test_discard(full):
    executor = full("discard")
    assert executor.submit(abs, -1).cancelled()
    assert executor._calls.discarded == 1


def test_discard_oldest(full):
    executor = full("discard_oldest")
    assert not executor.submit(abs, -1).cancelled()
    assert executor._calls.discarded == 1


def test_caller_runs(full):
    executor = full("caller_runs")
    USER.set("Ada")
    done = executor.submit(lambda: (threading.current_thread(), USER.get(), USER.set("Eve"))[:2])
    assert done.done()
    assert done.result() == (threading.current_thread(), "Ada")
    assert USER.get() == "Ada"  # it was a copy
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()
    assert isinstance(executor.submit(sys.exit, 3).exception(), SystemExit)

    async def double(x):
        return 2 * x

    assert executor.submit(double, 4).result() == 8


def test_caller_runs_tries_again(full):
    tries = []

    def fail():
        tries.append(len(tries))
        if len(tries) < 3:
            raise OSError
        return tries

    again = full("caller_runs").options(retries=2, retry_wait=0)
    assert again.submit(fail).result() == [0, 1, 2]


def test_block_gives_way_at_shutdown(full):
    executor, raised = full("block"), []

    def submit():
        with pytest.raises(RuntimeError, match="after shutdown of mine") as caught:
            executor.submit(abs, -1)
        raised.append(caught.value)

    thread = threading.Thread(target=submit)
    thread.start()
    until(lambda: executor._calls._room._waiters)
    executor.shutdown(wait=False)
    thread.join(20)
    assert raised


@pytest.mark.parametrize("on_full", ["block", "caller_runs"])
def test_every_call_runs_however_small_the_queue(backend, on_full):
    with nbexec.Executor(backend, workers=2, max_queue=0, on_full=on_full) as executor:
        futures = [executor.submit(pow, x, 2) for x in range(50)]
        assert [future.result(60) for future in futures] == [x * x for x in range(50)]


@ASIDE
def test_calls_that_submit_calls_do_not_deadlock(name):
    with nbexec.Executor(name, workers=1, max_queue=0) as executor:

        def parent():
            return [executor.submit(abs, -x) for x in range(5)]

        children = executor.submit(parent).result(30)
        assert [child.result(30) for child in children] == [0, 1, 2, 3, 4]


def test_nor_those_of_an_executor_in_a_call():
    with nbexec.Executor("threads", workers=1, max_queue=0) as outer:

        def parent():
            with nbexec.Executor("threads", workers=1) as inner:
                return inner.submit(lambda: [outer.submit(abs, -1) for _ in range(3)]).result(30)

        assert [child.result(30) for child in outer.submit(parent).result(30)] == [1, 1, 1]


@pytest.mark.parametrize("on_full", ["block", "caller_runs", "reject", "discard"])
def test_map_is_lazy_and_gives_what_it_gives(backend, on_full):
    pulled = []

    def endless():
        for x in itertools.count():
            pulled.append(x)
            yield x

    with nbexec.Executor(backend, workers=2, max_queue=3, on_full=on_full) as executor:
        results = executor.map(str, endless())
        assert len(pulled) == 3 + (1 if backend == "serial" else 2)
        assert list(itertools.islice(results, 12)) == [str(x) for x in range(12)]
        assert len(pulled) <= 18
        results.close()
        assert executor._calls.discarded == executor._calls.rejected == 0


def test_map_that_is_refused_leaves_nothing_behind():
    go = threading.Event()
    with nbexec.Executor("threads", workers=1, max_queue=2, on_full="reject") as executor:
        first, began = executor.submit(go.wait), []
        with pytest.raises(nbexec.QueueFull):
            executor.map(began.append, [1, 2, 3])
        go.set()
        first.result(30)
    assert began == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_queue": -1}, "max_queue must be an integer of at least 0"),
        ({"max_queue": 2.5}, "max_queue must be an integer"),
        ({"max_queue": 1, "on_full": "drop"}, "on_full='drop' is not one of block, caller_runs"),
        ({"on_full": "reject"}, "on_full='reject' needs max_queue="),
        ({"max_queue": 1, "on_full": "caller_runs", "rate": "5/s"}, "does not work with on_full"),
        ({"max_queue": 1, "on_full": "caller_runs", "setup": dict}, "does not work with on_full"),
    ],
)
def test_what_is_wrong_is_told(given, words):
    with pytest.raises(nbexec.OptionError, match=words):
        nbexec.Executor("serial", **given)


def test_a_view_can_not_limit_what_callers_run():
    refused = pytest.raises(nbexec.OptionError, match="a call begins at once")
    with nbexec.Executor("serial", max_queue=1, on_full="caller_runs") as executor, refused:
        executor.options(rate="5/s")
