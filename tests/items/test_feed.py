"""Where items come from: lists are sliced where they are, iterators pulled as far as wanted."""

from __future__ import annotations

import pytest

from nbexec.items import feed
from nbexec.items.feed import Source


def now(job):
    job()


@pytest.mark.parametrize("items", [[1, 2, 3], (1, 2, 3), range(1, 4)])
def test_a_list_is_all_at_hand(items):
    source = Source([items], now)
    assert (source.total, source.left, source.at_hand) == (3, 3, 3)
    first, rest = source.take(2), source.take(9)
    assert (list(first.items), first.indices) == ([1, 2], range(2))
    assert (list(rest.items), rest.indices) == ([3], range(2, 3))
    assert source.left == 0


def test_items_are_numbered_from_where_others_ended():
    source = Source([[1, 2, 3]], now, first=10)
    assert (source.total, source.left, source.taken) == (3, 3, 0)
    assert source.take(2).indices == range(10, 12)
    assert source.take(2).indices == range(12, 13)
    assert (source.held(10), source.held(12)) == (1, 3)
    with pytest.raises(LookupError):
        source.held(13)
    with pytest.raises(LookupError):
        source.held(9)


def test_a_list_may_be_changed_by_its_owner_meanwhile():
    items = [1, 2, 3]
    source = Source([items], now)
    items.clear()
    assert list(source.take(3).items) == [1, 2, 3]


def test_an_iterator_is_pulled_only_as_far_as_was_wanted():
    seen = []
    source = Source([(seen.append(x) or x for x in range(10))], now)
    assert (source.total, source.at_hand) == (None, 0)
    source.want(4, source.supply)
    assert seen == [0, 1, 2, 3]
    assert list(source.take(3).items) == [0, 1, 2]
    source.want(100, source.supply)
    assert (source.total, source.left, source.at_hand) == (10, 7, 7)
    assert list(source.take(9).items) == list(range(3, 10))


def test_an_iterator_that_raises_gives_what_came_before():
    def items():
        yield 1
        yield 2
        raise OSError("gone")

    source = Source([items()], now)
    source.want(10, source.supply)
    assert isinstance(source.error, OSError)
    assert list(source.take(9).items) == [1, 2]
    assert source.left == 0


def test_an_interrupt_in_an_iterator_reaches_its_thread():
    def items():
        raise KeyboardInterrupt
        yield

    source = Source([items()], now)
    with pytest.raises(KeyboardInterrupt):
        source.want(10, source.supply)
    assert isinstance(source.error, KeyboardInterrupt)


def test_a_slow_iterator_gives_handfuls(monkeypatch):
    monkeypatch.setattr(feed, "PATIENCE", -1.0)  # as if each item took too long
    source = Source([iter(range(10))], now)
    source.want(10, source.supply)
    assert source.at_hand == 1
    assert source.total is None
