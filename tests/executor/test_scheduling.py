"""`Executor.schedule` and its jobs, on every backend, with a clock that goes when it is told to.

Covers `executor/scheduling`, `executor/job`, `executor/job_runs` and `executor/job_clock`.
"""

from __future__ import annotations

import concurrent.futures
import gc
import os
import subprocess
import sys
import threading
import weakref
from datetime import datetime
from pathlib import Path

import pytest

import nbexec
from nbexec.executor import job_clock
from nbexec.executor.job_clock import Clock, Timer
from nbexec.executor.schedule import GRACE
from nbexec.executor.timings import Moment
from nbexec.system import at_exit

from ..waiting import until

ROOT = Path(__file__).parents[2]
START = 1.8e9


class ToldClock(Clock):
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = Moment(1000.0, START)

    def read(self) -> Moment:
        return self.now


class ByHand(Timer):
    """A timer without its thread: the test goes on in time, and has it look."""

    clock: ToldClock

    def begin(self) -> None:
        """Wait for `turn`."""

    def go(self, seconds: float) -> float | None:
        self.clock.now = Moment(*(one + seconds for one in self.clock.now))
        return self.turn()


@pytest.fixture
def timer(monkeypatch):
    timer = ByHand(ToldClock())
    monkeypatch.setattr(job_clock, "timer", timer)
    return timer


@pytest.fixture
def threads():
    with nbexec.Executor("threads", workers=2) as executor:
        yield executor


def ended(job):
    """Wait until the job has taken in the end of the runs that have begun."""
    until(lambda: not job._going)
    return job


def test_once_and_again_and_again_on_every_backend(backend, timer):
    with nbexec.Executor(backend, workers=2) as executor:
        once = executor.schedule(pow, 2, 10, delay=5)
        job = executor.schedule(divmod, 7, 2, every="10 s", times=2)
        assert (once.state, job.state) == ("waiting", "waiting")
        assert timer.go(1) == 4.0  # the first of the other one has begun
        assert job.last.result(100) == (3, 1)
        ended(job)
        timer.go(4)
        assert once.result(100) == 1024
        assert timer.go(4.9) == pytest.approx(0.1)
        timer.go(0.1)
        assert job.result(100) == (3, 1)
        assert (job.runs, job.failures, job.missed, job.state) == (2, 0, 0, "done")
        assert executor.jobs == []


def test_a_fixed_delay(threads, timer):
    go = threading.Event()
    job = threads.schedule(go.wait, 20, after_each=5, times=2)
    timer.turn()
    assert job.state == "running"
    assert timer.go(100) is None
    assert job.next_time is None
    go.set()
    ended(job)
    assert job.next_time.timestamp() == START + 105
    timer.go(4.9)
    assert job.runs == 1
    timer.go(0.2)
    assert job.result(30) is True
    assert job.runs == 2


def test_runs_of_one_job_do_not_overlap(threads, timer):
    go = threading.Event()
    job = threads.schedule(go.wait, 20, every=1)
    queued = threads.schedule(go.wait, 20, every=1, overlap="queue", times=3)
    timer.turn()
    for _ in range(4):
        timer.go(1)
    assert (job.runs, job.missed) == (1, 4)
    assert (queued.runs, queued.missed) == (1, 0)
    go.set()
    while not queued.done:
        ended(queued)
        timer.turn()
    assert queued.runs == 3


def test_an_executor_that_is_paused_is_not_flooded(threads, timer):
    threads.run.pause()
    until(lambda: threads.stats.phase == "paused")
    job = threads.schedule(abs, -1, every=1)
    timer.turn()
    for _ in range(9):
        timer.go(1)
    assert (job.runs, job.missed, job.state) == (1, 9, "running")
    threads.run.resume()
    assert job.last.result(30) == 1
    timer.go(1)
    assert ended(job).runs == 2


def test_runs_may_overlap(timer):
    go, begun = threading.Event(), []
    with nbexec.Executor("threads", workers=3) as executor:
        job = executor.schedule(
            lambda: begun.append(go.wait(20)), every=1, overlap="allow", times=3
        )
        timer.turn()
        timer.go(1)
        timer.go(1)
        assert job.runs == 3
        go.set()
        job.result(30)
    assert begun == [True] * 3


def test_the_machine_slept(threads, timer):
    job = threads.schedule(abs, -1, at=datetime.fromtimestamp(START + 60), missed="skip")
    made_up = threads.schedule(abs, -1, at=datetime.fromtimestamp(START + 60))
    timer.go(60 + GRACE + 1)
    assert made_up.result(30) == 1
    with pytest.raises(concurrent.futures.CancelledError, match="the job abs had no run"):
        job.result(0)
    assert (job.missed, job.state) == (1, "done")


