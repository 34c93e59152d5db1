"""Second tries of slow items, with a clock and a session that the test moves, and end to end."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.backends.base import Session
from nbexec.items.chunk_size import ChunkSizer
from nbexec.items.feed import Source
from nbexec.items.sinks import Gather
from nbexec.model import Choice, Outcome
from nbexec.options.record import Options
from nbexec.placement.slots import SlotTable
from nbexec.run.backlog import Backlog
from nbexec.run.context import RunContext
from nbexec.run.hedging import EVERY
from nbexec.run.intake import Intake
from nbexec.telemetry.events import Dropped, Hedged, RunEnded, RunStarted, Submitted
from nbexec.telemetry.observer import Observer
from nbexec.telemetry.publisher import Publisher
from nbexec.worker.item_errors import failed

from ..telemetry.test_events import check, refold
from ..waiting import until


class Log(Observer):
    def __init__(self):
        self.events = []

    def observe(self, event, state):
        self.events.append(event)


class Workers(Session):
    """Notes what it is told; its workers do what the test says."""

    def __init__(self, patience):
        self.patience = patience
        self.unwanted_slots, self.aborted = [], []

    def submit(self, slot, chunk):
        return None

    def unwanted(self, slot):
        self.unwanted_slots.append(slot)

    def abort(self, slot):
        self.aborted.append(slot)
        return True

    def worker(self, slot, chunk):
        return f"worker {slot}"

    def close(self):
        pass


class Bench:
    """A run's parts around a `Hedging`, without a loop."""

    def __init__(self, items=1, workers=2, patience=0.0, **options):
        self.now = 100.0
        self.log, self.session = Log(), Workers(patience)
        options = Options(**{"hedge_after": 1.0, "on_error": "collect", **options})
        feed = Source([range(items)], items)
        self.slots = SlotTable()
        self.slots.switch_to(self.session, workers)
        self.sink = Gather(items)
        backlog = Backlog(feed, ChunkSizer(1, prefetch=False))
        publisher = Publisher([self.log])
        parts = options, self.sink, backlog, self.slots, publisher
        self.run = RunContext(*parts, clock=lambda: self.now)
        self.intake = Intake(self.run, lambda handle, *args: handle(*args))
        self.intake.chooser = self  # as far as outcomes are concerned
        self.hedging = self.intake.hedging
        self.run.pacing.unwanted = backlog.unwanted
        self.run.emit(RunStarted(self.now, "bench", items, Choice("bench", workers)))

    looking = False

    def unsent(self, outcome):
        return False

    def learn(self, slot, chunk, outcome):
        pass

    def astray(self, slot, outcome):
        return []

    def take(self):
        return self.run.backlog.next(2, None)

    def go(self, seconds=0.0):
        """Let time pass, and send what may be sent; give the chunks."""
        self.now += seconds
        sent = []
        self.run.backlog.release_due(self.now)
        while self.slots.has_room(1):
            chunk = self.hedging.next(self.now)
            chunk = chunk or self.run.pacing.next(self.take, self.now)
            if chunk is None:
                break
            self.slots.assign(chunk, self.now)
            self.run.emit((Hedged if chunk.hedge else Submitted)(self.now, chunk))
            self.intake.on_report(chunk, 0, "begun", "", False)
            sent.append(chunk)
        self.hedging.check()
        return sent

    def reply(self, chunk, value=None, error=None, seconds=1.0):
        """Have a try end; without either its worker gives it back."""
        errors = {} if error is None else {0: failed(error)}
        count = 0 if value is None and error is None else 1
        ends = array("d", [seconds] * count)
        outcome = Outcome([value] * count, errors, self.now, ends, 0.0, "worker")
        self.intake._on_reply(chunk, lambda: outcome)

    def end(self):
        self.hedging.end()
        self.run.emit(RunEnded(self.now, "done"))
        return check(self.log.events)

    @property
    def stats(self):
        return self.run.publisher.stats(self.now)


def both_tries(**options):
    """Have an item run twice."""
    bench = Bench(**options)
    (first,) = bench.go()
    assert bench.go(0.99) == []
    (second,) = bench.go(0.02)
    assert second.hedge
    assert not first.hedge
    assert (second.indices, second.items) == (first.indices, first.items)
    return bench, first, second


