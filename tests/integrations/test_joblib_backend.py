"""The backend of joblib, and what its workers do.

Covers `nbexec.integrations.joblib_backend` and `nbexec.integrations.joblib_calls`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

joblib = pytest.importorskip("joblib")

from nbexec.integrations.joblib_backend import JoblibBackend  # noqa: E402
from nbexec.integrations.joblib_calls import with_traceback  # noqa: E402


@pytest.fixture
def backend():
    with ThreadPoolExecutor(2) as pool:
        yield JoblibBackend(lambda function, args: pool.submit(function, *args), 2)


@pytest.mark.parametrize("more", [{}, {"batch_size": 3}, {"pre_dispatch": "all"}])
def test_it_gives_what_joblib_gives(backend, more):
    calls = [joblib.delayed(pow)(x, 2) for x in range(40)]
    assert joblib.Parallel(2, backend=backend, **more)(calls) == [x * x for x in range(40)]


def test_results_one_by_one(backend):
    calls = [joblib.delayed(pow)(x, 2) for x in range(9)]
    found = joblib.Parallel(2, backend=backend, return_as="generator")(calls)
    assert list(found) == [x * x for x in range(9)]


def test_an_exception_of_a_call(backend):
    with pytest.raises(ZeroDivisionError):
        joblib.Parallel(2, backend=backend)(joblib.delayed(divmod)(1, x) for x in (1, 0))


def test_a_parallel_in_a_call(backend):
    def inner(x):
        return joblib.Parallel(2)(joblib.delayed(abs)(-y) for y in range(x))

    found = joblib.Parallel(2, backend=backend)(joblib.delayed(inner)(x) for x in range(4))
    assert found == [list(range(x)) for x in range(4)]


def test_no_jobs_are_an_error_as_in_joblib(backend):
    with pytest.raises(ValueError, match="n_jobs == 0"):
        backend.effective_n_jobs(0)


def test_an_exception_has_its_traceback_on_the_way_back():
    made, args = with_traceback(ValueError(1), None).__reduce__()
    assert made(*args).args == (1,)
