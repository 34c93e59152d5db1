"""Inside a worker, and the wire to it.

Covers `nbexec.serialize.pickling`, `nbexec.serialize.cloud_pickler`,
`nbexec.serialize.block_files`, `nbexec.serialize.unpicklable`,
`nbexec.serialize.tracebacks`, `nbexec.worker.entry`,
`nbexec.worker.envelope`, `nbexec.worker.reply` and `nbexec.worker.task_cache`.
"""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from typing import ClassVar

import numpy as np
import pytest

from nbexec.errors import PickleError
from nbexec.model import Task
from nbexec.serialize import block_files, pickling, tracebacks, unpicklable
from nbexec.worker import module_values, task_cache
from nbexec.worker.chunk_state import ChunkState
from nbexec.worker.entry import run_packed
from nbexec.worker.envelope import Envelope, PackedCall
from nbexec.worker.execute import ExecutionSpec, StopFlag, run_chunk
from nbexec.worker.logging_setup import logging_here
from nbexec.worker.reply import receive
from nbexec.worker.setup_once import SetupOnce
from nbexec.worker.surroundings.kernel_state import Surroundings


def run(fn, items, stop_flag=None, **more):
    return run_task(Task(fn, "fn"), items, stop_flag, **more)


def run_task(task, items, stop_flag=None, budget=float("inf"), **more):
    spec = ExecutionSpec(task, SetupOnce(task), stop_flag or StopFlag(), **more)
    return run_chunk(spec, ChunkState(items), budget)


def test_functions_and_classes_that_are_sent_keep_the_name_of_their_file():
    there = {"__name__": "__main__"}
    source = "def f():\n    return lambda: 1\nclass C:\n    def g(self): pass\n"
    exec(compile(source, "<cell 3>", "exec"), there)
    f, made = pickling.loads(pickling.dumps((there["f"], there["C"])))
    names = {code.co_filename for code in (f.__code__, f().__code__, made.g.__code__)}
    assert names == {"<cell 3>"}
    assert f()() == 1


