"""The backend suite, on every backend, on one of another package, and on one that breaks it.

Covers `testing/conformance`, `testing/backend_results`, `testing/backend_failures`,
`testing/backend_steering` and `testing/backend_accounts`.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

import nbexec
from nbexec.testing import BackendConformance, ExecutorConformance

PACKAGE = Path(__file__).parent / "example_backend"

NOT_THERE = {
    ("dask", "test_a_run_that_waits_does_not_hold_up_another"): "runs share a cluster's workers",
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

    missing: ClassVar = {"test_no_more_run_at_once_than_there_are_workers": "a slot has two chunks"}

    @pytest.fixture(autouse=True)
    def _pool(self):
        with ThreadPoolExecutor(8) as self.backend:  # some are lost to items that are left behind
            yield


def test_the_page_has_the_example():
    """docs/your-own-backend.md shows the backend that is tested here."""
    example = (PACKAGE / "one_thread_each.py").read_text().partition('"""\n\n')[2]
    page = Path(__file__).parents[2] / "docs" / "your-own-backend.md"
    assert example in page.read_text()


def backwards(backend):
    """Have a backend give the values of a chunk from its end."""
    open_session = backend.open

    def open(spec):
        def deliver(chunk, reply):
            outcome = reply()
            outcome.values.reverse()
            spec.deliver(chunk, lambda: outcome)

        return open_session(replace(spec, deliver=deliver))

    backend.open = open
    return backend


class TestOfABadOne:
    """The suite says what was promised, and what happened."""

    def test_what_breaks_a_promise_is_told(self, monkeypatch, tmp_path):
        monkeypatch.syspath_prepend(str(PACKAGE))
        from one_thread_each import OneThreadEach

        class Suite(BackendConformance):
            backend = backwards(OneThreadEach())

        with pytest.raises(AssertionError, match=r"\[0, 1, 2.* was promised, and .* happened"):
            Suite().test_results_come_in_order_and_each_item_runs_once(tmp_path)

    def test_what_is_missing_must_be_there(self):
        with pytest.raises(TypeError, match="names 'sede', which is neither a test nor a feature"):

            class Suite(BackendConformance):
                missing: ClassVar = {"sede": "a typing error"}

    def test_each_promise_is_told_in_one_line(self):
        for suite in (BackendConformance, ExecutorConformance):
            for name in filter(re.compile("test_").match, suite.features()):
                text = getattr(suite, name).__doc__ or ""
                assert text.endswith("."), name
                assert "\n" not in text, name