def test_an_item_that_is_late_runs_twice_and_never_three_times():
    bench, *_ = both_tries(workers=5)
    assert bench.go(10) == []
    assert bench.stats.hedged == 1


@pytest.mark.parametrize("wins", [0, 1])
def test_the_first_value_counts_and_the_other_try_is_stopped(wins):
    bench, *tries = both_tries()
    bench.reply(tries[wins], "good")
    assert bench.sink.values == ["good"]
    assert bench.session.unwanted_slots == bench.session.aborted == [1 - wins]
    bench.reply(tries[1 - wins], "late")
    assert bench.sink.values == ["good"]
    assert bench.end() == {0: 1}
    assert refold(bench.log.events).hedged == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_that_fails_waits_for_the_other(order):
    bench, *tries = both_tries()
    one, other = (tries[at] for at in order)
    bench.reply(one, error=ValueError("bad"))
    assert bench.stats.finished == 0
    assert bench.go(5) == []  # no third
    bench.reply(other, "good")
    assert bench.sink.values == ["good"]
    assert bench.stats.failed == 0
    bench.end()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_where_both_fail_it_is_the_first_ones_exception(order):
    bench, *tries = both_tries()
    for at in order:
        bench.reply(tries[at], error=ValueError(f"try {at}"))
    assert str(bench.sink.values[0].exception) == "try 0"
    assert bench.stats.failed == 1
    bench.end()


def test_both_together_are_one_attempt_for_retries():
    bench, first, second = both_tries(retries=1, retry_wait=0)
    bench.reply(second, error=ValueError())
    bench.reply(first, error=ValueError())
    (again,) = bench.go()
    assert (again.attempt, again.hedge) == (2, False)
    (late,) = bench.go(1.1)
    assert late.hedge
    bench.reply(late, "good")
    assert bench.sink.values == ["good"]
    assert (bench.stats.retried, bench.stats.hedged) == (1, 2)
    bench.end()


def test_a_late_item_goes_before_new_ones():
    bench = Bench(items=4)
    first, brief = bench.go()
    bench.now += 2
    bench.reply(brief, 1)
    (late,) = bench.go()
    assert late.hedge
    assert late.indices == first.indices


def test_nothing_is_late_that_has_not_begun():
    bench = Bench()
    bench.session.ready = lambda slot: False
    bench.go()
    assert bench.go(5) == []
    bench.session.ready = lambda slot: True
    assert len(bench.go(EVERY)) == 1


def test_a_worker_has_some_time_to_end_what_is_not_wanted():
    bench = Bench(items=3, patience=1.0)
    first, brief = bench.go()
    bench.now += 1.5
    bench.reply(brief, 0)
    (second,) = bench.go()
    bench.reply(second, "good")
    (other,) = bench.go()
    assert bench.session.unwanted_slots == [0]
    assert not bench.session.aborted
    assert bench.hedging.patience() == bench.now + 1.0
    bench.go(0.5)
    bench.reply(first, "late")  # it has ended by itself
    bench.go(5)
    assert not bench.session.aborted
    assert [type(one) for one in bench.log.events].count(Dropped) == 1
    bench.reply(other, 1)
    bench.end()


def test_a_worker_that_does_not_end_is_stopped():
    bench, _first, second = both_tries(patience=1.0)
    bench.reply(second, "good")
    bench.go(1.01)
    assert bench.session.aborted == [0]
    (dropped,) = [one for one in bench.log.events if isinstance(one, Dropped)]
    assert dropped.worker == "worker 0"
    assert dropped.seconds == pytest.approx(2.02)
    bench.end()


@pytest.mark.parametrize("back", [0, 1])
def test_a_try_that_never_began_leaves_the_item_to_the_other(back):
    bench, *tries = both_tries()
    bench.reply(tries[back])
    assert bench.go(5) == []
    bench.reply(tries[1 - back], "good")
    assert bench.sink.values == ["good"]
    bench.end()


def test_where_neither_began_the_item_is_sent_again():
    bench, first, second = both_tries()
    bench.reply(first)
    bench.reply(second)
    (again,) = bench.go()
    assert not again.hedge
    bench.reply(again, "good")
    bench.end()


