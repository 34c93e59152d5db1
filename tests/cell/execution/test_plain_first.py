"""`PlainFirst`: the items of a plain loop, in blocks, up to where the rest goes elsewhere.

Covers `nbexec.cell.execution.plain_first`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

import pytest

from nbexec.backends.base import Running
from nbexec.cell.execution import plain_first
from nbexec.cell.execution.plain_first import Pace, PlainFirst


def never(seen, position, running):
    return False


def leaving_at(position):
    """Decide as soon as the plain loop has taken so many items."""
    return lambda seen, taken, running: taken >= position


@pytest.fixture(autouse=True)
def a_look_after_each_block(monkeypatch):
    monkeypatch.setattr(plain_first, "ENOUGH", 0.0)
    monkeypatch.setattr(plain_first, "LONGEST", 0.0)


SOURCES = {
    "list": lambda: list(range(50)),
    "tuple": lambda: tuple(range(50)),
    "range": lambda: range(50),
    "text": lambda: "abc" * 9,
    "dict": lambda: dict.fromkeys(range(50)),
    "items": lambda: {n: n for n in range(50)}.items(),
    "set": lambda: set(range(50)),
    "deque": lambda: deque(range(50)),
    "ordered": lambda: OrderedDict.fromkeys(range(50)),
    "generator": lambda: (n for n in range(50)),
    "enumerate": lambda: enumerate("abcdefgh"),
    "empty": lambda: [],
    "empty generator": lambda: iter(()),
}


@pytest.mark.parametrize("made", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("decide", [never, leaving_at(1), leaving_at(7)])
def test_the_items_are_those_of_the_iterable_in_order(made, decide):
    with PlainFirst(made(), decide) as plain:
        taken = [*plain]
        rest = [*plain.iterator]
    assert taken + rest == [*made()]
    assert plain.taken == len(taken) or plain.taken == len(taken) + len(rest)
    assert plain.over != plain.left
    assert plain.handed_over == plain.left


def test_an_iterator_is_asked_once_for_itself():
    class Restarts:
        def __iter__(self):
            self.at = 0
            return self

        def __next__(self):
            self.at += 1
            if self.at > 40:
                raise StopIteration
            return self.at

    with PlainFirst(Restarts(), never) as plain:
        assert [*plain] == list(range(1, 41))


def test_an_iterator_that_ended_is_not_asked_again():
    calls = []

    class Ends:
        def __iter__(self):
            return self

        def __next__(self):
            calls.append(1)
            if len(calls) > 3:
                raise StopIteration
            return 1

    with PlainFirst(Ends(), never) as plain:
        assert [*plain] == [1, 1, 1]
    assert len(calls) == 4


def test_no_item_is_taken_before_its_turn():
    given = []

    def items():
        for n in range(30):
            given.append(n)
            yield n

    with PlainFirst(items(), never) as plain:
        for n in plain:
            assert given[-1] == n


def test_a_list_that_grows_meanwhile_is_followed():
    xs = [0]
    with PlainFirst(xs, never) as plain:
        for x in plain:
            if x < 20:
                xs.append(x + 1)
    assert plain.over
    assert xs == list(range(21))


def test_a_loop_that_breaks_has_neither_ended_nor_been_handed_over():
    with PlainFirst(range(9), never) as plain:
        for n in plain:
            if n == 3:
                break
    assert not plain.over
    assert not plain.handed_over


def test_an_exception_of_the_iterable_is_raised_in_its_turn():
    def items():
        yield 1
        raise ValueError("no more")

    with PlainFirst(items(), never) as plain:
        reading = iter(plain)
        assert next(reading) == 1
        with pytest.raises(ValueError, match="no more"):
            next(reading)
    assert not plain.over


def test_items_that_were_read_ahead_come_back_in_their_place():
    def decide(seen, position, running):
        plain.put_back([next(plain.iterator)])
        return False

    with PlainFirst((n for n in range(30)), decide) as plain:
        places = [(n, plain.taken) for n in plain]
    assert places[0] == (0, 1)
    assert [n for n, _ in places] == list(range(30))
    assert plain.taken == 30


@pytest.mark.parametrize("breaks", [False, True])
def test_the_iterable_is_closed_where_the_loop_ends_though_another_thread_has_it(breaks):
    closed = []

    def items():
        try:
            yield from range(9)
        finally:
            closed.append(threading.get_ident())

    def hold(plain):
        plain.look_at_running(0.0)
        held.set()
        over.wait()

    held, over = threading.Event(), threading.Event()
    plain = PlainFirst(zip(range(3), items(), strict=False), never)
    holding = threading.Thread(target=hold, args=(plain,), daemon=True)
    reading = iter(plain)
    next(reading)
    holding.start()
    held.wait()
    del plain
    if not breaks:
        assert len([*reading]) == 2
    del reading
    first = closed[:]
    over.set()
    holding.join()
    assert first == [threading.get_ident()]


def test_nothing_is_decided_once_it_has_ended():
    with PlainFirst(range(3), leaving_at(99)) as plain:
        pass
    plain.look_at_running(0.0)
    assert not plain.left


# ---------------------------------------------------------------- what items take


def reading(wall, cpu, starved=0.0):
    return Running(wall, cpu, starved)


def test_the_first_item_counts_only_while_there_is_little_else(monkeypatch):
    monkeypatch.setattr(plain_first, "ENOUGH", 0.02)
    pace = Pace()
    pace.add(1, reading(0, 0), reading(1.0, 1.0))  # it imported something
    assert pace.evidence().wall == 1.0
    pace.add(10, reading(1.0, 1.0), reading(1.1, 1.1))
    seen = pace.evidence()
    assert (seen.items, seen.wall, seen.busy) == (10, pytest.approx(0.1), pytest.approx(0.1))


def test_what_was_long_ago_counts_less(monkeypatch):
    monkeypatch.setattr(plain_first, "LONGEST", 0.2)
    pace = Pace()
    at = 0.0
    for each in [0.001] * 400 + [0.1] * 5:
        pace.add(1, reading(at, at), reading(at + each, at + each))
        at += each
    seen = pace.evidence()
    assert seen.wall / seen.items > 0.01


def test_time_without_a_core_is_not_the_items():
    pace = Pace()
    pace.add(1, reading(0, 0), reading(1.0, 0.4, starved=0.6))
    seen = pace.evidence()
    assert (seen.wall, seen.busy) == (pytest.approx(0.4), pytest.approx(0.4))


def test_time_that_waits_is():
    pace = Pace()
    pace.add(1, reading(0, 0), reading(1.0, 0.1))
    seen = pace.evidence()
    assert (seen.wall, seen.busy) == (1.0, 0.1)


def test_blocks_grow_until_they_take_a_while():
    pace = Pace()
    pace.add(1, reading(0, 0), reading(1e-6, 1e-6))
    assert pace.next_size(1, 0.0) == 2
    pace.add(1, reading(0, 0), reading(0.1, 0.1))
    assert pace.next_size(64, 0.0) == 1
