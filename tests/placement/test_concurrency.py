"""How many run at once where items wait: against simulated servers, on a clock of their own.

Covers `nbexec.placement.load`, `nbexec.placement.slow_start` and `nbexec.placement.trials`.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbexec.placement.concurrency import POLL, SELDOM, Concurrency
from nbexec.placement.load import Load, Measured, mean

from .servers import Simulation

FIRST = 6  # workers on two cores
PICKED = (2, 4, 6, 8, 12, 16, 32, 64, 128, 256)  # by hand


def heavy_tailed(seed=1):
    draw = random.Random(seed)
    took = [0.05 * draw.lognormvariate(-0.5, 1) for _ in range(2000)]
    return took.__getitem__


def fixed(seconds):
    return lambda _: seconds


def serves(count):
    return lambda _: count


KINDS = {
    "5 ms": (Simulation(fixed(0.005), 400), 2.0),
    "50 ms": (Simulation(fixed(0.05), 400), 1.5),
    "0.2 s": (Simulation(fixed(0.2), 40), 1.15),
    "2 s": (Simulation(fixed(2.0), 100), 1.1),
    "few": (Simulation(fixed(0.05), 10), 1.15),
    "heavy tail": (Simulation(heavy_tailed(), 2000), 1.15),
    "8 at once": (Simulation(fixed(0.02), 1000, capacity=serves(8)), 1.1),
    "4 at once": (Simulation(fixed(0.05), 600, capacity=serves(4)), 1.1),
    "32 at once": (Simulation(fixed(0.1), 3000, capacity=serves(32)), 1.1),
    "slower with load": (Simulation(fixed(0.01), 1000, load=lambda n: 1 + n / 20), 1.4),
    "breaks down with load": (Simulation(fixed(0.01), 1000, load=lambda n: 1 + (n / 30) ** 2), 1.8),
    "1 % CPU": (Simulation(fixed(0.0099), 2000, cpu=0.0001), 1.2),
    "10 % CPU": (Simulation(fixed(0.009), 1000, cpu=0.001), 1.15),
    "50 % CPU": (Simulation(fixed(0.005), 500, cpu=0.005), 1.15),
    "takes longer later": (Simulation(lambda i: 0.005 if i < 500 else 0.1, 1000), 1.3),
    "fewer at once later": (
        Simulation(fixed(0.05), 1500, capacity=lambda now: 32 if now < 1 else 4),
        1.1,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_about_as_long_as_with_the_best_number(kind):
    simulation, most = KINDS[kind]
    picked = min(replace(simulation, seen=[]).run(level, adaptive=False) for level in PICKED)
    assert replace(simulation, seen=[]).run(FIRST) <= most * picked


def varied(seconds, spread, seed=1):
    draw = random.Random(seed)
    took = [seconds * draw.lognormvariate(-(spread**2) / 2, spread) for _ in range(6000)]
    return lambda i: took[i % len(took)]


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 5, 6, 8, 12, 20, 32, 64])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seconds", [0.02, 0.1])
def test_a_server_gets_at_most_twice_what_it_serves_after_a_while(capacity, spread, seconds):
    # as long as it takes to serve what came before any item had ended, and to see how many do
    first = max(2.0, 10 * seconds, 400 * seconds / capacity)
    count = int(2.5 * first * capacity / seconds)
    took = varied(seconds, spread)
    simulation = Simulation(took, count, capacity=serves(capacity), seen=[])
    ended = simulation.run(FIRST)
    assert max(busy for at, busy in simulation.seen if at > first) <= 2 * capacity
    assert ended <= 1.15 * sum(map(took, range(count))) / capacity


def test_items_that_began_before_the_number_changed_do_not_tell_how_long_one_takes():
    load = Load(8, 0.0, few=0.1)
    load.change(4, 10.0, skip=8)
    load.learn(8, 8.0, 0.0, 0.0, begun=9.0)
    assert load.skip == 0
    load.begin_window(11.0)
    load.learn(1, 5.0, 0.0, 0.0, begun=9.0)  # it was overtaken
    load.learn(2, 0.2, 0.0, 0.0, begun=10.5)
    assert (load.items, load.timed, load.mean, load.spread()) == (3, 2, 0.1, 0.0)


def test_several_measurements_are_taken_together():
    found = mean([Measured(8, 0.1, 70.0, 0.2), Measured(8, 0.3, 90.0, 0.4)])
    assert found == pytest.approx((8, 0.2, 80.0, 0.3))


@pytest.mark.parametrize("capacity", [8, 20, 32, 64])
@pytest.mark.parametrize("slow", [6, 20])
def test_so_it_does_where_the_first_items_were_slow(capacity, slow):
    seconds = lambda i: 0.35 if i < slow else 0.05
    simulation = Simulation(seconds, 400 * capacity, capacity=serves(capacity), seen=[])
    took = simulation.run(FIRST)
    later = [busy for at, busy in simulation.seen if at > took / 2]
    assert max(later) <= 2.5 * capacity
    assert took <= 1.15 * sum(map(seconds, range(400 * capacity))) / capacity


def test_an_earlier_number_is_where_it_begins():
    steps = Concurrency(40, now=0.0, few=0.02)
    assert steps.due() == POLL
    assert not steps.look(10.0, 0.0, 40, True, 512)
    assert (steps.level, steps.why) == (40, "as in an earlier run")
    assert steps.due() == 10.0 + POLL
    steps.look(11.0, 0.9, 40, True, 512)
    assert steps.due() == 11.0 + SELDOM  # while the kernel computes


def test_it_halves_and_does_not_grow_at_once():
    steps = Concurrency(40, now=0.0)
    steps.halve(1.0, "the server says so")
    assert (steps.level, steps.why) == (20, "the server says so")
    for second in range(2, 5):
        steps.learn(40, 4.0, 0.0, 0.0, second)
        steps.look(second, 0.0, 20, True, 512)
    assert steps.level == 20


def test_what_can_not_be_made_is_not_tried_again_soon():
    steps = Concurrency(64, now=0.0)
    steps.limit(50, 1.0)
    for second in range(2, 40):
        steps.learn(60, 6.0, 0.0, 0.0, second)
        steps.look(second, 0.0, 50, True, 512)
    assert steps.level == 50


@settings(deadline=None)
@given(
    took=st.lists(st.floats(0.0005, 1.0), min_size=1, max_size=60),
    capacity=st.integers(1, 40),
    cpu=st.sampled_from([0.0, 0.0001, 0.01]),
    first=st.integers(1, 100),
    most=st.integers(1, 300),
)
def test_every_item_ends_and_no_more_run_than_may(took, capacity, cpu, first, most):
    count = 5 * len(took)
    seconds = (took * 5).__getitem__
    simulation = Simulation(seconds, count, serves(capacity), cpu=cpu, most=most, seen=[])
    simulation.run(first)
    assert simulation.ended == count
    assert max(busy for _, busy in simulation.seen) <= max(first, most)