def test_a_timeout_counts_from_the_first_try():
    bench, _first, _second = both_tries(timeout=3.0)
    bench.go(1.5)
    bench.intake.stopping.check()
    assert bench.stats.failed == 0
    bench.go(0.6)
    bench.intake.stopping.check()
    assert isinstance(bench.sink.values[0].exception, nbexec.ItemTimeout)
    assert sorted(bench.session.aborted) == [0, 1]
    bench.end()


def test_a_timeout_counts_from_the_first_try_also_where_that_has_failed():
    bench, first, _second = both_tries(timeout=3.0)
    bench.reply(first, error=ValueError("first"))
    bench.go(2.1)
    bench.intake.stopping.check()
    assert str(bench.sink.values[0].exception) == "first"
    bench.end()


def test_a_run_that_is_cancelled_stops_both():
    bench, *_ = both_tries()
    bench.intake.stopping.cancel()
    bench.go(1.0)
    bench.intake.stopping.check()
    assert sorted(bench.session.aborted) == [0, 1]
    assert bench.stats.cancelled == 1
    bench.end()


def test_a_second_try_takes_a_place_in_the_limit():
    bench = Bench(rate="1/s", hedge_after=0.25)
    (_first,) = bench.go()
    assert bench.go(0.5) == []
    assert bench.hedging.due() > bench.now  # when the limit lets it start
    (second,) = bench.go(1.0)
    assert second.hedge
    bench.reply(second, "good")
    bench.end()


def test_a_second_try_is_paid():
    bench, _first, second = both_tries(item_price=1.0)
    bench.reply(second, "good")
    assert bench.run.pacing.budget.spent == 2.0


def test_a_budget_that_has_no_room_for_it_has_none_hedged():
    bench = Bench(item_price=1.0, budget=1.5)
    (first,) = bench.go()
    assert bench.go(5) == []
    assert not bench.run.pacing.broke
    bench.reply(first, "good")
    assert bench.sink.values == ["good"]


def test_after_no_reply_pauses_are_kept():
    def busy(error):
        return 10.0 if isinstance(error, ConnectionError) else False

    bench, first, second = both_tries(slow_down=busy)
    bench.reply(second, error=ConnectionError())
    assert bench.run.pacing.words(bench.now).startswith("slowing down")
    bench.reply(first, error=ConnectionError())
    assert (bench.stats.failed, bench.stats.retried) == (0, 1)
    assert bench.go(5) == []
    (again,) = bench.go(6)
    bench.reply(again, "good")
    bench.end()


def test_what_the_dropped_try_wrote_is_dropped():
    for wins, said in ((0, "first"), (1, "second")):
        bench, *tries = both_tries()
        for chunk, text in zip(tries, ("first", "second"), strict=True):
            bench.intake.on_report(chunk, 0, "stdout", text, False)
        bench.reply(tries[wins], "good")
        bench.intake.on_report(tries[1 - wins], 0, "stdout", "late", False)
        assert dict(bench.run.output) == {0: said}


def test_what_an_earlier_attempt_wrote_stays():
    bench = Bench(retries=1, retry_wait=0)
    (first,) = bench.go()
    bench.intake.on_report(first, 0, "stdout", "bad, ", False)
    bench.reply(first, error=ValueError())
    (again,) = bench.go()
    bench.intake.on_report(again, 0, "stdout", "slow, ", False)
    (second,) = bench.go(1.1)
    bench.intake.on_report(second, 0, "stdout", "good", False)
    bench.reply(second, 1)
    assert bench.run.output[0] == "bad, good"


def test_a_share_of_the_items():
    bench = Bench(items=12, workers=1, hedge_after="p90")
    for _ in range(11):
        (chunk,) = bench.go()
        bench.now += 0.1
        bench.reply(chunk, 1, seconds=0.1)
    (last,) = bench.go()
    bench.slots.resize(2)
    bench.go(EVERY)  # it is looked at once more since items have ended
    assert bench.hedging.due() == pytest.approx(bench.now + 0.1 - EVERY)
    (second,) = bench.go(0.1)
    assert second.hedge
    assert second.indices == last.indices


