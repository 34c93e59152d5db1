"""The backend suite, on every backend, on one of another package, and on one that breaks it.

Covers `testing/backend_results`, `testing/backend_failures`, `testing/backend_steering` and
`testing/backend_accounts`.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nbexec
from nbexec.backends.threads import Threads, ThreadsSession
from nbexec.testing import BackendConformance

PACKAGE = Path(__file__).parent / "example_backend"

NOT_THERE = {
    ("interpreters", "test_an_item_may_run_a_map"): "runs within items are on serial alone",
}


class TestBuiltIn(BackendConformance):
    @pytest.fixture(autouse=True)
    def _on(self, request: pytest.FixtureRequest, backend: str) -> None:
        self.backend = backend
        if (backend, request.function.__name__) in NOT_THERE:
            pytest.skip(NOT_THERE[backend, request.function.__name__])


class TestEntryPoint(BackendConformance):
    """A backend that another package has, found by its entry point."""

    backend = "one_thread_each"

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(PACKAGE))
        assert self.backend in nbexec.backends()


class TestThreadPool(BackendConformance):
    """Any executor can be a backend."""

    @pytest.fixture(autouse=True)
    def _pool(self):
        with ThreadPoolExecutor(8) as self.backend:  # some are lost to items that are left behind
            yield
