"""The law of rate limits: never more in any window, and as early as that allows."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from nbexec.options.rates import Rate, parse
from nbexec.pacing.windows import Windows, too_much

# Eighths of a second: sums are exact, so that a window's two ends are told apart.
TICKS = st.integers(0, 24).map(lambda ticks: ticks / 8)
DELAYS = st.integers(0, 3).map(lambda ticks: ticks / 8)
RATES = st.lists(
    st.builds(
        Rate,
        st.integers(1, 5).map(float),
        st.integers(1, 3).map(float),
        st.sampled_from(["calls", "tokens"]),
    ),
    min_size=1,
    max_size=3,
)


def most_in_a_window(starts, rate):
    """Give the most of a unit in any window of the rate's length; the fullest begin at a start."""
    return max(
        sum(
            amounts.get(rate.unit, 0)
            for at, amounts in starts
            if first <= at < first + rate.seconds
        )
        for first, _ in starts
    )


@st.composite
def attempts(draw):
    """Waits before an attempt, its delay until it starts, and until that is known."""
    return draw(st.lists(st.tuples(TICKS, DELAYS, DELAYS, st.integers(0, 4)), max_size=40))


@given(RATES, attempts())
@settings(max_examples=300, deadline=None)
def test_never_more_than_so_many_start_in_any_window(rates, attempts):
    windows, now, pending, starts = Windows(rates), 100.0, [], []
    for wait, late, until_known, tokens in attempts:
        now += wait
        amounts = {"calls": 1.0, "tokens": float(tokens)}
        if too_much(rates, amounts) is not None:
            continue
        for _ in range(20):  # at each time at which it says that something changes
            for known, at, start in sorted(pending, key=lambda one: one[0]):
                if known <= now:
                    windows.known(start, known)
                    pending.remove((known, at, start))
            again = windows.free_at(now, amounts)
            if again == now:
                break
            now = again if math.isfinite(again) else now + 0.125
        if again == now:
            start = windows.reserve(amounts)
            starts.append((now + late, amounts))
            pending.append((now + late + until_known, now + late, start))
    for rate in rates if starts else ():
        assert most_in_a_window(starts, rate) <= rate.most


@given(RATES, attempts())
@settings(max_examples=300, deadline=None)
def test_each_starts_as_early_as_the_law_allows(rates, attempts):
    """Where starts are known at once: by trying every time at which that may change."""
    windows, now, starts = Windows(rates), 100.0, []
    for wait, _, _, tokens in attempts:
        now += wait
        amounts = {"calls": 1.0, "tokens": float(tokens)}
        if too_much(rates, amounts) is not None:
            continue
        lawful = next(
            at
            for at in sorted(
                {now} | {begun + rate.seconds for begun, _ in starts for rate in rates}
            )
            if at >= now
            and all(most_in_a_window([*starts, (at, amounts)], rate) <= rate.most for rate in rates)
        )
        while (again := windows.free_at(now, amounts)) > now:
            now = again
        assert now == lawful
        windows.known(windows.reserve(amounts), now)
        starts.append((now, amounts))


def test_what_has_not_started_yet_counts_until_it_has():
    windows = Windows(parse("rate", "1/s"))
    first = windows.reserve({"calls": 1})
    assert windows.free_at(1000.0, {"calls": 1}) == math.inf
    windows.known(first, 1000.25)
    assert windows.free_at(1000.5, {"calls": 1}) == 1001.25
    windows.known(first, 1000.0)  # known better
    assert windows.free_at(1000.5, {"calls": 1}) == 1001.0
    windows.known(first, 1005.0)
    assert windows.free_at(1001.0, {"calls": 1}) == 1001.0


def test_a_cost_is_corrected():
    windows = Windows(parse("rate", {"tokens": "100/s"}))
    first = windows.reserve({"tokens": 90})
    windows.known(first, 5.0)
    assert windows.free_at(5.5, {"tokens": 20}) == 6.0
    windows.correct(first, {"tokens": 80})
    assert windows.free_at(5.5, {"tokens": 20}) == 5.5
    windows.reserve({"tokens": 20})
    windows.correct(first, {"tokens": 200})  # it was more than allowed: others wait for it
    assert windows.free_at(5.5, {"tokens": 0}) == 6.0
    assert windows.free_at(6.0, {"tokens": 80}) == 6.0


def test_other_rates_know_what_has_started():
    windows = Windows(parse("rate", "5/s"))
    for at in (1.0, 1.5):
        windows.known(windows.reserve({"calls": 1}), at)
    windows.reserve({"calls": 1})
    windows.change(parse("rate", ["3/s", "4/min"]))
    assert windows.free_at(1.75, {"calls": 1}) == 2.0
    assert windows.free_at(2.0, {"calls": 1}) == 2.0
    windows.change(parse("rate", "3/min"))
    assert windows.free_at(2.0, {"calls": 1}) == 61.0


def test_what_is_over_is_forgotten():
    windows = Windows(parse("rate", "3/s"))
    for at in (1.0, 2.0, 3.0):
        windows.known(windows.reserve({"calls": 1}), at)
    assert not windows.empty
    windows.free_at(4.0, {})
    assert windows.empty