def test_errors(threads, timer, caplog):
    given = [1, 0, 0, 1]
    job = threads.schedule(lambda: 1 / given.pop(), every=1, name="ratio", until=3)
    stops = threads.schedule(lambda: 1 / 0, every=1, on_error="stop")
    for _ in range(4):
        timer.turn()
        ended(job)
        ended(stops)
        timer.go(1)
    assert job.result(30) == 1
    assert (job.runs, job.failures, job.state) == (4, 2, "done")
    assert isinstance(job.last_error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        stops.result(30)
    assert (stops.runs, stops.state) == (1, "failed")
    assert (
        sum("a run of the job ratio failed (ZeroDivisionError" in one for one in caplog.messages)
        == 1
    )


def test_one_that_runs_once_fails_as_its_future(threads, timer, caplog):
    job = threads.schedule(lambda: 1 / 0, delay=1)
    timer.go(1)
    with pytest.raises(ZeroDivisionError):
        job.result(30)
    assert (job.state, caplog.messages) == ("failed", [])


def test_pause_and_resume(threads, timer):
    job = threads.schedule(abs, -1, every=10, delay=10)
    job.pause()
    assert timer.go(35) is None
    assert (job.state, job.paused, job.runs) == ("paused", True, 0)
    job.resume()
    timer.turn()
    ended(job)
    assert (job.runs, job.missed) == (1, 2)
    assert job.next_time.timestamp() == START + 40


def test_cancel(threads, timer):
    job = threads.schedule(abs, -1, every=10)
    timer.turn()
    ended(job)
    assert job.cancel()
    assert not job.cancel()
    assert (job.done, job.state) == (True, "cancelled")
    with pytest.raises(concurrent.futures.CancelledError, match="the job abs was cancelled"):
        job.result(0)
    assert timer.go(100) is None
    assert job.runs == 1
    with pytest.raises(RuntimeError, match="begins no further run"):
        job.run_now()


def test_cancel_leaves_a_run_that_goes_on_and_cancels_one_that_waits(timer):
    go, begun = threading.Event(), threading.Event()
    with nbexec.Executor("threads", workers=1) as executor:
        job = executor.schedule(lambda: begun.set() or go.wait(20), every=10)
        timer.turn()
        begun.wait(30)
        waits = executor.schedule(abs, -1, delay=0)
        timer.turn()
        assert waits.cancel()
        assert job.cancel()
        assert not job.wait(0)  # it goes on
        with pytest.raises(TimeoutError, match="is not done after 0 s"):
            job.result(0)
        go.set()
        assert job.wait(30)
        assert job.last.result() is True
        with pytest.raises(concurrent.futures.CancelledError):
            waits.result(30)
        assert waits.state == "cancelled"


def test_run_now(threads, timer):
    go = threading.Event()
    job = threads.schedule(go.wait, 20, every=10, delay=10)
    job.pause()
    first = job.run_now()
    assert job.run_now() is first  # they don't overlap
    go.set()
    assert first.result(30) is True
    ended(job)
    assert job.run_now() is not first
    once = threads.schedule(abs, -1, delay="1 week")
    once.run_now()
    assert once.result(30) == 1


def test_jobs_are_listed_and_end_with_their_executor(timer):
    executor, other = nbexec.Executor("serial"), nbexec.Executor("serial")
    jobs = [executor.schedule(abs, -1, delay=5, name=name) for name in "ab"]
    elsewhere = other.schedule(abs, -1, delay=5)
    assert executor.jobs == jobs
    assert nbexec.jobs() == [*jobs, elsewhere]
    executor.shutdown()
    assert (executor.jobs, nbexec.jobs()) == ([], [elsewhere])
    assert [job.state for job in jobs] == ["cancelled"] * 2
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.schedule(abs, -1, delay=5)
    other.shutdown()


def test_a_run_that_has_begun_is_not_lost_at_shutdown(timer):
    go = threading.Event()
    with nbexec.Executor("threads", workers=1) as executor:
        executor.submit(go.wait, 20)
        waits = executor.schedule(abs, -1, delay=0)
        timer.turn()
        executor.shutdown(wait=False)
        go.set()
    assert waits.result(30) == 1


def test_the_run_behind_was_cancelled(timer):
    with nbexec.Executor("threads") as executor:
        job = executor.schedule(abs, -1, every=10)
        timer.turn()
        ended(job)
        executor.run.cancel()
        executor.run.wait(30)
        timer.go(10)
        assert (job.state, job.last_error) == ("cancelled", None)


def test_an_executor_that_is_broken(timer):
    with nbexec.Executor("threads", initializer=lambda: 1 / 0) as executor:
        job = executor.schedule(abs, -1, every=10)
        timer.turn()
        until(lambda: not job._going)
        timer.go(10)
        with pytest.raises(concurrent.futures.BrokenExecutor):
            job.result(30)
        assert job.state == "failed"


def test_a_run_that_the_executor_refuses_for_now_is_missed(threads, timer, monkeypatch, caplog):
    class Full(RuntimeError):
        """The queue of an executor is full."""

    def full(*args):
        raise Full("for now")

    with monkeypatch.context() as patch:
        patch.setattr(threads, "submit", full, raising=False)
        once = threads.schedule(abs, -1, delay=0)
        jobs = [threads.schedule(abs, -1, **when) for when in ({"every": 9}, {"after_each": 9})]
        timer.turn()
        with pytest.raises(Full):
            jobs[0].run_now()
    assert [(job.runs, job.failures, job.state) for job in jobs] == [(0, 0, "waiting")] * 2
    assert [job.missed for job in jobs] == [2, 1]
    assert len(caplog.messages) == 2
    with pytest.raises(Full, match="for now"):
        once.result(30)
    assert (once.state, once.runs) == ("failed", 0)
    for job in jobs:
        job._submit = lambda: threads.submit(abs, -1)
    timer.go(9)
    assert [job.last.result(30) for job in jobs] == [1, 1]


def test_an_executor_whose_submit_waits_keeps_no_other_job_waiting(threads, timer):
    room, waiting = threading.Event(), threading.Event()
    submit = threads.submit
    job = threads.schedule(abs, -1, every=10, overlap="queue")
    job._apart = True  # as where the queue has a bound
    job._submit = lambda: waiting.set() or (room.wait(20) and submit(abs, -1))
    timer.turn()
    waiting.wait(30)
    with nbexec.Executor("serial") as other:
        goes_on = other.schedule(abs, -2, delay=0)
        timer.go(10)
        assert goes_on.result(30) == 2
    assert job.runs == 1
    room.set()
    until(lambda: job.last)
    until(lambda: ended(job) and timer.turn() is not None and job.runs == 2)


def test_a_trigger_that_raises_ends_its_job_alone(threads, timer):
    class Trigger:
        def get_next_fire_time(self, previous, now):
            if previous is None:
                return now
            raise KeyError("no calendar")

    job = threads.schedule(abs, -1, trigger=Trigger())
    fine = threads.schedule(abs, -1, delay=0)
    timer.turn()
    with pytest.raises(KeyError, match="no calendar"):
        job.result(30)
    assert fine.result(30) == 1


def test_what_it_says(threads, timer):
    job = threads.schedule(abs, -1, every="5 min", name="poll", delay=60)
    local = datetime.fromtimestamp(START + 60)
    assert job.next_time == local.astimezone()
    assert repr(job) == f"<Job 'poll' every 5 min: waiting, next at {local:%Y-%m-%d %H:%M:%S}>"
    bad = threads.schedule(lambda: 1 / 0, after_each=5)
    timer.turn()
    ended(bad)
    said = "1 run, 1 failure, last error ZeroDivisionError: division by zero>"
    assert repr(bad).endswith(said)
    assert "5 s after each run: waiting, next at" in repr(bad)
    job.cancel()
    assert repr(job) == "<Job 'poll' every 5 min: cancelled>"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"every": 1, "missed": "twice"}, nbexec.OptionError, "missed must be one of 'once', "),
        ({"every": 1, "overlap": True}, nbexec.OptionError, "overlap must be one of .*not True"),
        ({"every": 1, "on_error": "raise"}, nbexec.OptionError, "on_error must be one of"),
        ({"every": 1, "times": 0}, nbexec.OptionError, "times must be an integer of at least 1"),
        ({"every": 1, "delay": 10, "until": 5}, nbexec.OptionError, "before the first run"),
    ],
)
def test_what_can_not_be_used(threads, timer, given, error, message):
    with pytest.raises(error, match=message):
        threads.schedule(abs, -1, **given)
    assert threads.jobs == []


