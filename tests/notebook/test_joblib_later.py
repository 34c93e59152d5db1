"""``%load_ext nbexec`` makes nbexec a backend of joblib, once joblib is imported.

Covers `nbexec.notebook.joblib_later`.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from IPython.core.events import EventManager, available_events

from nbexec.notebook import joblib_later

joblib = pytest.importorskip("joblib")


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.delitem(joblib.parallel.BACKENDS, "nbexec", raising=False)
    shell = SimpleNamespace()
    shell.events = EventManager(shell, available_events)
    yield shell
    joblib.parallel.BACKENDS.pop("nbexec", None)


def test_at_once_where_joblib_is_there(shell):
    joblib_later.register(shell)
    assert "nbexec" in joblib.parallel.BACKENDS
    assert not shell.events.callbacks["post_run_cell"]


def test_after_the_cell_that_imports_it(shell, monkeypatch):
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "joblib.parallel")
        joblib_later.register(shell)
        shell.events.trigger("post_run_cell", None)
        assert "nbexec" not in joblib.parallel.BACKENDS
    shell.events.trigger("post_run_cell", None)
    assert "nbexec" in joblib.parallel.BACKENDS
    assert not shell.events.callbacks["post_run_cell"]
