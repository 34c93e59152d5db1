"""Random runs obey the laws, on every backend; see `chaos.runs`."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from .chaos.runs import Plan, carry_out, plans

MORE = int(os.environ.get("NBEXEC_CHAOS", "1"))  # times as many, for a night
RUNS = {"serial": 800, "threads": 800, "asyncio": 600, "auto": 600, "processes": 60, "dask": 15}


def chaos(backend, runs):
    """Give the test for a backend."""

    @settings(
        max_examples=runs,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(plan=plans(backend))
    def obeys(plan: Plan) -> None:
        carry_out(plan)

    return obeys


@pytest.mark.parametrize("name", RUNS)
def test_some_random_runs_obey_the_laws(name):
    chaos(name, max(5, RUNS[name] // 20))()


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.timeout(600 * MORE)
@pytest.mark.parametrize("name", RUNS)
def test_random_runs_obey_the_laws(name):
    chaos(name, RUNS[name] * MORE)()