def test_what_can_not_be_called(threads):
    with pytest.raises(TypeError, match="must be callable, not 5"):
        threads.schedule(5, delay=1)


def test_a_job_keeps_its_executor_until_it_is_done(timer):
    executor = nbexec.Executor("serial")
    ref = weakref.ref(executor)
    job = executor.schedule(abs, -1, delay=5)
    del executor
    gc.collect()
    assert ref() is not None
    timer.go(5)
    assert job.result(30) == 1
    gc.collect()
    assert ref() is None


def test_a_job_that_is_dropped_is_let_go_of_at_once(threads, timer):
    job = threads.schedule(abs, -1, delay=0)
    timer.turn()
    assert job.result(30) == 1
    ref = weakref.ref(job)
    gc.disable()
    try:
        del job
        until(lambda: ref() is None)
    finally:
        gc.enable()


# ------------------------------------------------------------ the thread itself


def timers():
    return [one for one in threading.enumerate() if one.name == "nbexec-timer"]


def test_one_thread_while_there_are_jobs():
    with nbexec.Executor("threads", workers=2) as a, nbexec.Executor("threads", workers=2) as b:
        until(lambda: not timers())
        jobs = [executor.schedule(abs, -1, delay="1 h") for executor in (a, b) for _ in "xyz"]
        assert len(timers()) == 1
        again = [executor.schedule(abs, -1, every=0.001, times=20) for executor in (a, b)]
        assert [job.result(60) for job in again] == [1, 1]
        assert [job.runs for job in again] == [20, 20]
        for job in jobs:
            job.cancel()
        until(lambda: not timers())
        assert a.schedule(abs, -1, delay=0.001).result(60) == 1


