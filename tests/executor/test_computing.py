"""`Executor.compute`: one array, slices of it at the same time, on every backend.

Covers `nbexec.worker.reductions`.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

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
    "mean": np.mean,
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
    if kind == "halves" and name in ("sum", "mean"):
        np.testing.assert_allclose(ours, plain, atol=0.25 if name == "sum" else 1e-3)
    else:
        np.testing.assert_allclose(ours, plain, rtol=1e-5 if kind == "floats" else 1e-9)
    assert np.asarray(ours).dtype == np.asarray(plain).dtype


def test_a_mean_of_halves_is_not_infinite(monkeypatch):
    monkeypatch.setattr(reductions, "SLICE", 1000)
    with nbexec.Executor("threads", workers=2) as executor:
        mean = executor.compute("mean", np.full(5000, 20.0, "f2"))
    assert (mean, mean.dtype) == (20.0, np.dtype("f2"))


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


UFUNCS = [np.add, np.multiply, np.minimum, np.maximum, np.fmin, np.fmax, np.logaddexp, np.hypot]
UFUNCS += [np.logical_and, np.logical_or, np.logical_xor, np.bitwise_xor, np.gcd]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_a_ufunc_of_two_numbers_reduces(ufunc, monkeypatch):
    monkeypatch.setattr(reductions, "SLICE", 1000)
    whole = ufunc in (np.bitwise_xor, np.gcd)
    arrays = [RANDOM.integers(1, 9, (70, 50))]
    arrays += [] if whole else [ARRAYS["doubles"] * 0.01 + 1, ARRAYS["columns"] * 0.01 + 1]
    with nbexec.Executor("threads", workers=2) as executor:
        for array in arrays:
            ours, plain = executor.compute(ufunc, array), ufunc.reduce(array, axis=None)
            np.testing.assert_allclose(ours, plain, rtol=1e-9)
            assert np.asarray(ours).dtype == np.asarray(plain).dtype


def test_a_ufunc_of_one_number_gives_an_array(executor):
    for kind in ("rows", "columns", "with gaps", "every second", "halves", "complex", "one"):
        ours, plain = executor.compute(np.exp, ARRAYS[kind]), np.exp(ARRAYS[kind])
        np.testing.assert_array_equal(ours, plain)
        assert (np.asarray(ours).dtype, np.shape(ours)) == (plain.dtype, plain.shape)
    assert executor.compute(np.isnan, np.array([[]])).shape == (1, 0)


SHAPES = hypothesis_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40)
TYPES = st.sampled_from(["f8", ">f8", "f4", "i8", "u1", "i2", "?", "c16"])
KERNELS = {**PLAIN, np.add: np.sum, np.maximum: np.max, np.logical_or: np.any}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=SHAPES, kind=TYPES, kernel=st.sampled_from([*KERNELS]))
def test_random_arrays(threads, data, shape, kind, kernel):
    dtype = np.dtype(kind)
    number = {"f": st.floats(-8, 8, width=16), "c": st.complex_numbers(max_magnitude=8)}
    # products of more are beyond what rounding says anything about
    elements = number.get(dtype.kind, st.integers(0, 1 if dtype.kind == "b" else 5))
    if kernel == "product":
        elements = st.sampled_from([0, 1, 1]) if dtype.kind == "b" else st.sampled_from([1, 2, 1])
    array = data.draw(hypothesis_numpy.arrays(dtype, shape, elements=elements))
    if data.draw(st.booleans()):
        array = array.T
    if kernel == "square_sum" and dtype.kind in "biu":
        plain = np.sum(np.square(array.astype("u8" if dtype.kind == "u" else "i8")))
    elif not array.size and kernel in ("min", "max", np.maximum):
        with pytest.raises(ValueError, match="zero-size"):
            threads.compute(kernel, array)
        return
    else:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty array's mean
            plain = KERNELS[kernel](array)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = threads.compute(kernel, array)
    np.testing.assert_allclose(ours, plain, rtol=1e-4 if kind == "f4" else 1e-9, atol=1e-3)
    assert np.asarray(ours).dtype == np.asarray(plain).dtype
    assert type(ours) is type(plain)


@pytest.fixture(scope="module")
def threads():
    size, reductions.SLICE = reductions.SLICE, 100
    with nbexec.Executor("threads", workers=2) as executor:
        yield executor
    reductions.SLICE = size


def test_the_kernel_of_pyferris(executor):
    # what version 0.5.2 gives
    theirs = {0.0: 0, 0.5: 875_000, 1.0: 750_000, 2.0: 500_000, 3.0: 250_000, -1.0: -750_000}
    for number, value in theirs.items():
        assert executor.compute("heavy_computation", [number]) == value
    assert executor.compute("heavy_computation", list(theirs)) == sum(theirs.values())
    assert executor.compute("heavy_computation", [1, 2, 3]) == 1_500_000
    assert executor.compute("heavy_computation", []) == 0.0


def test_functions_that_numba_has_compiled(monkeypatch):
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(reductions, "SLICE", 1000)

    @numba.njit(nogil=True)
    def total(part):
        found = 0.0
        for number in part:
            found += number
        return found

    @numba.vectorize
    def more(number):
        return number + 1

    array = np.arange(2500.0)
    with nbexec.Executor("threads", workers=2) as executor:
        assert executor.compute(total, array, combine=sum) == array.sum()
        np.testing.assert_array_equal(executor.compute(more, array), array + 1)


def test_nothing_at_all():
    with nbexec.Executor("threads", workers=2) as executor:
        assert executor.compute("sum", []) == 0.0
        for kernel in ("sum", "product", "square_sum", np.add):
            empty = executor.compute(kernel, np.array([], dtype="i4"))
            assert (empty, empty.dtype) == (kernel == "product", np.dtype("i8"))
        assert executor.compute("product", []) == 1.0
        assert executor.compute(len, []) == []
        with pytest.raises(ValueError, match="zero-size array"):
            executor.compute("min", [])


def test_what_is_wrong_is_told():
    with nbexec.Executor("serial") as executor:
        with pytest.raises(ValueError, match="no kernel 'som': the kernels are sum, product"):
            executor.compute("som", [1.0])
        for wrong, kind in ((["a"], "<U1"), ([1, None], "object"), ([2**70, 1], "object")):
            with pytest.raises(TypeError, match=f"array of numbers, not of {kind}"):
                executor.compute("sum", wrong)
        with pytest.raises(TypeError, match="plain numbers, not a masked array"):
            executor.compute("sum", np.ma.masked_equal([1, 2, 3], 2))
        for ufunc in (np.subtract, np.divide, np.power, np.less, np.lcm):
            with pytest.raises(ValueError, match=f"{ufunc.__name__} is neither a ufunc of one"):
                executor.compute(ufunc, [1.0, 2.0])
        with pytest.raises(ValueError, match="combine= is for functions: <ufunc 'add'>"):
            executor.compute(np.add, [1.0], combine=max)
        with pytest.raises(TypeError, match="heavy_computation needs real numbers"):
            executor.compute("heavy_computation", [1j])
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
