"""Dask's own threads draw from a generator of their own, here and in its workers.

Covers `nbexec.backends.dask_draws`.
"""

from __future__ import annotations

import random
import sys

import distributed
import pytest

import nbexec
from nbexec.backends import dask_draws


def draws_of_dask() -> list[float]:
    """Do what Dask does to spread its retries and to look at samples; give what it drew."""
    from distributed.comm import core
    from distributed.protocol import compression

    return [core.random.uniform(0, 1), float(compression.randint(0, 2**40))]


@pytest.fixture(autouse=True)
def cluster() -> None:
    nbexec.map(abs, [1], backend="dask")


def test_in_the_kernel() -> None:
    before = random.getstate()
    assert draws_of_dask() != draws_of_dask()
    assert random.getstate() == before


def test_in_a_worker() -> None:
    def of_an_item(x: int) -> tuple[bool, bool]:
        from tests.backends.test_dask_draws import draws_of_dask

        before = random.getstate()
        drawn = draws_of_dask() != draws_of_dask()
        return drawn, random.getstate() == before

    assert nbexec.map(of_an_item, range(4), backend="dask") == [(True, True)] * 4


def test_in_a_worker_of_a_cluster_that_was_given() -> None:
    def of_an_item(x: int) -> bool:
        from distributed.comm import core

        return core.random is random

    # a thread of this process would be done already
    with distributed.LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster:
        assert nbexec.map(of_an_item, range(2), backend=cluster.scheduler_address) == [False] * 2


def test_no_module_of_distributed_holds_the_shared_generator() -> None:
    dask_draws.draw_apart()
    shared = random.random.__self__  # type: ignore[attr-defined]
    modules = [one for name, one in [*sys.modules.items()] if name.startswith("distributed.")]
    held = [value for one in modules for value in [*vars(one).values()]]
    assert not [one for one in held if one is random or getattr(one, "__self__", None) is shared]


def test_what_dask_draws_for_its_user_comes_from_random() -> None:
    import dask.bag.random

    assert dask.bag.random.rnd is random