def test_a_thread_that_sleeps_is_woken_by_what_comes_sooner():
    with nbexec.Executor("threads", workers=2) as executor:
        later = executor.schedule(abs, -1, delay="1 h")
        assert executor.schedule(abs, -2, delay=0.001).result(60) == 2
        later.run_now()
        assert later.result(60) == 1


def test_jobs_that_were_cancelled_take_no_room(threads, timer):
    for _ in range(1000):
        threads.schedule(abs, -1, delay="1 week").cancel()
    assert len(timer._queue) < 100
    jobs = [threads.schedule(abs, -1, delay=5 + at % 7) for at in range(500)]
    for job in jobs[::2]:
        job.cancel()
    for _ in range(11):
        timer.go(1)
    assert [job.result(30) for job in jobs[1::2]] == [1] * 250
    assert (timer._due, timer.turn()) == ({}, None)


def test_a_job_that_is_woken_while_it_is_looked_at_is_looked_at_again(timer):
    class Woken:
        looks = 0

        def look(self, now):
            self.looks += 1
            if self.looks == 1:
                timer.wake(self)
            return 100.0

    woken = Woken()
    timer.add(woken)
    assert timer.turn() == 100.0
    assert woken.looks == 2


def test_the_end_of_python_ends_it():
    with nbexec.Executor("threads", workers=2) as executor:
        job = executor.schedule(abs, -1, delay="1 h")
        assert job_clock._end in at_exit._first
        job_clock.timer.end()
        assert (job.state, timers()) == ("cancelled", [])


def test_a_job_whose_look_fails_is_dropped_alone(timer, caplog):
    class Odd:
        def look(self, now):
            raise ValueError("odd")

        def close(self):
            return False

    odd = Odd()
    timer.add(odd)
    timer.turn()
    assert timer.jobs == {}
    assert "a job can't go on" in caplog.text


def run_script(text):
    command = [sys.executable, "-W", "error", "-c", text]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_python_ends_with_jobs_in_every_state():
    script = """
import nbexec, threading
go = threading.Event()
executor = nbexec.Executor("threads", workers=2)
later = executor.schedule(print, "never", delay="1 h")
paused = executor.schedule(print, "never", every=1, delay=1)
paused.pause()
begun = threading.Event()
running = executor.schedule(lambda: begun.set() or go.wait(0.2), every=0.001)
begun.wait()
print("end")
"""
    assert run_script(script) == ["end"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_has_no_jobs_and_makes_its_own():
    script = """
import os, nbexec, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork, since Python 3.12
executor = nbexec.Executor("threads", workers=2)
job = executor.schedule(print, "never", delay="1 h")
child = os.fork()
if not child:
    assert job.done and job.state == "failed", job
    assert nbexec.jobs() == []
    try:
        job.result()
    except nbexec.BackendError as error:
        print("goes on in process" in str(error), flush=True)
    with nbexec.Executor("serial") as own:
        print(own.schedule(abs, -3, delay=0.001).result(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(job.state, len(nbexec.jobs()))
"""
    assert run_script(script) == ["True", "3", "waiting", "1"]
