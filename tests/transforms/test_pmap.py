"""`nbexec.pmap`: a slice for each worker, joined."""

from __future__ import annotations

import numpy as np
import pytest

import nbexec


def doubled(batch):
    return [2 * one for one in batch]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_slices_are_joined_in_order(count, backend):
    assert nbexec.pmap(doubled, backend=backend, workers=3)(list(range(count))) == doubled(
        range(count)
    )


def test_there_is_a_slice_for_each_worker():
    sizes = nbexec.pmap(lambda batch: [len(batch)], backend="threads", workers=4)(range(10))
    assert sorted(sizes) == [2, 2, 3, 3]


def test_arrays_along_any_axis():
    array = np.arange(24).reshape(2, 3, 4)
    found = nbexec.pmap(np.sqrt, in_axes=2, out_axes=2, backend="threads", workers=3)(array)
    assert np.array_equal(found, np.sqrt(array))
    pair = nbexec.pmap(lambda x, k: (x + k, x.sum()), (0, None), (0, None), workers=1)
    added, total = pair(array, 5)
    assert np.array_equal(added, array + 5)
    assert total == array.sum()


def test_frames_keep_their_index():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": range(5)}, index=list("vwxyz"))
    found = nbexec.pmap(lambda part: part * 2, backend="processes", workers=2)(frame)
    pd.testing.assert_frame_equal(found, frame * 2)
    with pytest.raises(ValueError, match="use vmap"):
        nbexec.pmap(len)(frame.groupby("a"))


def test_a_function_that_gives_no_batch_is_told():
    with pytest.raises(ValueError, match="along axis 0, but it gave int"):
        nbexec.pmap(sum, backend="threads", workers=2)([1, 2, 3])


def test_a_decorator():
    @nbexec.pmap(workers=2, backend="threads")
    def squared(batch):
        return [one * one for one in batch]

    assert squared([1, 2, 3]) == [1, 4, 9]
