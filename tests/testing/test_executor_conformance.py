"""The executor suite, on `nbexec.Executor` with every backend and on the standard library's.

Covers `testing/executor_futures`, `testing/executor_mapping`, `testing/executor_ending`,
`testing/executor_workers`, `testing/executor_beyond`, `testing/executor_queue`,
`testing/executor_groups`, `testing/executor_services`, `testing/called` and `nbexec.testing`.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import ClassVar

import pytest

import nbexec
from nbexec.backends import get_backend
from nbexec.testing import ExecutorConformance

BEYOND = {"beyond": "it is the standard library's"}
OF_WORKERS = ("recycle_after",)
NOT_THERE = {
    ("serial", "test_workers_can_be_restarted"): "it is the calling thread",
    ("asyncio", "test_workers_can_be_restarted"): "workers are tasks",
    ("interpreters", "test_workers_can_be_restarted"): "not there",
    ("serial", "test_a_call_may_have_a_timeout_of_its_own"): "the calling thread can't leave it",
    ("serial", "test_calls_run_at_the_same_time"): "it has one worker",
    ("serial", "test_a_call_can_take_too_long"): "the calling thread can't leave an item",
    ("asyncio", "test_an_initializer_is_called_in_the_thread_of_the_calls"): "workers are tasks",
}
SINCE_3_14 = {} if sys.version_info >= (3, 14) else {"buffersize": "Python 3.14 has it"}


class TestNbexec(ExecutorConformance):
    @pytest.fixture(autouse=True)
    def _on(self, request: pytest.FixtureRequest, backend: str) -> None:
        self.backend = backend
        name = request.function.__name__
        for feature in getattr(request.function, "needs", ()):
            if feature in OF_WORKERS and feature not in get_backend(backend).takes:
                pytest.skip(f"{backend} has no {feature}")
        if (backend, name) in NOT_THERE:
            pytest.skip(NOT_THERE[backend, name])

    def make(self, workers, **options):
        return nbexec.Executor(self.backend, workers, **options)


class TestThreadPool(ExecutorConformance):
    missing: ClassVar = {**BEYOND, **SINCE_3_14, "chunks": "it sends each call alone"}

    def make(self, workers, **options):
        return ThreadPoolExecutor(workers, **options)


class TestProcessPool(ExecutorConformance):
    missing: ClassVar = {**BEYOND, **SINCE_3_14}

    def make(self, workers, **options):
        context = multiprocessing.get_context("forkserver")
        return ProcessPoolExecutor(workers, mp_context=context, **options)
