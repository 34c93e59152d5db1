"""Pending chunks: requeued ones before new ones, retries when they are due."""

from __future__ import annotations

import math

from nbexec.items.chunk_size import ChunkSizer
from nbexec.items.feed import Source
from nbexec.model import Chunk
from nbexec.run.backlog import Backlog


def backlog_of(items, chunk=None):
    return Backlog(Source([items], lambda job: job()), ChunkSizer(chunk))


def taken(backlog):
    chunk = backlog.next(1, None)
    return None if chunk is None else list(chunk.items)


def test_a_new_chunk_is_the_one_that_the_feed_made(monkeypatch):
    made = []
    backlog = backlog_of(range(10), chunk=3)
    take = backlog.feed.take
    monkeypatch.setattr(backlog.feed, "take", lambda *given: made.append(take(*given)) or made[-1])
    chunk = backlog.next(1, None)
    assert chunk is made[0]
    assert (list(chunk.items), chunk.budget) == ([0, 1, 2], math.inf)


def test_requeued_items_come_before_new_ones_the_first_of_them_first():
    backlog = backlog_of(list("abcdefgh"), chunk=2)
    first, second = backlog.next(1, None), backlog.next(1, None)
    backlog.requeue(second)
    backlog.requeue(first)
    assert backlog.left == 8
    assert [taken(backlog) for _ in range(3)] == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_a_requeued_chunk_that_is_too_large_is_cut():
    backlog = backlog_of("", chunk=2)
    backlog.requeue(Chunk(range(5), "abcde", attempt=3))
    chunk = backlog.next(1, None)
    assert (chunk.items, chunk.attempt) == ("ab", 3)
    assert [taken(backlog) for _ in range(3)] == [["c", "d"], ["e"], None]


def test_suspects_come_one_by_one():
    backlog = backlog_of("", chunk=2)
    backlog.requeue_singly(Chunk(range(3), "abc"))
    assert [taken(backlog) for _ in range(4)] == [["a"], ["b"], ["c"], None]


def test_a_retry_waits_until_it_is_due():
    backlog = backlog_of("", chunk=2)
    backlog.delay(Chunk((0,), "a", attempt=2), until=7.0)
    backlog.delay(Chunk((1,), "b", attempt=2), until=5.0)
    assert backlog.due() == 5.0
    backlog.release_due(4.9)
    assert taken(backlog) is None
    assert not backlog.over()
    backlog.release_due(5.0)
    assert taken(backlog) == ["b"]
    assert backlog.due() == 7.0


def test_behind_the_limit_nothing_comes_any_more():
    backlog = backlog_of(range(10), chunk=2)
    early, late = backlog.next(1, None), backlog.next(1, None)
    backlog.limit = 1
    backlog.requeue(late)
    backlog.requeue(early)
    assert not backlog.over()
    assert taken(backlog) == [0, 1]
    assert taken(backlog) is None
    assert backlog.over()


def test_no_more_is_pulled_than_there_is_room_for():
    seen = []
    backlog = backlog_of((seen.append(x) or x for x in range(100)), chunk=10)
    assert backlog.next(1, 4) is None
    assert (backlog.wanted, seen) == (4, [])
    backlog.feed.want(backlog.wanted, backlog.feed.supply)
    chunk = backlog.next(1, 4)
    assert seen == list(chunk.items) == [0, 1, 2, 3]
    assert backlog.next(1, 0) is None
    assert backlog.wanted == 0


def test_no_more_of_a_list_is_taken_than_there_is_room_for():
    backlog = backlog_of(list(range(100)), chunk=10)
    assert list(backlog.next(1, 4).items) == [0, 1, 2, 3]
    assert backlog.next(1, 0) is None
