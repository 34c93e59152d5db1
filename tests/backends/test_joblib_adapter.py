"""Backends of joblib as backends: items run there, with nbexec's own results and errors.

Covers `nbexec.backends.joblib_adapter`.
"""

from __future__ import annotations

import os

import pytest

import nbexec

pytest.importorskip("joblib")


@pytest.mark.parametrize("name", ["loky", "threading", "multiprocessing"])
def test_items_run_there(name):
    backend = f"joblib:{name}"
    results = nbexec.map(lambda x: (x * x, os.getpid()), range(9), backend=backend)
    assert [value for value, _ in results] == [x * x for x in range(9)]
    assert (os.getpid() in {process for _, process in results}) == (name == "threading")
    assert results.run.choice.backend == backend


@pytest.mark.parametrize("name", ["loky", "threading"])
def test_one_failure_is_one_item(name):
    results = nbexec.map(
        lambda x: 6 // x, [1, 0, 2], backend=f"joblib:{name}", on_error="collect", workers=1
    )
    assert results.ok() == [6, 3]
    assert isinstance(results[1].exception, ZeroDivisionError)


@pytest.mark.parametrize("name", ["nothing", "sequential", "nbexec", ""])
def test_a_wrong_name_is_told_with_the_right_ones(name):
    with pytest.raises(nbexec.OptionError, match="joblib:loky"):
        nbexec.map(abs, [1], backend=f"joblib:{name}")


def test_a_backend_that_does_not_say_when_a_call_has_ended(monkeypatch):
    from joblib.parallel import BACKENDS, ThreadingBackend

    class Old(ThreadingBackend):
        supports_retrieve_callback = False

    monkeypatch.setitem(BACKENDS, "old", Old)
    with pytest.raises(nbexec.BackendError, match="supports_retrieve_callback"):
        nbexec.map(abs, [1], backend="joblib:old")
