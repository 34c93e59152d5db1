"""`nbexec.vmap` against the plain loop, on every backend.

Covers `transforms/axes`, `transforms/batches`, `transforms/stacking` and `transforms/trees`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.transforms import trees

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: object
    y: object


def area(w, h):
    return w * h


def test_each_item_is_called_on_every_backend(backend):
    assert nbexec.vmap(area, backend=backend)([1, 2, 3], [4, 5, 6]) == [4, 10, 18]


def test_an_argument_that_is_not_mapped_is_given_whole(backend):
    scaled = nbexec.vmap(lambda x, scale: (x, scale), in_axes=(0, None), backend=backend)
    assert scaled([1, 2], [7]) == ([1, 2], [[7], [7]])


def test_arrays_are_stacked_as_numpy_does():
    rng = np.random.default_rng(1)
    a, b = rng.random((4, 3, 2)), rng.random((2, 4))
    dot = nbexec.vmap(np.dot, in_axes=(0, 1), out_axes=-1, backend="threads")
    expected = np.stack([a[i] @ b[:, i] for i in range(4)], axis=-1)
    assert np.array_equal(dot(a, b), expected)
    norms = nbexec.vmap(np.linalg.norm, backend="threads")(a)
    assert isinstance(norms, np.ndarray)
    assert np.array_equal(norms, [np.linalg.norm(one) for one in a])


def test_python_numbers_of_an_array_are_an_array():
    sizes = nbexec.vmap(lambda row: len(row), backend="threads")(np.zeros((3, 5)))
    assert sizes.tolist() == [5, 5, 5]
    assert isinstance(sizes, np.ndarray)


def test_keywords_are_mapped_along_their_first_axis():
    def greet(greeting, *, name, mark):
        return f"{greeting} {name}{mark}"

    many = nbexec.vmap(greet, in_axes={"greeting": None, "mark": None}, backend="threads")
    assert many("hi", name=["ann", "bob"], mark="!") == ["hi ann!", "hi bob!"]
    both = nbexec.vmap(greet, in_axes=None, backend="threads")
    assert both("hi", name=["ann"], mark=["?"]) == ["hi ann?"]


@pytest.mark.parametrize(
    ("batch", "items"),
    [
        ({"x": [1, 2], "y": [3, 4]}, [{"x": 1, "y": 3}, {"x": 2, "y": 4}]),
        (([1, 2], [3, 4]), [(1, 3), (2, 4)]),
        (Pair([1, 2], {"z": [3, 4]}), [Pair(1, {"z": 3}), Pair(2, {"z": 4})]),
        (Point(range(2), [3, 4]), [Point(0, 3), Point(1, 4)]),
    ],
)
def test_containers_hold_batches_of_items_and_of_results(batch, items):
    seen = []
    result = nbexec.vmap(lambda one: seen.append(one) or one, backend="serial")(batch)
    assert seen == items
    assert trees.shape_of(result) == trees.shape_of(batch)
    for given_, found in zip(trees.leaves_of(batch), trees.leaves_of(result), strict=True):
        assert list(given_.value) == found.value


def test_axes_of_a_container_are_a_container():
    def score(batch, weights):
        return sum(batch["x"]) * weights[0]

    batch = {"x": [[1, 2, 3], [4, 5, 6]], "note": "n"}
    scores = nbexec.vmap(score, in_axes=({"x": 1, "note": None}, (None, 0)), backend="threads")
    assert scores(batch, (10, [0, 0, 0])) == [50, 70, 90]


def test_the_items_of_lists_in_lists_along_their_second_axis():
    columns = nbexec.vmap(lambda column: column, in_axes=1, out_axes=1, backend="threads")
    assert columns([[1, 2, 3], [4, 5, 6]]) == [[1, 2, 3], [4, 5, 6]]
    assert nbexec.vmap(list, in_axes=1)([[1, 2], [3, 4]]) == [[1, 3], [2, 4]]


def test_out_axes_none_takes_what_is_the_same_for_all():
    split = nbexec.vmap(lambda x: (x, "same"), out_axes=(0, None), backend="threads")
    assert split([1, 2]) == ([1, 2], "same")
    with pytest.raises(ValueError, match=r"out_axes is None: items gave 1 and 2"):
        nbexec.vmap(lambda x: x, out_axes=None)([1, 2])


def test_a_vmap_of_a_vmap(backend):
    table = nbexec.vmap(nbexec.vmap(area, in_axes=(None, 0)), in_axes=(0, None), backend=backend)
    assert table([1, 2], [3, 4, 5]) == [[3, 4, 5], [6, 8, 10]]
    outer = nbexec.vmap(nbexec.vmap(np.multiply, in_axes=(None, 0)), in_axes=(0, None))
    assert np.array_equal(outer(np.arange(3), np.arange(4)), np.outer(range(3), range(4)))


def test_a_coroutine_function():
    async def rest(x):
        await asyncio.sleep(0)
        return x + 1

    assert nbexec.vmap(rest)([1, 2]) == [2, 3]


def test_a_decorator_with_options_and_a_method():
    class Model:
        factor = 3

        @nbexec.vmap(in_axes=(None, 0), workers=2, backend="threads")
        def predict(self, x):
            "Predict one."
            return self.factor * x

    assert Model().predict([1, 2]) == [3, 6]
    assert Model.predict.__doc__ == "Predict one."
    assert "vmap of" in repr(Model.predict)


def test_it_can_be_pickled():
    assert pickle.loads(pickle.dumps(nbexec.vmap(area)))([1], [2]) == [2]
    assert pickle.loads(pickle.dumps(decorated)) is decorated


@nbexec.vmap
def decorated(x):
    return x


def test_failures_are_the_results_that_map_gives():
    results = nbexec.vmap(lambda x: 1 / x, on_error="collect", backend="threads")([1, 0])
    assert results[0] == 1.0
    assert isinstance(results[1], nbexec.Failure)
    with pytest.raises(ZeroDivisionError) as caught:
        nbexec.vmap(lambda x: 1 / x, backend="threads")([1, 0])
    assert any("item 1" in note for note in caught.value.__notes__)


def test_no_items():
    assert nbexec.vmap(area)([], []) == []
    assert nbexec.vmap(abs)(np.zeros((0, 3))).shape == (0,)


def test_results_of_other_shapes_stay_a_list():
    make = nbexec.vmap(lambda n: {"n": n} if n else None, backend="threads")
    assert make([0, 1]) == [None, {"n": 1}]
    ragged = nbexec.vmap(np.arange, backend="threads")([1, 2])
    assert [one.tolist() for one in ragged] == [[0], [0, 1]]
    assert np.array_equal(nbexec.vmap(np.arange, backend="threads")([2, 2]), [[0, 1], [0, 1]])


@pytest.mark.parametrize(
    ("in_axes", "args", "error", "said"),
    [
        (0, ([1, 2], [1, 2, 3]), ValueError, r"axis 0 of w: 2\n  \* axis 0 of h: 3"),
        ((0,), ([1], [2]), ValueError, r"len\(in_axes\)=1, len\(args\)=2"),
        ("x", ([1], [2]), TypeError, "must be an int, None, a tuple"),
        (None, ([1], [2]), ValueError, "at least one non-None value"),
        ((0, None), (5, [2]), ValueError, "w along axis 0, but it is of type int"),
        ((0, None), ("ab", [2]), ValueError, "type str, which has no axes"),
        ((0, None), (iter([1]), [2]), ValueError, r"give list\(w\)"),
        ((1, None), ([1], [2]), ValueError, "w along axis 1.* at least 2, but is only 1"),
        ((2, 0), (np.zeros((2, 3)), [1]), ValueError, r"only 2 \(its shape is \(2, 3\)\)"),
        (({"x": 0}, 0), ([1], [2]), ValueError, "tree like its value, one value"),
        ({"z": 0}, ([1], [2]), ValueError, "names 'z', but the arguments of this call are w, h"),
        ((1, 0), ([[1, 2], [3]], [1]), ValueError, "different lengths along axis 1"),
    ],
)
def test_what_does_not_fit_is_named(in_axes, args, error, said):
    with pytest.raises(error, match=f"(?s){said}"):
        nbexec.vmap(area, in_axes=in_axes)(*args)


def test_bad_functions_and_options_are_said_at_once():
    with pytest.raises(nbexec.OptionError, match="takes a function, not 3"):
        nbexec.vmap(3)
    with pytest.raises(nbexec.OptionError, match="no option 'worker'"):
        nbexec.vmap(area, worker=3)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_axes_of_any_arrays_are_those_of_a_plain_loop(data):
    count = data.draw(st.integers(1, 4))
    arrays, in_axes = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
        axis = data.draw(st.integers(0, len(shape)))
        shape.insert(axis, count)
        given_axis = data.draw(st.sampled_from([axis, axis - len(shape)]))
        arrays.append(np.arange(np.prod(shape)).reshape(shape))
        in_axes.append(data.draw(st.sampled_from([given_axis, given_axis, None])))
    if all(axis is None for axis in in_axes):
        in_axes[0] = 0
        arrays[0] = np.arange(2 * count).reshape(count, 2)

    def combine(*parts):
        return sum(part.sum() for part in parts) + parts[0]

    def nth(index):
        pairs = zip(arrays, in_axes, strict=True)
        return combine(*(a if ax is None else np.take(a, index, ax) for a, ax in pairs))

    items = [nth(index) for index in range(count)]
    out = data.draw(st.integers(-items[0].ndim - 1, items[0].ndim))
    found = nbexec.vmap(combine, tuple(in_axes), out, backend="serial")(*arrays)
    assert np.array_equal(found, np.stack(items, out))


@settings(deadline=None)
@given(
    st.recursive(
        st.integers(),
        lambda inner: (
            st.dictionaries(st.sampled_from("abc"), inner)
            | st.tuples(inner, inner)
            | st.builds(Point, inner, inner)
            | st.builds(Pair, inner, inner)
        ),
        max_leaves=8,
    )
)
def test_a_tree_is_built_of_its_leaves(tree):
    leaves = [leaf.value for leaf in trees.leaves_of(tree)]
    assert trees.build(trees.shape_of(tree), iter(leaves)) == tree


def test_the_order_of_keys_in_results_makes_no_difference():
    def keyed(number):
        return {"a": number, "b": 1} if number % 2 else {"b": 1, "a": number}

    found = nbexec.vmap(keyed, backend="serial")(np.arange(3))
    assert {key: value.tolist() for key, value in found.items()} == {"a": [0, 1, 2], "b": [1, 1, 1]}


def test_masks_are_kept():
    masked = np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]])
    for transform in nbexec.vmap, nbexec.pmap:
        found = transform(lambda part: part, backend="serial")(masked)
        assert found.mask.tolist() == masked.mask.tolist()


def test_none_has_nothing_to_map_as_in_jax():
    def first(both, other):
        return both["a"], both["b"] is None and other is None

    found = nbexec.vmap(first, backend="serial")({"a": [1, 2], "b": None}, None)
    assert found == ([1, 2], [True, True])


def test_axes_may_be_numbers_of_numpy_and_dataclasses_with_slots():
    total = nbexec.vmap(lambda p: p.x + p.y, in_axes=(Point(np.int64(0), None),), backend="serial")
    assert total(Point([1, 2], 3)) == [4, 5]


@pytest.mark.parametrize(
    "value", [float("nan"), np.array([1, np.nan]), [np.ones(2)], [1, "a"], None, "text"]
)
def test_one_result_for_all_may_be_any_value(value):
    found = nbexec.vmap(lambda item: value, out_axes=None, backend="serial")([1, 2])
    assert found is value


def test_results_of_other_shapes_are_not_one_for_all():
    with pytest.raises(ValueError, match="out_axes is None"):
        nbexec.vmap(np.ones, out_axes=None, backend="serial")([1, 2])


def test_lists_in_lists_are_looked_into_only_as_far_as_the_axis():
    class Watched(list):
        def __iter__(self):
            raise AssertionError("looked into")

    assert nbexec.vmap(len, backend="serial")([Watched("abc")]) == [3]


def test_axes_of_results_from_the_end():
    rows = [[1, 2], [3, 4]]
    assert nbexec.vmap(list, out_axes=-1, backend="serial")(rows) == [[1, 3], [2, 4]]
    assert nbexec.vmap(sum, out_axes=-1, backend="serial")(rows) == [3, 7]
    for batch in rows, np.array(rows):
        for axis in -2, 1:
            with pytest.raises(ValueError, match="out_axes"):
                nbexec.vmap(lambda row: 1, out_axes=axis, backend="serial")(batch)


@dataclasses.dataclass
class Scaled:
    x: object
    factor = 1  # of the class: no field

    def __post_init__(self):
        self.size = len(self.x)


def test_of_a_dataclass_the_function_gets_its_fields_alone_as_in_jax():
    """What else was set on it is about the batch: its size, say, is not that of an item."""
    batch = Scaled([1, 2])
    batch.factor = 10
    seen = nbexec.vmap(lambda one: (one.x, one.factor, hasattr(one, "size")), backend="serial")
    assert seen(batch) == ([1, 2], [1, 1], [False, False])


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_axes_are_those_of_jax(data):
    jax = pytest.importorskip("jax")
    count = data.draw(st.integers(1, 3))

    def argument():
        """Give an array, or a container of some, and its axes."""
        kind = data.draw(st.sampled_from(["array", "array", "dict", "pair"]))
        if kind == "array":
            shape = data.draw(st.lists(st.integers(1, 3), max_size=2))
            axis = data.draw(st.none() | st.integers(0, len(shape)))
            if axis is not None:
                shape.insert(axis, count)
                axis = data.draw(st.sampled_from([axis, axis - len(shape)]))
            return np.arange(np.prod(shape), dtype=np.float32).reshape(shape), axis
        (one, axis), (other, second) = argument(), argument()
        if kind == "pair":
            return (one, other), (axis, second)
        return {"a": one, "b": other}, {"a": axis, "b": second}

    pairs = [argument() for _ in range(data.draw(st.integers(1, 3)))]
    pairs.append((np.arange(count, dtype=np.float32), 0))  # one is mapped
    args, in_axes = zip(*pairs, strict=True)
    out = data.draw(st.sampled_from([0, -1, {"sum": 0, "all": -1}]))

    def fn(*parts):
        leaves = [leaf.value for leaf in trees.leaves_of(parts)]
        total = sum(leaf.sum() for leaf in leaves)
        return {"sum": total, "all": leaves[0] + total}

    expected = jax.vmap(fn, in_axes, out)(*args)
    found = nbexec.vmap(fn, in_axes, out, backend="serial")(*args)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].shape == value.shape
        assert np.allclose(found[key], value)
