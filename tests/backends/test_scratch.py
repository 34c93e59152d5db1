"""Large items and values: beside the pickle, in files that are gone at the end.

Covers `nbexec.backends.remote`.
"""

from __future__ import annotations

import os
import resource
import signal
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest

import nbexec
from nbexec.backends import scratch
from nbexec.backends.base import SessionSpec
from nbexec.backends.processes import Processes
from nbexec.backends.remote import RemoteSession
from nbexec.backends.scratch import keep, scratch_folder
from nbexec.items.chunk_size import HEAVIEST, ChunkSizer
from nbexec.model import Chunk, Task
from nbexec.serialize import block_files, pickling
from nbexec.worker.entry import run_packed

from ..waiting import until

SIZE = 4 * pickling.LARGE


def left() -> list[str]:
    """Give the files of chunks that are there now."""
    return [name for name in os.listdir(scratch_folder()) if name.startswith(("items-", "values-"))]


def make(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, SIZE, dtype=np.uint8)


def test_values_and_items_are_the_same_and_nothing_is_left(backend):
    def turn(it):
        number, array = it
        return number, array[::-1].copy(), {"also": array.reshape(64, -1).T}

    items = [(number, make(number)) for number in range(12)]
    results = nbexec.map(turn, items, backend=backend)
    for (number, array), (again, back, more) in zip(items, results, strict=True):
        assert again == number
        np.testing.assert_array_equal(back, array[::-1])
        np.testing.assert_array_equal(more["also"], array.reshape(64, -1).T)
        assert back.flags.writeable
        assert more["also"].flags.writeable
    assert left() == []


def test_what_could_be_written_to_can_and_what_could_not_can_not(remote):
    fixed = make(1)
    fixed.flags.writeable = False

    def write(array):
        writeable = array.flags.writeable
        if writeable:
            array[0] = 7
        return writeable, array

    free = make(2)
    before = free.copy()
    (one, first), (other, second) = nbexec.map(write, [fixed, free], backend=remote)
    assert (one, other) == (False, True)
    assert (first.flags.writeable, second.flags.writeable) == (False, True)
    assert second[0] == 7
    np.testing.assert_array_equal(free, before)  # it was written to in the worker alone


def test_values_do_not_share_memory(remote):
    results = nbexec.map(lambda seed: (make(seed), make(seed)), range(4), chunk=4, backend=remote)
    arrays = [array for pair in results for array in pair]
    arrays[0][:] = 0
    np.testing.assert_array_equal(arrays[1], make(0))
    owners = {id(array if array.base is None else array.base) for array in arrays}
    assert len(owners) == len(arrays)  # one that is kept keeps no other


def test_a_failed_item_of_large_ones_is_its_own(remote):
    def fail(array):
        if array[0] == 1:
            raise ValueError("one")
        return array

    items = [np.full(SIZE, number, np.uint8) for number in range(4)]
    results = nbexec.map(fail, items, backend=remote, on_error="collect", retries=1)
    assert [isinstance(one, nbexec.Failure) for one in results] == [False, True, False, False]
    np.testing.assert_array_equal(results[1].item, items[1])
    assert left() == []


