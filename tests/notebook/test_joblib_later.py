"""``%load_ext nbexec`` makes nbexec a backend of joblib, once joblib is imported.

Covers `nbexec.notebook.joblib_later`.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from IPython.core.events import EventManager, available_events

import nbexec
from nbexec.notebook import joblib_later, kernel
from nbexec.notebook.panel.panel import Panel

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


@pytest.mark.parametrize(
    ("function", "shown"), [(abs, 0), (lambda x: 1 / 0, 1), (lambda x: sys.stdout.write("said"), 1)]
)
def test_a_brief_run_leaves_nothing_where_it_has_nothing_to_say(function, shown, monkeypatch):
    made = []
    monkeypatch.setattr(kernel, "display_in", lambda cell, bundle: made.append(bundle))
    for sums_up, expected in ((False, shown), (True, 1)):
        panel, made[:] = Panel(), []
        panel.sums_up_brief = sums_up
        run = nbexec.map(function, [1], on_error="collect", backend="threads").run
        panel.take_place(run)
        panel.record.look_back(run)
        panel.finish(run.stats)
        assert len(made) == expected