def test_values_errors_and_times_are_columns():
    outcome = run(lambda x: 1 // x, [1, 0, 2])
    assert outcome.values == [1, None, 0]
    assert list(outcome.errors) == [1]
    assert isinstance(outcome.errors[1].exception, ZeroDivisionError)
    assert list(outcome.ends) == sorted(outcome.ends)
    assert len(outcome.ends) == 3
    assert outcome.peak_rss > 1_000_000


def test_a_traceback_has_no_frame_of_ours():
    outcome = run(lambda x: 1 // x, [0])
    assert "nbexec/worker/execute.py" not in outcome.errors[0].traceback
    task = Task(divmod, "divmod", star=True, setup=lambda: 0)
    outcome = run_task(task, [(1,)])
    assert isinstance(outcome.errors[0].exception, ZeroDivisionError)
    assert outcome.errors[0].traceback.count("nbexec/worker") == 1  # divmod has no frame


def test_a_budget_that_is_used_up_ends_the_chunk():
    outcome = run(lambda x: x, [1, 2, 3], budget=0.0)
    assert outcome.values == [1]


def test_a_pulled_leash_ends_the_chunk():
    stop_flag = StopFlag()
    outcome = run(lambda x: stop_flag.stop() if x == 2 else x, [1, 2, 3, 4], stop_flag)
    assert outcome.values == [1, None]
    assert not outcome.errors


def test_an_interrupt_ends_the_chunk_and_keeps_what_was_finished():
    def work(x):
        if x == 3:
            raise KeyboardInterrupt
        return x

    caught = []
    outcome = run(work, [1, 2, 3, 4], interrupt=caught.append)
    assert outcome.values == [1, 2]
    assert not outcome.errors
    assert len(caught) == 1


SEEN = Surroundings.here(), module_values.here()
NOBODY = Envelope("nowhere", 0, False, False)  # hears what is said only at the end


def packed(fn, items, key, **more):
    return sent(
        pickling.pack((*SEEN, Task(fn, "fn", **more), logging_here())),
        items,
        key,
    )


def sent(block, items, key):
    size, infinite = len(items), float("inf")
    call = PackedCall(
        key, block, size, pickling.dumps(items), infinite, False, b"", b"", False, NOBODY
    )
    return receive(run_packed(call), NOBODY)


def test_a_packed_chunk_comes_back():
    outcome = packed(lambda x: x + 1, [1, 2], "key-1")
    assert outcome.values == [2, 3]
    assert outcome.worker.startswith("process ")


def test_setup_runs_once_for_a_key(tmp_path):
    def setup():
        with (tmp_path / "setups").open("a") as file:
            return file.write("x")

    block = pickling.pack(
        (
            Surroundings.here(),
            module_values.here(),
            Task(lambda item, state: item, "fn", setup=setup),
            logging_here(),
        )
    )
    for key in ("key-2", "key-2", "key-2b", "key-2"):
        assert sent(block, [1], key).values == [1]
    assert (tmp_path / "setups").read_text() == "xx"


def test_items_that_cannot_be_unpickled_come_again_one_by_one():
    class Bad:
        def __reduce__(self):
            return int, ("no number",)

    block = pickling.pack((*SEEN, Task(abs, "abs"), logging_here()))
    several = sent(block, [1, Bad()], "key-3")
    assert several.values == []
    alone = sent(block, [Bad()], "key-3")
    error = alone.errors[0].exception
    assert isinstance(error, PickleError)
    assert "the item can't be unpickled in the worker: ValueError: invalid" in str(error)


class Values:
    """Stands for what modules hold; notes when it is taken on."""

    taken: ClassVar[list[str]] = []

    def __init__(self, name):
        self.name = name
        self.taken.append(name)

    def __reduce__(self):
        return Values, (self.name,)

    def take_on(self):
        self.taken.append(self.name)

    def loaded(self):
        """Do nothing: no module came with the task."""


class Broken:
    def __reduce__(self):
        return int, ("no number",)


def test_a_run_that_cannot_be_loaded_leaves_the_modules_of_no_other_run():
    def block(name, function):
        task = Task(function, "fn")
        return pickling.pack((SEEN[0], Values(name), task, logging_here()))

    one, other = block("one", len), block("other", Broken())
    task_cache.load("key-one", one)
    with pytest.raises(ValueError, match="no number"):
        task_cache.load("key-other", other)
    Values.taken.clear()
    task_cache.load("key-one", one)
    assert Values.taken == ["one"]


def test_setup_runs_once_however_many_threads_a_worker_has():
    ran, both = [], threading.Barrier(2)

    def setup():
        ran.append(1)
        time.sleep(0.05)  # long enough for the other to come

    task = Task(lambda item, state: item, "fn", setup=setup)
    prepared = SetupOnce(task)

    def ask():
        both.wait()
        prepared()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]


def test_an_exception_keeps_its_type_and_its_frames():
    def deep(x):
        raise KeyError(x)

    error = packed(lambda x: deep(x), ["k"], "key-4").errors[0]
    assert isinstance(error.exception, KeyError)
    frames, step = [], error.exception.__traceback__
    while step is not None:
        frames.append(step.tb_frame.f_code.co_name)
        step = step.tb_next
    assert frames == ["<lambda>", "deep"]


def test_a_traceback_that_was_sent_reads_as_it_did():
    def deep(x):
        # the lines of the function come before the one that raises
        y = x
        return [y, (1 +
                    y["key"]), 3]  # fmt: skip

    def sent(error):
        places = pickle.loads(pickle.dumps(tracebacks.dump(error.__traceback__)))
        return "".join(traceback.format_tb(tracebacks.load(places)))

    with pytest.raises(TypeError) as caught:
        deep(1)
    error = caught.value
    assert sent(error) == "".join(traceback.format_tb(error.__traceback__))
    last, again = (
        error.__traceback__.tb_next,
        tracebacks.load(tracebacks.dump(error.__traceback__)).tb_next,
    )
    for name in ("co_firstlineno", "co_name", "co_filename"):
        assert getattr(again.tb_frame.f_code, name) == getattr(last.tb_frame.f_code, name)
    assert again.tb_lineno == last.tb_lineno
    assert tracebacks.load([]) is None


# ---------------------------------------------------------------- wire


def test_pack_keeps_arrays_beside_the_pickle(tmp_path):
    value = {"a": np.arange(10_000.0), "b": np.ones((3, 5), dtype="f4"), "c": "text", "d": []}
    block = pickling.pack(value)
    again = block_files.unpack(bytearray(block))
    file = tmp_path / "block"
    file.write_bytes(block)
    mapped = block_files.unpack_file(file)
    for got in (again, mapped):
        assert got["c"] == "text"
        assert got["d"] == []
        np.testing.assert_array_equal(got["a"], value["a"])
        np.testing.assert_array_equal(got["b"], value["b"])
        got["a"][0] = -1.0  # writable, and nobody else's
    assert value["a"][0] == 0.0
    assert block_files.unpack_file(file)["a"][0] == 0.0
    assert mapped["a"].ctypes.data % 64 == 0


def test_explain_names_what_was_captured():
    lock, data = threading.Lock(), [1]

    def uses(x):
        return lock, data, x

    with pytest.raises(TypeError) as caught:
        pickling.dumps(uses)
    why = unpicklable.explain(uses, caught.value)
    assert isinstance(why, PickleError)
    assert str(why).startswith("'lock' (_thread.lock) in ")
    assert "backend='threads'" in str(why)
    assert why.__cause__ is caught.value
