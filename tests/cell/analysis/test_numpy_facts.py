"""What `numpy_facts` says of each method and function, tried on the NumPy that is installed."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from nbexec.cell.analysis import numpy_facts as facts

from .samples import Samples, call


def one(*args, **keywords):
    return (args, keywords)


def array() -> np.ndarray:
    return np.array([[4.0, 1.0, 3.0], [9.0, 7.0, 2.0], [5.0, 8.0, 6.0]])


def whole() -> np.ndarray:
    return np.array([3, 1, 2])


MAKERS = [array, whole, lambda: np.array([7.0]), lambda: np.array([1 + 2j, 3 - 1j])]
METHODS: Samples = {
    "argpartition": [one(1)],
    "astype": [one(int), one("float32"), one(complex)],
    "choose": [one([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 1, 1]])],
    "clip": [one(1, 2)],
    "compress": [one([True, False, True], 0)],
    "dot": [one(np.ones(3))],
    "getfield": [one(np.float64)],
    "item": [one(0), one()],
    "newbyteorder": [one()],
    "ptp": [one()],
    "repeat": [one(2)],
    "reshape": [one(-1)],
    "searchsorted": [one(2)],
    "swapaxes": [one(0, 0)],
    "take": [one([0])],
    "to_device": [one("cpu")],
}
GONE = {"newbyteorder", "ptp", "itemset"}  # since NumPy 2


@pytest.mark.parametrize("name", sorted(facts.METHODS_NEW | facts.METHODS_LINKED))
def test_a_method_leaves_its_array_as_it_was(name):
    tried = 0
    for make in MAKERS:
        thing = make()
        before = thing.tobytes(), thing.shape, thing.strides, str(thing.flags)
        for found in call(thing, name, METHODS):
            tried += 1
            assert (thing.tobytes(), thing.shape, thing.strides, str(thing.flags)) == before
            for part in found if isinstance(found, tuple) else [found]:
                if name in facts.METHODS_NEW and isinstance(part, np.ndarray):
                    assert not np.shares_memory(part, thing), f"`{name}` gives a view"
    assert tried or name in GONE


def test_what_changes_an_array_is_in_no_other_table():
    listed = facts.METHODS_NEW | facts.METHODS_LINKED | facts.VIEWS | facts.FACTS_OF
    assert listed.isdisjoint(facts.CHANGING)
    missing = {name for name in dir(np.ndarray) if not name.startswith("_")} - listed
    assert missing - facts.CHANGING.keys() == {"ctypes", "data", "dump", "flags", "tofile"}


VIEWS = {"flat", "base"}


@pytest.mark.parametrize("name", sorted(facts.METHODS_NEW - GONE))
def test_where_a_method_writes_to(name):
    """The signature in the documentation says at which place `out` stands."""
    signature = str(inspect.getdoc(getattr(np.ndarray, name))).splitlines()[0]
    try:
        parameters = list(inspect.signature(getattr(np.ndarray, name)).parameters)[1:]
    except ValueError:
        parameters = [
            one.partition("=")[0].strip(" /*")
            for one in re.sub(r".*?\(|\).*", "", signature).split(",")
        ]
    at = parameters.index("out") if "out" in parameters else None
    assert facts.OUT.get(name) == at


@pytest.mark.parametrize("name", sorted(facts.FUNCTIONS_NEW | facts.FUNCTIONS_LINKED))
def test_where_a_function_writes_to(name):
    function = np
    for part in name.split("."):
        function = getattr(function, part, None)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        pytest.skip(f"this NumPy has no `{name}`, or doesn't tell its arguments")
    if "out" in parameters and parameters["out"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
        assert facts.FUNCTIONS_OUT.get(name) == list(parameters).index("out")
    assert "overwrite_input" not in parameters or name in facts.OVERWRITING
    if "copy" in parameters:
        assert name in facts.COPYING or parameters["copy"].default in (True, None)


A = array()
SPECIAL: Samples = {
    "apply_along_axis": [one(np.sum, 0, A)],
    "apply_over_axes": [one(np.sum, A, [0])],
    "append": [one(A, 1)],
    "arange": [one(3)],
    "argpartition": [one(A, 1)],
    "array_split": [one(A, 2)],
    "bincount": [one(whole())],
    "broadcast_to": [one(A, (2, 3, 3))],
    "choose": [one(whole() - 1, [whole(), whole(), whole()])],
    "clip": [one(A, 1, 2)],
    "column_stack": [one([A])],
    "compress": [one([True, False], A, 0)],
    "concatenate": [one([A]), one([A, A])],
    "delete": [one(A, 0), one(A, [])],
    "diag": [one(A)],
    "digitize": [one(A, [1, 5])],
    "dsplit": [one(A[:, :, None], 1)],
    "dstack": [one([A])],
    "einsum": [one("ii->i", A)],
    "expand_dims": [one(A, 0)],
    "extract": [one(A > 0, A)],
    "eye": [one(3)],
    "fft.fft": [one(A)],
    "fft.fftfreq": [one(4)],
    "fft.rfftfreq": [one(4)],
    "full": [one(3, 1.0)],
    "full_like": [one(A, 1)],
    "geomspace": [one(1, 2)],
    "hsplit": [one(A, 1)],
    "hstack": [one([A]), one([A, A])],
    "histogram2d": [one(A[0], A[1])],
    "identity": [one(3)],
    "insert": [one(A, 0, 1), one(A, [], 1)],
    "interp": [one(A[0], [1, 2], [3, 4])],
    "lexsort": [one([A[0]])],
    "linalg.cholesky": [one(np.eye(3))],
    "linalg.lstsq": [one(A, A[0])],
    "linalg.matrix_power": [one(A, 1), one(A, 2)],
    "linspace": [one(1, 2)],
    "logspace": [one(1, 2)],
    "meshgrid": [one(A[0], A[1])],
    "moveaxis": [one(A, 0, 1)],
    "ones": [one(3)],
    "empty": [one(3)],
    "zeros": [one(3)],
    "pad": [one(A, 0), one(A, 1)],
    "partition": [one(A, 1)],
    "percentile": [one(A, 5)],
    "nanpercentile": [one(A, 5)],
    "quantile": [one(A, 0.5)],
    "nanquantile": [one(A, 0.5)],
    "polyfit": [one(A[0], A[1], 1)],
    "repeat": [one(A, 1), one(A, 2)],
    "reshape": [one(A, -1)],
    "roll": [one(A, 0), one(A, 1)],
    "rollaxis": [one(A, 1)],
    "searchsorted": [one(np.sort(A[0]), A[1])],
    "select": [one([A > 2], [A])],
    "split": [one(A, 1)],
    "stack": [one([A])],
    "swapaxes": [one(A, 0, 1)],
    "take": [one(A, [0, 1])],
    "tensordot": [one(A, A)],
    "tile": [one(A, 1), one(A, 2)],
    "tri": [one(3)],
    "vander": [one(A[0])],
    "vsplit": [one(A, 1)],
    "vstack": [one([A]), one([A, A])],
    "where": [one(A > 2), one(A > 2, A, 0)],
}


@pytest.mark.parametrize("name", sorted(facts.FUNCTIONS_NEW | facts.FUNCTIONS_LINKED))
def test_a_function_leaves_what_it_is_given_as_it_was(name):
    function = np
    for part in name.split("."):
        function = getattr(function, part, None)
    if function is None:
        pytest.skip(f"this NumPy has no `{name}`")
    tried = 0
    for args, keywords in SPECIAL.get(name, [one(A), one(A, A), one(A[0], A[0])]):
        given = [
            part
            for one in args
            for part in (one if isinstance(one, list) else [one])
            if isinstance(part, np.ndarray)
        ]
        before = [one.tobytes() for one in given]
        try:
            found = function(*args, **keywords)
        except (TypeError, ValueError, AttributeError, np.linalg.LinAlgError):
            continue
        tried += 1
        assert [one.tobytes() for one in given] == before
        for part in found if isinstance(found, (tuple, list)) else [found]:
            for one_given in given if name in facts.FUNCTIONS_NEW else ():
                shares = isinstance(part, np.ndarray) and np.shares_memory(part, one_given)
                assert not shares, f"`{name}` gives a view"
    assert tried, f"no arguments of `{name}` fit: give some in SPECIAL"


def test_the_positions_of_outputs_of_ufuncs():
    """`reduceat` and `accumulate` have an output after these arguments, `outer` only by name."""
    out = np.zeros(3)
    np.add.reduce(A, 0, None, out)
    assert out.any()
    out = np.zeros((3, 3))
    np.add.accumulate(A, 0, None, out)
    assert out.any()
    out = np.zeros((1, 3))
    np.add.reduceat(A, [0], 0, None, out)
    assert out.any()
    with pytest.raises((TypeError, ValueError)):
        np.add.outer(A[0], A[0], np.zeros((3, 3)))
    assert facts.UFUNC_METHODS == {"accumulate": 3, "outer": 99, "reduce": 3, "reduceat": 4}


@pytest.mark.parametrize("name", sorted(facts.DRAWS))
def test_what_a_generator_draws_is_new(name):
    for generator in (np.random.default_rng(0), np.random.RandomState(0)):
        given = np.array([0.25, 0.25, 0.5])
        for args in (
            (3,),
            (3, 0.5),
            (0.5, 3),
            (3, 5, 2),
            (given,),
            (given, 2),
            (given, np.eye(3)),
            (3, given),
            (0.1, 0.5, 0.9),
        ):
            before = given.copy()
            method = getattr(generator, name, None)
            try:
                found = method(*args) if method else None
            except (TypeError, ValueError):
                continue
            assert (given == before).all()
            assert not (isinstance(found, np.ndarray) and np.shares_memory(found, given))
