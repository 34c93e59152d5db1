"""`Executor.options`, over `options/call_options` and `pacing/call_limits`, on every backend."""

from __future__ import annotations

import gc
import threading
import time

import pytest

import nbexec
from nbexec.options.call_options import CallOptions
from nbexec.options.rates import Limit

from ..pacing.test_pacing import fullest
from ..waiting import until

PRIORITIES = [0, 5, -3, 5, 0, nbexec.Priority.HIGH, nbexec.Priority.LOW]


def wait_for(path):
    until(path.exists, 100)


def note(path, what):
    with path.open("a") as file:
        file.write(f"{what}\n")


def begin_and_wait(began, go):
    began.touch()
    wait_for(go)


def fail_at_first(folder, times, error):
    """Fail so many times, whichever process it is called in."""
    tries = len([*folder.iterdir()])
    (folder / str(tries)).touch()
    if tries < times:
        raise error
    return tries


@pytest.fixture
def executor(backend):
    with nbexec.Executor(backend, workers=1) as executor:
        yield executor


def test_calls_with_a_larger_priority_begin_sooner_and_equal_ones_in_their_order(
    executor, tmp_path
):
    began, go, notes = (tmp_path / name for name in ("began", "go", "notes"))
    executor.submit(begin_and_wait, began, go)
    until(began.exists, 60)
    futures = [
        executor.options(priority=priority).submit(note, notes, f"{int(priority)} {at}")
        for at, priority in enumerate(PRIORITIES)
    ]
    go.touch()
    for future in futures:
        future.result(60)
    order = sorted(range(len(PRIORITIES)), key=lambda at: -PRIORITIES[at])
    wanted = [f"{int(PRIORITIES[at])} {at}" for at in order]
    assert notes.read_text().split("\n")[:-1] == wanted


def test_retries_are_the_views_alone(executor, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    again = executor.options(retries=2, retry_wait=0)
    with pytest.raises(OSError, match="busy"):
        executor.submit(fail_at_first, first, 1, OSError("busy")).result(60)
    assert again.submit(fail_at_first, second, 2, OSError("busy")).result(60) == 2
    only = again.options(retry_on=ValueError)
    with pytest.raises(KeyError):
        only.submit(fail_at_first, tmp_path / "..", 10**9, KeyError("another")).result(60)


def test_a_timeout_is_the_views_alone(backend, tmp_path):
    if backend == "serial":
        pytest.skip("it can't leave a call")
    go = tmp_path / "go"
    with nbexec.Executor(backend, workers=2) as executor:
        brief = executor.options(timeout=0.3, name="the slow one")
        long, late = executor.submit(wait_for, go), brief.submit(wait_for, go)
        with pytest.raises(nbexec.ItemTimeout, match=r"'the slow one' took longer than timeout"):
            late.result(60)
        assert not long.done()
        assert executor.run.failures[0].name == "the slow one"
        go.touch()
        assert long.result(60) is None
        assert brief.submit(abs, -1).result(60) == 1


def test_a_timeout_begins_with_the_call_and_not_with_its_wait():
    with nbexec.Executor("threads", workers=1) as executor:
        brief = executor.options(timeout=2.0)
        futures = [brief.submit(time.sleep, 0.8) for _ in range(3)]
        assert [future.result(60) for future in futures] == [None] * 3


def test_serial_can_not_time_out():
    with nbexec.Executor("serial") as executor:
        with pytest.raises(nbexec.OptionError, match=r"timeout= does not work.*'threads'"):
            executor.options(timeout=1.0)
        assert executor.options(timeout=None).submit(abs, -1).result() == 1


def test_a_timed_call_of_auto_is_never_where_it_can_not_be_left(tmp_path):
    go = tmp_path / "go"
    with nbexec.Executor("auto", workers=1) as executor:
        with pytest.raises(nbexec.ItemTimeout):
            executor.options(timeout=0.2).submit(wait_for, go).result(60)
        assert executor.submit(abs, -1).result(60) == 1  # nothing stands in its way
        go.touch()


def test_a_rate_is_the_views_alone(executor):
    view = executor.options(rate="2/h")
    *limited, third = [view.submit(abs, -1) for _ in range(3)]
    others = [executor.submit(abs, -2) for _ in range(3)]
    assert [future.result(60) for future in (*limited, *others)] == [1, 1, 2, 2, 2]
    assert executor.options(rate="2/h").submit(abs, -3).result(60) == 3  # another view
    assert third.cancel()


def test_calls_with_one_key_share_a_rate_also_those_of_other_views(executor):
    futures = [executor.options(rate="2/h", key=key).submit(abs, -1) for key in "ababab"]
    assert [future.result(60) for future in futures[:4]] == [1] * 4
    assert executor.submit(abs, -2).result(60) == 2
    assert [future.cancel() for future in futures] == [False] * 4 + [True] * 2


def test_chunks_of_map_evade_no_rate():
    with nbexec.Executor("threads", workers=2) as executor:
        results = executor.options(rate="2/h").map(abs, range(5), chunksize=5, timeout=3.0)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(TimeoutError):
            next(results)


def test_a_key_loosens_no_limit_of_the_executor():
    with nbexec.Executor("threads", workers=4, rate="3/s") as executor:
        futures = [executor.options(key=key).submit(time.time) for key in range(7)]
        assert fullest([future.result(60) for future in futures], 1.0) <= 3


def test_a_call_that_waits_for_a_rate_can_be_cancelled_and_nothing_waits_for_it(backend):
    with nbexec.Executor(backend, workers=2) as executor:
        view = executor.options(rate="1/day")
        first, *others = [view.submit(abs, -1) for _ in range(50)]
        assert first.result(60) == 1
        assert others[7].cancel()
        executor.shutdown(wait=False, cancel_futures=True)
        assert executor.join(60)
        assert all(future.cancelled() for future in others)
        assert executor.stats.done == 1


class Busy(Exception):
    """A server is."""


def test_slowing_down_is_by_key():
    def ask(key):
        if key == "busy":
            raise Busy

    with nbexec.Executor("threads", workers=2, slow_down=lambda error: 3000.0) as executor:
        busy, free = [
            [executor.options(key=key).submit(ask, key) for _ in range(3)]
            for key in ("busy", "free")
        ]
        assert [future.result(60) for future in free] == [None] * 3
        until(lambda: executor.stats.retried)
        executor.shutdown_now()
        assert executor.join(60)
    assert all(future.exception(60) for future in busy if not future.cancelled())


def test_views_nest_and_share_everything_but_the_options():
    with nbexec.Executor("threads", workers=2) as executor:
        view = executor.options(priority=3, retries=1).options(name="mine", retries=2)
        assert isinstance(view, nbexec.Executor)
        assert type(view).__name__ == "Executor"
        assert (view._own.priority, view._own.name, view._own.options.retries) == (3, "mine", 2)
        assert executor._own is None
        assert view.run is executor.run
        assert list(view.map(abs, [-1, -2])) == [1, 2]
        assert view.compute("sum", [1.0, 2.0]) == 3.0
        assert executor.stats.done == 3
        view._of_a_mixin = "set by a method that was called on the view"
        assert executor._of_a_mixin == view.options()._of_a_mixin


def test_map_of_a_view_that_nobody_holds_gives_all():
    with nbexec.Executor("threads", workers=2) as executor:
        results = executor.options(retries=1).map(abs, range(20), buffersize=2)
        assert list(results) == [*range(20)]


def test_map_of_a_view_does_not_hold_the_executor():
    results = nbexec.Executor("threads", 2).options(retries=1).map(abs, range(9), buffersize=2)
    gc.collect()
    assert list(results) == [0, 1]


def test_a_view_of_a_class_of_ones_own():
    class Mine(nbexec.Executor):
        """It has a method more."""

        def twice(self, x):
            return self.submit(lambda: 2 * x)

    with Mine("threads", workers=1) as executor:
        view = executor.options(priority=1)
        assert isinstance(view, Mine)
        assert view.twice(4).result() == 8


def test_a_view_alone_keeps_the_executor_and_can_shut_it_down():
    with nbexec.Executor("threads", workers=1).options(retries=1) as view:
        assert view.submit(abs, -1).result() == 1
    with pytest.raises(RuntimeError, match="after shutdown"):
        view.submit(abs, -1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"priority": 1.5}, "priority must be an integer"),
        ({"priority": True}, "priority must be an integer"),
        ({"timeout": -1}, "timeout must be seconds"),
        ({"retries": None}, "retries must be an integer"),
        ({"retry_on": 3}, "retry_on must be an exception type"),
        ({"rate": "fast"}, "rate='fast' is no rate"),
        ({"rate": {"tokens": "5/s"}}, "may limit how many start, and no other unit"),
        ({"key": []}, "it must be hashable"),
        ({"name": 3}, "name must be a string"),
        ({"priorty": 3}, "no option 'priorty' of single calls; did you mean 'priority'"),
        ({"workers": 3}, "no option 'workers' of single calls"),
    ],
)
def test_what_is_wrong_is_told(wrong, words):
    with nbexec.Executor("serial") as executor, pytest.raises(nbexec.OptionError, match=words):
        executor.options(**wrong)