def test_nothing_is_left_of_workers_that_died(remote):
    def die(array):
        if array[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return array

    items = [np.full(SIZE, number, np.uint8) for number in range(6)]
    results = nbexec.map(die, items, backend=remote, on_error="collect")
    assert [one.kind for one in results.failures] == ["lost"]
    assert left() == []


def test_nothing_is_left_of_a_run_that_was_cancelled(remote):
    def slow(array):
        import time

        time.sleep(0.02)
        return array

    run = nbexec.start(slow, [make(1)] * 500, backend=remote)
    until(lambda: run.stats.done > 3)
    run.cancel()
    run.cancel()
    run.wait()
    until(lambda: left() == [])


@contextmanager
def no_room(size=pickling.LARGE):
    """Let no file grow beyond so many bytes; Python makes an OSError of the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_for_files_they_go_in_the_message():
    backend = Processes()  # its workers have no room, and are not used again
    room = 1 << 22  # for the task and what the modules of this process hold
    try:

        def turn(array):
            return array[::-1].copy()

        def tighten():
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))

        items = [np.tile(make(number), 2 * room // SIZE) for number in range(4)]
        nbexec.map(len, [()], backend=backend)  # workers begin with room for what they need
        with no_room(room):
            results = nbexec.map(
                lambda array, _: turn(array), items, setup=tighten, backend=backend
            )
        for item, result in zip(items, results, strict=True):
            np.testing.assert_array_equal(result, item[::-1])
        assert left() == []
    finally:
        backend.close()


def test_what_must_be_in_a_file_goes_to_disk_without_room_in_memory():
    full = scratch_folder() / "full"
    full.symlink_to("/dev/full")  # where each write says that there is no room
    path = keep("full", lambda: block_files.laid_out(*pickling.dumps_apart(make(1))))
    assert path.parent == scratch_folder(in_memory=False) != scratch_folder()
    np.testing.assert_array_equal(block_files.unpack_file(path), make(1))
    path.unlink()


def test_a_file_is_whole_or_not_there(tmp_path):
    data, buffers = pickling.dumps_apart([make(1), make(2)])
    assert len(buffers) == 2
    with no_room(), pytest.raises(OSError, match="too large"):
        block_files.write_file(tmp_path / "block", data, buffers)
    assert list(tmp_path.iterdir()) == []
    size = block_files.write_file(tmp_path / "block", data, buffers)
    assert (tmp_path / "block").stat().st_size == size
    for read in (block_files.read_file, block_files.unpack_file):
        for made, seed in zip(read(tmp_path / "block"), (1, 2), strict=True):
            np.testing.assert_array_equal(made, make(seed))
    os.truncate(tmp_path / "block", size - 1)
    with pytest.raises(EOFError, match="1 bytes too early"):
        block_files.read_file(tmp_path / "block")


def test_small_arrays_and_those_with_gaps_stay_in_the_pickle():
    small, gaps = make(1)[: pickling.LARGE - 1], make(2)[::2]
    data, buffers = pickling.dumps_apart([small, gaps])
    assert buffers == []
    again = pickling.loads(data)
    np.testing.assert_array_equal(again[0], small)
    np.testing.assert_array_equal(again[1], gaps)


def test_a_chunk_is_not_heavier_than_one_message_should_be():
    pace = ChunkSizer()
    pace.measure(4, 4e-6, size=4_000_000)
    assert pace.size(10_000, 2) == HEAVIEST / 1e6
    pace.measure(16, 16e-6, size=0)  # lighter ones: it grows again, not at once
    assert HEAVIEST / 1e6 < pace.size(10_000, 2) < 64


def test_a_worker_keeps_nothing_of_a_run_that_has_ended(remote):
    big = make(1)

    def mapped(x, state):
        """Say who runs it, and whether what setup made is there; use the function's array."""
        return os.getpid(), path.exists() and big[x] is not None

    class Model:
        """What setup made."""

        def __del__(self):
            path.unlink(missing_ok=True)

    path = scratch_folder() / "model"

    def setup():
        path.touch()
        return Model()

    results = nbexec.map(mapped, range(8), setup=setup, backend=remote)
    pids = {pid for pid, _ in results}
    assert all(there for _, there in results)
    until(lambda: not path.exists())
    for pid in pids:
        until(lambda pid=pid: str(scratch_folder()) not in Path(f"/proc/{pid}/maps").read_text())


class ByHand(RemoteSession):
    """A session whose replies come when the test says."""

    def send(self, slot, chunk, call):
        self.call, self.reply = call, Future()
        return self.reply

    def abort(self, slot):
        return True

    def answer(self):
        self.reply.set_result(run_packed(self.call))


def same(array):
    return array


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_left_of_a_reply_that_is_not_taken_in(when, monkeypatch):
    monkeypatch.setattr("nbexec.system.blas.hold", lambda *held: None)  # this process is no worker
    replies = []
    task, hear = Task(same, "same"), lambda *said: None
    setting = SessionSpec(task, lambda *reply: replies.append(reply), None, hear, copy_context(), 1)
    session = ByHand(setting, local=True)
    session.submit(0, Chunk(range(1), [make(1)]))
    assert [name.partition("-")[0] for name in left()] == ["items"]
    if when == "before":
        session.answer()
        assert [name.partition("-")[0] for name in left()] == ["values"]
    session.close()
    if when == "after":
        session.answer()
    assert left() == []
    assert len(replies) == 1  # it was delivered, and the run had no use for it


def test_a_folder_is_not_made_anew_once_it_was_removed_at_the_end(monkeypatch, tmp_path):
    """An empty folder in shared memory was left behind by what still ran at Python's end."""
    monkeypatch.setattr(scratch, "_folders", {})
    monkeypatch.setattr(scratch, "_removed", set())
    folder = scratch_folder()
    assert scratch_folder() == folder
    scratch._remove(folder)
    with pytest.raises(nbexec.NbexecError, match="the interpreter is shutting down"):
        scratch_folder()
    assert not folder.exists()