actions = st.lists(
    st.tuples(st.sampled_from(["go", "value", "error", "back", "late"]), st.integers(0, 9)),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(
    actions=actions,
    patience=st.sampled_from([0.0, 0.7]),
    retries=st.integers(0, 1),
    wait=st.sampled_from([0.5, "p50"]),
)
def test_each_item_ends_once_with_a_value_of_its_own(actions, patience, retries, wait):
    options = {"hedge_after": wait, "retries": retries, "retry_wait": 0}
    bench = Bench(items=6, workers=3, patience=patience, **options)
    away, dropped = [], []
    for what, number in [*actions, *[("go", 9), ("value", 0)] * 60]:
        running = [*bench.slots.in_flight]
        tries = [chunk.indices[0] for chunk in running]
        assert all(tries.count(index) <= 2 for index in tries)
        dropped = [one for one in away if one not in running]
        if what == "go":
            away += bench.go(number / 10)
        elif what == "late" and dropped:
            bench.reply(dropped[number % len(dropped)], "never")
        elif running:
            chunk = running[number % len(running)]
            value = chunk.items[0] if what == "value" else None
            error = ValueError(chunk.items[0]) if what == "error" else None
            bench.reply(chunk, value, error)
    for index, value in enumerate(bench.sink.values):
        left = value.exception.args[0] if isinstance(value, nbexec.Failure) else value
        assert left == (index,) or left == index
    assert bench.end() == dict.fromkeys(range(6), 1)
    assert not bench.hedging._pairs
    assert refold(bench.log.events).hedged == sum(isinstance(e, Hedged) for e in bench.log.events)


# ---------------------------------------------------------------- end to end

HEDGED = ["threads", "processes", "asyncio", "dask", "auto"]


def square_unless_first(folder):
    """Give a function whose first try of item 3 hangs until it isn't wanted."""

    def work(x):
        try:
            (folder / str(x)).touch(exist_ok=False)
        except FileExistsError:
            return x * x
        if x == 3:
            until(nbexec.cancelled, 60)
            (folder / "cancelled").touch()
        return x * x

    return work


@pytest.mark.parametrize("name", HEDGED)
def test_a_slow_first_try_costs_nothing_but_itself(name, tmp_path, log):
    work = square_unless_first(tmp_path)
    results = nbexec.map(work, range(8), backend=name, hedge_after=0.3)
    assert results == [x * x for x in range(8)]
    assert results.stats.hedged >= 1
    assert "hedged" in repr(results.run)
    check(log.events)
    if name not in ("processes", "dask"):  # there what still runs at the end is killed
        until(lambda: (tmp_path / "cancelled").exists())


def test_a_process_is_told_that_its_try_does_not_count(tmp_path):
    square = square_unless_first(tmp_path)

    def work(x):
        if x == 0:
            until((tmp_path / "cancelled").exists, 60)
        return square(x)

    options = {"backend": "processes", "workers": 4, "hedge_after": 0.2}  # two for each item
    assert nbexec.map(work, [0, 3], **options) == [0, 9]


def test_where_more_run_than_dask_has_workers_it_does_not_wait_behind_itself(tmp_path):
    square = square_unless_first(tmp_path)

    def work(x):
        if x == 1:  # the slot of item 0, of the same worker, is idle for longer
            until((tmp_path / "3").exists, 60)
        return square(x)

    options = {"backend": "dask", "workers": 3, "chunk": 1, "hedge_after": 0.3, "timeout": 30}
    assert nbexec.map(work, [0, 1, 3], **options) == [0, 1, 9]


def test_on_an_executor_of_yours(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        results = nbexec.map(square_unless_first(tmp_path), range(8), backend=pool, hedge_after=0.3)
    assert results == [x * x for x in range(8)]


def test_a_coroutine_is_cancelled_and_its_finally_runs():
    tries, ended = [], []

    async def work(x):
        tries.append(x)
        try:
            await asyncio.sleep(60 if x == 2 and tries.count(2) == 1 else 0)
        except asyncio.CancelledError:
            ended.append(x)
            raise
        return -x

    assert nbexec.map(work, range(5), hedge_after=0.1) == [-x for x in range(5)]
    until(lambda: 2 in ended)
    assert tries.count(2) == 2


def test_every_way_to_call(tmp_path):
    def work_in(name):
        folder = tmp_path / name
        folder.mkdir()
        return square_unless_first(folder)

    expected = [x * x for x in range(6)]
    options = {"backend": "threads", "hedge_after": 0.2}
    assert list(nbexec.imap(work_in("imap"), range(6), **options)) == expected
    assert nbexec.start(work_in("start"), range(6), **options).result() == expected
    with nbexec.Executor(**options) as executor:
        assert list(executor.map(work_in("executor"), range(6), chunksize=3)) == expected

    async def amap():
        return await nbexec.amap(work_in("amap"), range(6), **options)

    assert asyncio.run(amap()) == expected


def test_one_result_in_the_journal(tmp_path):
    path, work = tmp_path / "run.db", square_unless_first(tmp_path)
    options = {"backend": "threads", "hedge_after": 0.2, "checkpoint": path}
    assert nbexec.map(work, range(6), **options).stats.hedged >= 1
    again = nbexec.map(work, range(6), **options)
    assert again == [x * x for x in range(6)]
    assert again.stats.restored == 6


def test_the_same_random_numbers(tmp_path):
    work = square_unless_first(tmp_path)

    def draw(x):
        return work(x), random.random()

    hedged = nbexec.map(draw, range(6), backend="processes", hedge_after=0.3, seed=7)
    assert hedged.stats.hedged >= 1
    assert hedged == nbexec.map(draw, range(6), backend="serial", seed=7)


def test_what_the_dropped_try_logs_reaches_nobody(tmp_path):
    heard, both = [], threading.Barrier(2, timeout=30)
    logger = logging.getLogger("tests.hedging")
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    logger.addHandler(handler)
    tries, over = [], threading.Event()

    def work(x):
        tries.append(x)
        if x == 6:
            return over.wait(30)
        if tries.count(x) == 2:
            both.wait()
            logger.warning("second")
            return x
        logger.warning("first")
        both.wait()
        until(nbexec.cancelled)
        logger.warning("late")
        over.set()
        return x

    try:
        options = {"backend": "threads", "workers": 4, "hedge_after": 0.05}  # two for each item
        assert nbexec.map(work, [5, 6], **options) == [5, True]
        assert heard == ["second"]
    finally:
        logger.removeHandler(handler)


def test_nothing_is_hedged_while_the_run_is_paused(monkeypatch):
    tries, go, late = [], threading.Event(), threading.Event()
    after = lambda self, running: 0.0 if late.is_set() else float("inf")
    monkeypatch.setattr("nbexec.pacing.lateness.Lateness.after", after)

    def work(x):
        tries.append(x)
        return go.wait(30)

    run = nbexec.start(work, [1], backend="threads", hedge_after=9)
    until(lambda: tries)
    run.pause()
    until(lambda: run.stats.phase == "paused")
    late.set()
    time.sleep(2 * EVERY)
    run.wake()
    time.sleep(0.1)  # for what doesn't happen
    assert tries == [1]
    run.resume()
    until(lambda: len(tries) == 2)
    go.set()
    assert run.result() == [True]


# ---------------------------------------------------------------- what can't be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "serial"}, "hedge_after= does not work with backend='serial'"),
        ({"crash_retries": 0}, "crash_retries=0 promises"),
        ({"timeout": 0.5}, "must be less than timeout=0.5"),
        ({"chunk": 4}, "hedge_after= needs chunk=1, not 4"),
        ({"hedge_after": "p100"}, "hedge_after must be seconds above 0, or 'p95'"),
        ({"hedge_after": "p0"}, "not 'p0'"),
        ({"hedge_after": 0}, "not 0"),
        ({"hedge_after": True}, "not True"),
    ],
)
def test_what_can_not_be_is_said_at_once(options, message):
    with pytest.raises(nbexec.OptionError, match=message):
        nbexec.map(abs, [1], **{"hedge_after": 1, **options})


def test_cells_run_each_iteration_once():
    with pytest.raises(nbexec.OptionError, match="hedge_after= is not for cells"):
        nbexec.parallel("y = [abs(x) for x in [1]]", {}, hedge_after=1)
    names = {}
    with nbexec.options(hedge_after=1):
        nbexec.parallel("y = [abs(x) for x in [1]]", names)
    assert names["y"] == [1]