def test_an_option_can_be_taken_back():
    own = CallOptions(nbexec.Options()).updated({"rate": "5/s", "key": "a", "name": "b"})
    assert own.timed
    assert own.paced
    own = own.updated({"rate": None, "key": None, "name": None})
    assert (own.limit, own.key, own.name, own.timed, own.paced) == (None, None, "", False, False)


def test_a_limit_object_is_used_as_it_is():
    limit = Limit("5/s")
    with nbexec.Executor("serial") as executor:
        view = executor.options(rate=limit, key="a")
        other = executor.options(rate="5/s", key="a")
        assert view._own.limit is limit
        assert view.options(key="b")._own.limit is limit
        assert other._own.limit is executor.options(rate="5/s", key="b")._own.limit is not limit


def test_a_named_call_is_named_in_the_panel():
    from nbexec.notebook.panel.failure_groups import FailureGroups

    with nbexec.Executor("threads", workers=1) as executor:
        executor.options(name="load Berlin").submit(divmod, 1, 0).exception()
        groups = FailureGroups()
        groups.add(executor.run.failures)
    assert "load Berlin" in str(groups.rows("run"))


def test_a_checkpoint_knows_calls_with_options(tmp_path):
    notes = tmp_path / "notes"

    def work(x):
        note(notes, x)
        return 2 * x

    for own in ({}, {"timeout": 60.0}, {"rate": "1000/s", "priority": 2}):
        with nbexec.Executor("threads", workers=1, checkpoint=tmp_path / "j.db") as executor:
            assert executor.options(**own).submit(work, 4).result(60) == 8
    assert notes.read_text() == "4\n"


def test_calls_without_options_have_none():
    with nbexec.Executor("threads", workers=1) as executor:
        go = threading.Event()
        executor.submit(go.wait)
        executor.submit(abs, -1)
        until(lambda: len(executor._calls._pending) == 1)
        assert [one.own for one in executor._calls._pending] == [None]
        go.set()
