"""After how long an item is late."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbexec.pacing import lateness as module
from nbexec.pacing.lateness import FEW, Lateness

durations = st.lists(st.floats(0.001, 100.0), max_size=60)


@given(took=durations, running=st.integers(0, 60), share=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_no_more_than_the_rest_of_the_items_are_late(took, running, share):
    lateness = Lateness(None, share)
    for seconds in took:
        lateness.took(seconds)
    after = lateness.after(running)
    slower = sum(seconds > after for seconds in took) + running
    if len(took) < FEW:
        assert after == math.inf
    elif after < math.inf:
        assert after in took
        assert slower <= (1 - share) * (len(took) + running) + 1e-9
    else:  # too many still run for that to be known
        assert running > (1 - share) * (len(took) + running) - 1e-9


def test_the_first_that_end_of_many_say_nothing_of_the_others():
    lateness = Lateness(None, 0.95)
    for seconds in range(20):
        lateness.took(seconds)
    assert lateness.after(running=80) == math.inf
    assert lateness.after(running=1) == 19


def test_only_the_latest_count(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 10)
    lateness = Lateness(None, 0.5)
    for seconds in [*range(100, 200), *range(1, 11)]:
        lateness.took(seconds)
    assert lateness.after(running=0) == 5


@pytest.mark.parametrize("ended", [0, 100])
def test_seconds_that_are_given_always_hold(ended):
    lateness = Lateness(1.5)
    for _ in range(ended):
        lateness.took(9.0)
    assert lateness.after(running=7) == 1.5
    assert not lateness.learns
