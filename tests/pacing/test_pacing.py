"""Runs at their pace, on every backend.

Covers nbexec.pacing.pacing, nbexec.pacing.item_facts, nbexec.pacing.parked,
nbexec.pacing.asking, nbexec.pacing.turning_away, nbexec.pacing.limiter,
nbexec.pacing.limiters, nbexec.options.rates and nbexec.options.pacing_checks.
"""

from __future__ import annotations

import copy
import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.options import resolve
from nbexec.pacing.limiter import Limiter
from nbexec.pacing.limiters import limiter_of
from nbexec.pacing.pacing import Pacing
from nbexec.pacing.parked import Parked
from nbexec.telemetry.events import Submitted

from ..telemetry.test_events import check
from ..waiting import until


def begun(x):
    import time

    return time.time()


def fullest(starts, seconds):
    """Give the most starts in any window of that length."""
    starts = sorted(starts)
    return max(sum(first <= at < first + seconds for at in starts) for first in starts)


class Busy(Exception):
    """A server is."""


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["serial", "threads", "asyncio"]),
    busy=st.sets(st.integers(0, 29), max_size=8),
    bad=st.sets(st.integers(0, 29), max_size=3),
    dear=st.sets(st.integers(0, 29), max_size=2),
    keys=st.sampled_from([None, lambda x: x % 3, lambda x: x // 10]),
    rate=st.sampled_from([None, "100/s", {"calls": "200/s", "tokens": "100/s"}]),
    collect=st.booleans(),
    lazy=st.booleans(),
)
def test_random_runs_give_what_a_plain_loop_gives(
    log, name, busy, bad, dear, keys, rate, collect, lazy
):
    log.events.clear()
    told = set()
    costed = isinstance(rate, dict)

    def work(x):
        if x in busy and x not in told:
            told.add(x)
            raise Busy
        return 1 / (x not in bad)

    failing = sorted(bad | (dear if costed else set()))
    options = {
        "rate": rate,
        "rate_key": keys,
        "cost": (lambda x: 101 if x in dear else 1) if costed else None,
        "slow_down": lambda error: 0.001 if isinstance(error, Busy) else False,
        "on_error": "collect" if collect else "raise",
        "item_price": 1,
    }
    items, raised = iter(range(30)) if lazy else range(30), None
    try:
        results = nbexec.map(work, items, backend=name, workers=3, **options)
    except (ZeroDivisionError, nbexec.OptionError) as error:
        raised = error
        results = error.partial_results
    if raised is not None:
        assert not collect
        first = failing[0]
        assert f"item {first}" in raised.__notes__[-1]
        assert results[:first] == [1.0] * first
    else:
        assert [at for at, one in enumerate(results) if one != 1.0] == failing
        assert collect or not failing
        assert results.stats.retried == len(busy - (dear if costed else set()))
    check(log.events)


# ---------------------------------------------------------------- rates


def test_no_more_start_than_the_rate_allows(backend):
    starts = nbexec.map(begun, range(50), backend=backend, rate="20/s")
    assert fullest(starts, 0.999) <= 20  # two clocks tick between a start and its time


def test_no_more_start_where_they_travel_together(backend, log):
    starts = nbexec.map(begun, range(700), backend=backend, rate="500/s")
    assert fullest(starts, 0.999) <= 500
    assert any(len(one.chunk) > 1 for one in log.events if isinstance(one, Submitted))
    check(log.events)


@pytest.mark.alone
def test_hardly_fewer_start_than_the_rate_allows():
    starts = nbexec.map(begun, range(100), backend="threads", rate="20/s")
    assert max(starts) - min(starts) < 4 * 1.1


def test_several_rates_hold_at_once():
    starts = nbexec.map(begun, range(12), backend="threads", rate=["10/s", "12/min"], deadline=30)
    assert fullest(starts, 0.999) <= 10
    run = nbexec.start(begun, range(13), backend="threads", rate=["10/s", "12/min"])
    until(lambda: run.stats.done == 12)
    until(lambda: "waiting for the rate limit, 10/s and 12/min" in repr(run))
    run.cancel()
    assert run.wait(5)


def test_retries_are_calls():
    starts = []

    def flaky(x):
        starts.append(time.time())
        if len(starts) % 2:
            raise ConnectionError
        return x

    options = {"retries": 3, "retry_wait": 0, "backend": "threads", "workers": 1}
    assert nbexec.map(flaky, range(8), rate="10/s", **options) == list(range(8))
    assert len(starts) == 16
    assert fullest(starts, 0.999) <= 10


def test_what_the_journal_has_is_no_call(tmp_path):
    options = {"checkpoint": tmp_path / "journal.db", "rate": "5/min", "backend": "threads"}
    assert nbexec.map(abs, range(5), **options) == list(range(5))
    limit = nbexec.Limit("5/min")
    options["rate"] = limit
    assert nbexec.map(abs, range(7), **options) == list(range(7))
    assert limiter_of(limit).free_at(None, {"calls": 3}, time.monotonic()) <= time.monotonic()


def test_keys_wait_for_themselves_alone(backend):
    items = ["a"] * 12 + ["b"] * 5
    run = nbexec.start(
        begun, items, backend=backend, rate="5/min", rate_key=lambda item: item, deadline=60
    )
    until(lambda: run.stats.done == 10, 40)
    run.cancel()
    run.wait()
    assert [type(one) is float for one in run.results] == [True] * 5 + [False] * 7 + [True] * 5


def test_units_are_counted_and_corrected():
    limit = nbexec.Limit({"calls": "100/min", "tokens": "1_000/min"})
    options = {"rate": limit, "backend": "threads", "workers": 1}
    cost = lambda text: len(text)
    nbexec.map(str.upper, ["x" * 400] * 2, cost=cost, **options)
    now = time.monotonic()
    assert limiter_of(limit).free_at(None, {"calls": 1, "tokens": 200}, now) == now
    assert limiter_of(limit).free_at(None, {"calls": 1, "tokens": 201}, now) > now
    nbexec.map(len, ["x" * 100], cost=cost, actual=lambda n: {"tokens": n / 10}, **options)
    now = time.monotonic()
    assert limiter_of(limit).free_at(None, {"calls": 1, "tokens": 190}, now) == now
    assert limiter_of(limit).free_at(None, {"calls": 1, "tokens": 191}, now) > now


def test_functions_of_the_item_are_called_as_the_function_is():
    seen = []

    def key(x, y=None):
        seen.append((x, y))
        return x

    options = {"rate": "99/s", "rate_key": key, "backend": "threads"}
    nbexec.map(pow, [2, 3], [4, 5], **options)
    assert sorted(set(seen)) == [(2, 4), (3, 5)]
    seen.clear()
    with nbexec.Executor(**options) as executor:
        assert executor.submit(lambda x, y: x + y, 1, y=2).result() == 3
    assert set(seen) == {(1, 2)}


def test_an_item_that_can_never_start_fails():
    options = {"rate": {"tokens": "10/s"}, "backend": "threads"}
    with pytest.raises(nbexec.OptionError, match=r"11 tokens .* more than .* allows, 10 tokens/s"):
        nbexec.map(str, range(10, 13), cost=lambda x: x, **options)
    results = nbexec.map(str, range(9, 12), cost=lambda x: x, on_error="collect", **options)
    assert results.ok() == ["9", "10"]


def test_runs_share_a_limit_by_name_or_object(backend):
    for limit in (nbexec.Limit("5/min"), nbexec.Limit("5/min", name=f"test {backend}")):
        again = nbexec.Limit("5/min", name=limit.name) if limit.name else limit
        nbexec.map(begun, range(3), backend=backend, rate=limit)
        run = nbexec.start(begun, range(3), backend="threads", rate=again)
        until(lambda run=run: run.stats.done == 2 and run.stats.waiting)
        run.cancel()
        run.wait()
        assert run.stats.done == 2


def test_every_way_to_call_keeps_to_it():
    import asyncio

    options = {"rate": "10/s", "backend": "threads"}
    assert (
        fullest(itertools.islice(nbexec.imap(begun, itertools.count(), **options), 15), 0.99) < 11
    )
    assert fullest(asyncio.run(nbexec.amap(begun, range(15), **options)), 0.99) <= 10
    with nbexec.Executor(workers=2, **options) as executor:
        assert fullest(executor.map(begun, range(15), chunksize=5), 0.99) <= 10
    names = {"begun": begun}
    nbexec.parallel(
        "a = [begun(x) for x in range(8)]\nb = [begun(x) for x in range(8)]", names, **options
    )
    assert fullest(names["a"] + names["b"], 0.99) <= 10


@pytest.mark.parametrize(
    ("options", "fastest"),
    [
        ({"rate": ["10/s", "120/min"]}, 2.0),
        ({"rate": {"calls": "60/min", "tokens": "5/s"}, "cost": len}, 1.0),
        ({"rate": "10/s", "rate_key": len}, None),
        ({}, None),
    ],
)
def test_how_fast_a_limit_lets_a_run_be_is_known_from_its_start(options, fastest):
    assert Pacing(resolve(options), Parked()).fastest == fastest


def test_while_it_waits_a_run_is_steered_and_works_nothing():
    run = nbexec.start(begun, range(9), backend="threads", rate="2/min")
    until(lambda: "waiting for the rate limit" in run.stats.waiting and not run.stats.running)
    run.pause()
    until(lambda: run.stats.phase == "paused")
    run.resume()
    until(lambda: run.stats.phase == "running")
    used = time.process_time()
    assert not run.wait(0.5)
    assert time.process_time() - used < 0.3
    run.cancel()
    assert run.wait(5)
    with pytest.raises(nbexec.DeadlineExceeded):
        nbexec.map(begun, range(9), backend="threads", rate="2/min", deadline=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": "50"}, "rate='50' is no rate: write '50/s'"),
        ({"rate": 50}, "rate must be '50/s'"),
        ({"rate": "0.5/s"}, "less than one call"),
        ({"rate": []}, "has no rate"),
        ({"rate": {3: "5/s"}}, "a unit of rate must be a word"),
        ({"rate": "5/s", "chunk": 3}, "rate= needs chunk=1, not 3"),
        ({"rate": {"tokens": "5/s"}}, "cost= doesn't say"),
        ({"rate": "5/s", "cost": len}, "rate= limits calls alone"),
        ({"cost": len}, "cost= is for rate="),
        ({"rate_key": "nowhere.at_all"}, "rate_key must be a function of the item"),
        ({"slow_down": 3}, "slow_down must be True, False"),
        ({"budget": 3.0}, "needs price="),
        ({"budget": 0, "price": 1}, "budget must be a number above 0"),
        ({"price": -1}, "price must be 0 or more"),
    ],
)
def test_what_can_t_be_used_is_said_before_anything_runs(options, message):
    with pytest.raises(nbexec.OptionError) as caught:
        nbexec.map(lambda x: pytest.fail("it ran"), [1], **options)
    assert message in str(caught.value)


