"""Blocks: several items of a chunk in one call, and what becomes of one that can't be done so."""

from __future__ import annotations

import pytest

from nbexec.model import Task
from nbexec.worker import blocks
from nbexec.worker.blocks import Block, ChunkItems, Covering, Ran
from nbexec.worker.chunk_state import ChunkState, SharedChunkState
from nbexec.worker.execute import ExecutionSpec, StopFlag, run_chunk
from nbexec.worker.setup_once import SetupOnce


class Sum(Covering):
    """The sum of some items."""

    def __init__(self, items):
        self.items, self.count = items, len(items)


class Doubled:
    """Doubles items, those of a block at once; `odd` ones can't be done in one."""

    def __init__(self, odd=(), fails=()):
        self.odd, self.fails = odd, fails
        self.alone, self.blocks = [], []

    def __call__(self, item):
        self.alone.append(item)
        if item in self.fails:
            raise ValueError(item)
        return 2 * item

    def __nbexec_block__(self, block):
        done = []
        for item in block.walk(list):
            if item in self.odd or item in self.fails:
                break
            done.append(item)
        self.blocks.append(done)
        return Ran(Sum(done), len(done), int(len(done) < len(block.items)))


def outcome_of(fn, items, budget=float("inf")):
    """Run a chunk."""
    task = Task(fn, "doubled")
    spec = ExecutionSpec(task, SetupOnce(task), StopFlag())
    return run_chunk(spec, SharedChunkState(items), budget)


def covered(values):
    """Give the items, as values say that they were done: one by one, or in a block."""
    found, at = [], 0
    while at < len(values):
        one = values[at]
        if isinstance(one, Sum):
            assert values[at + 1 : at + one.count] == [None] * (one.count - 1)
            found += one.items
            at += one.count
        else:
            found.append(None if one is None else one // 2)
            at += 1
    return found


def test_brief_items_run_in_blocks():
    fn = Doubled()
    outcome = outcome_of(fn, list(range(500)))
    assert covered(outcome.values) == list(range(500))
    assert len(outcome.ends) == 500
    assert list(outcome.ends) == sorted(outcome.ends)
    assert fn.alone == [0]
    assert len(fn.blocks) < 10


@pytest.mark.parametrize("at", [0, 1, 2, 250, 498, 499])
def test_an_odd_item_is_called_alone_and_none_is_lost(at):
    fn = Doubled(odd=[at])
    assert covered(outcome_of(fn, list(range(500))).values) == list(range(500))
    assert at in fn.alone


def test_a_failed_item_is_an_error_of_its_own():
    outcome = outcome_of(Doubled(fails=[7, 300]), list(range(500)))
    assert list(outcome.errors) == [7, 300]
    assert covered(outcome.values) == [None if n in (7, 300) else n for n in range(500)]


def test_what_a_block_raises_is_the_error_of_its_first_item():
    class Broken(Doubled):
        def __nbexec_block__(self, block):
            raise OSError("broken")

    outcome = outcome_of(Broken(), [0, 1, 2, 3])
    assert outcome.values == [0, None, 4, 6]
    assert list(outcome.errors) == [1]


def test_slow_items_run_one_by_one(monkeypatch):
    monkeypatch.setattr(blocks, "BRIEF", 0.0)
    fn = Doubled()
    assert outcome_of(fn, [1, 2, 3]).values == [2, 4, 6]
    assert fn.blocks == []


def test_a_timed_task_runs_item_by_item():
    fn = Doubled()
    task = Task(fn, "doubled", timed=True)
    spec = ExecutionSpec(task, SetupOnce(task), StopFlag())
    assert run_chunk(spec, SharedChunkState([1, 2, 3])).values == [2, 4, 6]


def test_a_block_ends_when_it_has_lasted(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 0.0)
    fn = Doubled()
    outcome_of(fn, list(range(100)))
    assert len(fn.blocks) > 3


def test_a_chunk_ends_at_its_budget_and_keeps_what_it_took():
    fn = Doubled(odd=range(0, 1000, 3))
    state = SharedChunkState(list(range(1000)))
    task = Task(fn, "doubled")
    spec = ExecutionSpec(task, SetupOnce(task), StopFlag())
    outcome = run_chunk(spec, state, 0.0)
    assert covered(outcome.values) == list(range(len(outcome.values)))
    assert len(outcome.values) + state.pending == 1000


def test_pending_items_can_be_taken_back_during_a_block(monkeypatch):
    monkeypatch.setattr(blocks, "PART", 0.0)  # one item at a time
    monkeypatch.setattr(blocks, "BRIEF", float("inf"))  # in a block, however slow the machine is

    class Given(Doubled):
        def __nbexec_block__(self, block):
            state.take_back(1000)
            return super().__nbexec_block__(block)

    state = SharedChunkState(list(range(100)))
    task = Task(Given(), "doubled")
    outcome = run_chunk(ExecutionSpec(task, SetupOnce(task), StopFlag()), state)
    assert covered(outcome.values) == [0, 1]


def test_no_block_begins_once_the_chunk_is_stopped():
    class Stopping(Doubled):
        def __nbexec_block__(self, block):
            flag.stop()
            return super().__nbexec_block__(block)

    flag = StopFlag()
    task = Task(Stopping(), "doubled")
    spec = ExecutionSpec(task, SetupOnce(task), flag)
    values = covered(run_chunk(spec, SharedChunkState(list(range(100)))).values)
    assert values == list(range(len(values)))
    assert len(values) < 10


class Marked:
    __nbexec_alone__ = True


def test_an_item_that_has_to_be_called_alone_is_in_no_block():
    last = Marked()
    source = ChunkItems(ChunkState([1, 2, last]))
    assert source.take(5) == [1, 2]
    assert source.take(5) == []
    assert source.held
    assert source.one() == [last]
    assert source.one() == []


def test_what_is_given_back_comes_next_and_in_order():
    source = ChunkItems(SharedChunkState([1, 2, 3, 4, 5]))
    assert source.take(3) == [1, 2, 3]
    source.give_back([2, 3])
    assert source.take(3) == [2, 3, 4]


def test_a_walk_counts_the_items_that_it_has_given():
    block = Block(ChunkItems(ChunkState(range(10))), StopFlag(), 4)
    walk = block.walk(list)
    assert [next(walk) for _ in range(6)] == [0, 1, 2, 3, 4, 5]
    assert block.begun == 6


def test_items_that_are_taken_by_two_are_each_taken_once():
    state = SharedChunkState(range(10))
    assert state.take(4) == [0, 1, 2, 3]
    assert state.take_back(3) == 3
    assert state.take(100) == [4, 5, 6]
    assert state.take(1) == []
