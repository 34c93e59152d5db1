"""What functions captured that is large: written once for all runs, and never mistaken.

Covers `nbexec.serialize.task_file`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import nbexec
from nbexec.backends import buffer_store
from nbexec.backends.buffer_store import LARGE, BufferStore, store_task
from nbexec.backends.scratch import scratch_folder
from nbexec.serialize import pickling, task_file

from ..waiting import until

SIZE = 2 * LARGE


def make(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, SIZE, dtype=np.uint8)


def files() -> dict[str, int]:
    """Give the store's files, each with what tells it from another that took its name."""
    there = [one for one in scratch_folder().iterdir() if one.name.startswith("buffer-")]
    return {one.name: one.stat().st_ino for one in there}


@pytest.fixture(autouse=True)
def empty():
    buffer_store.shared_buffers().clear()
    assert files() == {}
    yield
    buffer_store.shared_buffers().clear()
    assert files() == {}


def total(array: np.ndarray, remote: str) -> int:
    """Give the sum of an array that a function captured, by the workers."""
    (one, other) = nbexec.map(lambda _: int(array.sum()), range(2), backend=remote)
    assert one == other
    return one


def test_the_same_array_is_written_once(remote):
    array = make(1)
    assert total(array, remote) == array.sum()
    before = files()
    assert len(before) == 1
    assert total(array.copy(), remote) == array.sum()  # by any name
    assert files() == before


def test_one_that_changed_is_sent_again(remote):
    array = make(1)
    total(array, remote)
    array[SIZE // 2] ^= 1
    assert total(array, remote) == array.sum()
    assert len(files()) == 2


def test_what_an_item_does_to_an_array_is_not_there_in_the_next_run(remote):
    array = make(1)

    def spoil(_):
        array[:] = 0
        return int(array.sum())

    assert nbexec.map(spoil, range(4), backend=remote) == [0] * 4
    assert total(array, remote) == array.sum() > 0


def test_one_that_is_read_only_stays_so_beside_one_that_is_not(remote):
    free, fixed = make(1), make(1)
    fixed.flags.writeable = False
    flags = nbexec.map(
        lambda _: (free.flags.writeable, fixed.flags.writeable), range(2), backend=remote
    )
    assert flags == [(True, False)] * 2
    assert len(files()) == 1


def test_small_ones_and_large_ones_in_one_function(remote):
    small, large = np.arange(pickling.LARGE, dtype=np.int64)[::-1].copy(), make(2)
    found = nbexec.map(lambda x: int(small[x]) + int(large[x]), range(4), backend=remote)
    assert found == [int(small[x]) + int(large[x]) for x in range(4)]


def buffer(seed: int, size: int = SIZE) -> pickle.PickleBuffer:
    return pickle.PickleBuffer(make(seed)[:size])


def test_what_no_run_uses_stays_as_far_as_there_is_room():
    small = BufferStore(room=2 * SIZE)
    kept = [small.acquire(buffer(seed)) for seed in range(4)]
    assert all(one.path.exists() for one in kept)  # each is in use
    for one in kept:
        small.release(one)
    assert [one.path.exists() for one in kept] == [False, False, True, True]
    again = small.acquire(buffer(2))
    assert again is kept[2]
    small.clear()
    assert again.path.exists()
    small.release(again)
    small.clear()
    assert not again.path.exists()


def test_after_a_while_nothing_stays(monkeypatch):
    monkeypatch.setattr(buffer_store, "PATIENCE", 0.05)
    here = BufferStore(room=1 << 30)
    kept = here.acquire(buffer(1))
    here.release(kept)
    until(lambda: not kept.path.exists())


def test_threads_that_ask_at_the_same_time_get_the_same_one(monkeypatch):
    """Two shelves would give two arrays the same file."""
    monkeypatch.setattr(buffer_store, "_stores", {})
    together = threading.Barrier(2)

    def slowly():
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.1)
        return 1 << 30

    monkeypatch.setattr("nbexec.system.machine.memory_limit", slowly)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: buffer_store.shared_buffers(), range(2))
    assert one is other


def test_one_that_was_tidied_away_is_written_again():
    here = BufferStore(room=1 << 30)
    kept = here.acquire(buffer(1))
    kept.path.unlink()
    assert here.acquire(buffer(1)).path.exists()
    for one in here._stored.values():
        one.path.unlink()


def test_a_file_is_told_by_what_is_in_it(monkeypatch):
    """An array that another thread changes while it is written is never taken for what it was."""
    here = BufferStore(room=1 << 30)
    array = make(1)
    real = buffer_store.keep

    def late(name, pieces):
        array[0] ^= 1
        return real(name, pieces)

    with monkeypatch.context() as patch:
        patch.setattr(buffer_store, "keep", late)
        changed = here.acquire(pickle.PickleBuffer(array))
    first = here.acquire(buffer(1))
    assert first is not changed
    assert Path(first.path).read_bytes() == make(1).tobytes()
    assert Path(changed.path).read_bytes() == array.tobytes()
    assert here.acquire(pickle.PickleBuffer(array)) is changed
    for one in (first, changed):
        one.path.unlink()


def test_a_task_that_finds_no_place_leaves_nothing(monkeypatch):
    real = buffer_store.keep

    def full(name, pieces):
        if name == "key":
            raise OSError("no room")
        return real(name, pieces)

    monkeypatch.setattr(buffer_store, "keep", full)
    with pytest.raises(OSError, match="no room"):
        store_task("key", *pickling.dumps_apart(make(1)))
    assert [one.uses for one in buffer_store.shared_buffers()._stored.values()] == [0]
    assert "key" not in os.listdir(scratch_folder())


def test_a_task_comes_back_as_it_was(tmp_path):
    value = {"a": make(1), "b": np.arange(LARGE // 4), "c": "text"}
    stored = store_task("key", *pickling.dumps_apart(value))
    again = task_file.load(str(stored.file))
    assert again.keys() == value.keys()
    np.testing.assert_array_equal(again["a"], value["a"])
    np.testing.assert_array_equal(again["b"], value["b"])
    stored.drop()
    assert not stored.file.exists()