def test_a_limit_says_what_it_is():
    assert str(nbexec.Limit(["10/s", "200/min"], name="api")) == "10/s and 200/min for api"
    assert repr(nbexec.Limit("1_000/h")) == "Limit(['1,000/h'])"
    for wrong in ({"name": ""}, {"name": 3}, {"shared": 3}):
        with pytest.raises(nbexec.OptionError):
            nbexec.Limit("5/s", **wrong)


def test_another_process_would_count_for_itself(remote, tmp_path):
    limit = nbexec.Limit("50/s", name="of the kernel")
    assert copy.deepcopy(limit) is copy.copy(limit) is limit
    with pytest.raises(nbexec.PickleError, match="give it shared="):
        nbexec.map(lambda x: str(limit), [1], backend=remote)
    shared = nbexec.Limit("2/h", shared=tmp_path / "limits.db")

    def work(x):
        return nbexec.map(abs, [x], rate=shared, deadline=10, progress="off")[0]

    assert nbexec.map(work, [-1, -2], backend=remote) == [1, 2]
    now = time.monotonic()
    assert limiter_of(shared).free_at(None, {"calls": 1}, now) > now


# ---------------------------------------------------------------- parts


def test_a_limiter_forgets_keys():
    limiter = Limiter(nbexec.Limit("5/s").rates)
    for key in range(3000):
        ticket = limiter.reserve(key, {"calls": 1}, float(key))
        limiter.started(ticket, float(key))
    assert len(limiter._keys) < 1100


