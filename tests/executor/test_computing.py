"""`Executor.compute`: one array, slices of it at the same time, on every backend.

Covers `nbexec.worker.reductions`.
"""

from __future__ import annotations

import numpy as np
import pytest

import nbexec
from nbexec.worker import reductions


@pytest.fixture
def executor(backend, monkeypatch):
    monkeypatch.setattr(reductions, "SLICE", 1000)
    with nbexec.Executor(backend, workers=2) as executor:
        yield executor


RANDOM = np.random.default_rng(7)
ARRAYS = {
    "doubles": RANDOM.normal(size=10_500),
    "floats": RANDOM.normal(size=3000).astype("f4"),
    "halves": RANDOM.normal(size=2000).astype("f2"),
    "complex": RANDOM.normal(size=2500) + 1j,
    "ints": RANDOM.integers(-100, 100, 3000),
    "bytes": RANDOM.integers(0, 255, 3000).astype("u1"),
    "bools": RANDOM.integers(0, 2, 3000).astype(bool),
    "rows": RANDOM.normal(size=(70, 50)),
    "columns": np.asfortranarray(RANDOM.normal(size=(70, 50))),
    "with gaps": RANDOM.normal(size=(90, 80))[::2, 1::3],
    "every second": RANDOM.normal(size=5000)[::2],
    "one": np.array(3.5),
    "a list": [1.0, 2.5, -3.0],
}
PLAIN = {
    "sum": np.sum,
    "product": np.prod,
    "square_sum": lambda array: np.sum(np.square(array)),
    "min": np.min,
    "max": np.max,
}


def test_it_is_what_numpy_gives(executor):
    for name in PLAIN:
        for array in (ARRAYS["doubles"] * 0.01 + 1, ARRAYS["rows"] * 0.01 + 1):
            ours, plain = executor.compute(name, array), PLAIN[name](array)
            np.testing.assert_allclose(ours, plain, rtol=1e-12)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("kind", ARRAYS)
def test_kinds_of_arrays(name, kind, monkeypatch):
    monkeypatch.setattr(reductions, "SLICE", 1000)
    array = ARRAYS[kind]
    if kind == "bytes" and name == "square_sum":
        plain = np.sum(np.square(array.astype("u8")))  # NumPy's square of a byte wraps around
    elif kind == "bools" and name == "square_sum":
        plain = np.sum(array)
    elif kind == "halves" and name == "square_sum":
        plain = np.sum(np.square(array.astype("f4")))
    else:
        plain = PLAIN[name](array)
    with nbexec.Executor("threads", workers=2) as executor:
        ours = executor.compute(name, array)
    if kind == "halves" and name == "sum":
        np.testing.assert_allclose(ours, plain, atol=0.25)
    else:
        np.testing.assert_allclose(ours, plain, rtol=1e-5 if kind == "floats" else 1e-9)
    assert np.asarray(ours).dtype == np.asarray(plain).dtype


def test_it_is_the_same_to_the_last_bit_however_many_workers_there_are(monkeypatch):
    monkeypatch.setattr(reductions, "SLICE", 400)
    results = set()
    for backend, workers in (("serial", 1), ("threads", 2), ("threads", 5), ("processes", 2)):
        with nbexec.Executor(backend, workers=workers) as executor:
            results.add(float(executor.compute("sum", ARRAYS["doubles"])))
    assert len(results) == 1


def test_a_function_of_a_slice(executor):
    lengths = executor.compute(len, np.arange(2500))
    assert lengths == [1000, 1000, 500]
    assert executor.compute(np.ptp, np.arange(2500), combine=max) == 999


def test_nothing_at_all():
    with nbexec.Executor("threads", workers=2) as executor:
        assert executor.compute("sum", []) == 0.0
        assert executor.compute("square_sum", np.array([], dtype="i8")) == 0
        assert executor.compute("product", []) == 1.0
        assert executor.compute(len, []) == []
        with pytest.raises(ValueError, match="zero-size array"):
            executor.compute("min", [])


def test_what_is_wrong_is_told():
    with nbexec.Executor("serial") as executor:
        with pytest.raises(ValueError, match="no kernel 'som': the kernels are sum, product"):
            executor.compute("som", [1.0])
        with pytest.raises(TypeError, match="array of numbers, not of <U1"):
            executor.compute("sum", ["a"])
        with pytest.raises(ValueError, match="combine= is for functions: 'sum' has its own"):
            executor.compute("sum", [1.0], combine=max)
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.compute("sum", [1.0])


def test_slices_are_views():
    array = np.zeros((3000, 7000))
    cut = list(reductions.slices(array))
    assert all(np.shares_memory(one, array) for one in cut)
    assert sum(one.size for one in cut) == array.size
    assert max(one.size for one in cut) == reductions.SLICE
