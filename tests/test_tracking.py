"""nbexec.track: a plain loop in the same panel and text, whose body stays where it is."""

from __future__ import annotations

import io
import itertools
import re
import threading
import time

import pytest
from tqdm import tqdm

import nbexec
from nbexec.telemetry.events import Finished, RunEnded, Steered

from .telemetry.test_events import check, refold
from .terminal import play
from .waiting import until


def test_it_gives_the_items_and_nothing_else(log):
    assert list(nbexec.track([3, 1, 2])) == [3, 1, 2]
    assert len(check(log.events)) == 3
    stats = nbexec.last_run().stats
    assert refold(log.events) == stats
    assert (stats.phase, stats.done, stats.total, stats.name) == ("done", 3, 3, "loop")
    assert nbexec.last_run().done


def test_nothing_is_taken_before_it_is_due():
    taken = []
    items = (taken.append(n) or n for n in itertools.count())
    for n in nbexec.track(items):
        assert taken == list(range(n + 1))
        if n == 5:
            break
    assert next(items) == 6


def test_nothing_is_told_before_the_first_item_is_asked_for(log):
    tracked = nbexec.track([1, 2])
    assert log.events == []
    next(tracked)
    assert nbexec.last_run().stats.running == 1
    tracked.close()


def test_a_million_items_are_some_events(log):
    began = time.monotonic()
    assert sum(1 for _ in nbexec.track(range(1_000_000))) == 1_000_000
    finished = [event for event in log.events if isinstance(event, Finished)]
    assert len(finished) <= 20 * (time.monotonic() - began) + 2
    assert sum(len(event.chunk) for event in finished) == 1_000_000
    assert nbexec.last_run().stats.done == 1_000_000


def test_items_that_take_a_while_are_told_one_by_one(log):
    for _ in nbexec.track(range(3)):
        time.sleep(0.06)
    finished = [event for event in log.events if isinstance(event, Finished)]
    assert [list(event.chunk.indices) for event in finished] == [[0], [1], [2]]
    assert all(event.outcome.ends[-1] >= 0.05 for event in finished)


def test_the_total_is_asked_for_and_put_right_at_the_end(log):
    list(nbexec.track(iter([1, 2])))
    assert log.events[0].total is None
    assert nbexec.last_run().stats.total == 2
    list(nbexec.track(iter([1, 2]), total=9))
    assert nbexec.last_run().stats.total == 2


def test_a_loop_that_is_left_early_says_so(log):
    for n in nbexec.track(range(100), name="search"):
        if n == 30:
            break
    check(log.events)
    stats = nbexec.last_run().stats
    assert (stats.phase, stats.done, stats.cancelled, stats.total) == ("done", 30, 1, 100)
    assert stats.notes == ("left early",)


def test_an_exception_in_the_body_passes_and_ends_it(log):
    def loop():
        for n in nbexec.track([1, 0]):
            assert n

    with pytest.raises(AssertionError):
        loop()
    assert isinstance(log.events[-1], RunEnded)
    assert nbexec.last_run().stats.notes == ("left early",)


def test_an_exception_of_the_iterable_passes_as_it_is(log):
    def items():
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match=r"^no more$"):
        list(nbexec.track(items()))
    check(log.events)
    assert nbexec.last_run().stats.phase == "failed"


def test_a_generator_that_is_closed_ends_it(log):
    tracked = nbexec.track(range(10))
    next(tracked)
    tracked.close()
    check(log.events)


def steered(steer):
    """Go through a long loop, and steer it from another thread at its 5th item.

    That item waits until `steer` sets the event that it is given.
    """
    done = []

    def body(item):
        done.append(item)
        if item == 5:
            asked = threading.Event()
            threading.Thread(target=steer, args=(nbexec.last_run(), asked)).start()
            assert asked.wait(20)
        time.sleep(0.02)

    return done, body


def test_cancel_ends_the_loop_at_its_next_step(log):
    def cancel(run, asked):
        run.cancel()
        asked.set()

    done, body = steered(cancel)

    def loop():
        for item in nbexec.track(range(1000)):
            body(item)

    with pytest.raises(nbexec.RunCancelled, match=r"loop was cancelled; \d+ items are done"):
        loop()
    assert 6 <= len(done) < 20
    check(log.events)
    stats = nbexec.last_run().stats
    assert (stats.phase, stats.done) == ("cancelled", len(done))
    assert any(isinstance(event, Steered) and event.cancelling for event in log.events)


def test_pause_holds_the_loop_between_two_items(log):
    seen = {}

    def hold(run, asked):
        run.pause()
        asked.set()
        until(lambda: run.stats.phase == "paused")
        time.sleep(0.15)
        seen["held"] = run.stats.done
        time.sleep(0.2)
        seen["still"] = run.stats.done
        run.resume()

    done, body = steered(hold)
    for item in nbexec.track(range(30)):
        body(item)
    assert done == list(range(30))
    assert seen["held"] == seen["still"] < 30
    assert nbexec.last_run().stats.phase == "done"


def test_a_loop_in_a_loop_is_told_in_the_outer_ones_panel(log):
    progress = []
    for n in nbexec.track(range(2), name="epochs"):
        outer = nbexec.last_run()
        for _ in nbexec.track(range(4), name="batches"):
            time.sleep(0.06)
            progress += [one.text for one in outer.stats.items if one.item == n]
    assert progress == ["batches: 1 / 4", "batches: 2 / 4", "batches: 3 / 4"] * 2


def test_cancelling_the_outer_loop_ends_the_inner_one():
    def loop():
        for _ in nbexec.track(range(2), name="epochs"):
            for n in nbexec.track(range(100), name="batches"):
                time.sleep(0.02)
                if n == 3:
                    nbexec.last_run().cancel()  # the outer one's
                assert n < 20

    with pytest.raises(nbexec.RunCancelled, match="epochs was cancelled"):
        loop()
    assert nbexec.last_run().name == "epochs"
    assert nbexec.last_run().stats.phase == "cancelled"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((7,), "track.. goes through an iterable, not int"),
        (([1], -1), "total must be an integer, 0 or more, or None, not -1"),
        (([1], "3"), "total must be"),
        (([1], None, None, "loud"), "progress='loud' is not one of"),
    ],
)
def test_wrong_arguments_are_refused_at_once(args, message):
    with pytest.raises(nbexec.OptionError, match=message):
        nbexec.track(*args)


# ---------------------------------------------------------------- what is seen


def test_in_a_terminal_it_has_the_line_of_any_run():
    bars, line = [], r"count: \d+ / 20, \d.* / s, about \d+ s left"

    def five(state):  # the loop waits until as many were seen, however busy the machine is
        bars.extend(line for line in state[-1:] if line.startswith("["))
        return len(bars) >= 5 and re.search(line, bars[-1])

    seen, _ = play(
        "import signal, time, nbexec\n"
        "seen = []\n"
        "signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))\n"
        "for n in nbexec.track(range(20), name='count'):\n"
        "    print('at', n)\n"
        "    time.sleep(0.1)\n"
        "    for _ in range(600 if n == 15 else 0):\n"
        "        if seen: break\n"
        "        time.sleep(0.05)\n",
        rich=False,
        tell_of=five,
    )
    assert seen[-1][:20] == [f"at {n}" for n in range(20)]
    assert re.match(r"nbexec count: 20 / 20, \d", seen[-1][20])
    assert len(bars) >= 5
    assert re.search(line, bars[-1])


def test_bars_of_the_callers_own_are_taken_too():
    bar = tqdm(total=50, file=io.StringIO())
    list(nbexec.track(range(30), progress=bar))
    assert bar.n == 30