def test_a_limiter_takes_the_newest_rates():
    limit = nbexec.Limit("1/h", name="changes")
    limiter = limiter_of(limit)
    limiter.started(limiter.reserve(None, {"calls": 1}, 0.0), 0.0)
    assert isinstance(limiter.reserve(None, {"calls": 1}, 1.0), float)
    assert limiter_of(nbexec.Limit("2/h", name="changes")) is limiter
    assert not isinstance(limiter.reserve(None, {"calls": 1}, 1.0), float)


def test_parked_keys_come_when_they_are_due_each_in_order():
    from nbexec.model import Chunk
    from nbexec.pacing.parked import Waiting

    parked = Parked()
    for index, (key, when) in enumerate([("a", 5.0), ("b", 3.0), ("a", 1.0)]):
        parked.add(key, Waiting(Chunk([index], [key]), {}, None), when)
    assert parked.due() == 3.0
    assert parked.ready(4.0) == ("b",)
    parked.put_off("b", 9.0)
    assert parked.ready(5.0) == ("a",)
    assert parked.first("a").chunk.indices == [0]
    parked.pop("a", 5.0)
    assert parked.first("a").chunk.indices == [2]
    assert parked.ready(5.0) == ("a",)
    parked.pop("a", 5.0)
    assert (parked.due(), len(parked), parked.earliest()) == (9.0, 1, 1)
