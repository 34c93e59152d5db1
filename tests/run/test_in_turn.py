"""The order in which what items issued reaches handlers, and the thread that calls them."""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar

import pytest

from nbexec.backends.caller_thread import CallerThread
from nbexec.model import Chunk
from nbexec.run.in_turn import InTurn
from nbexec.run.kernel_handlers import handle
from nbexec.worker.issued import pack_record, unpack

NAME = "in.turn"


class Said(logging.Handler):
    def __init__(self):
        super().__init__()
        self.said = []
        self.threads = set()

    def emit(self, record):
        self.said.append(record.getMessage())
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def said():
    handler, logger = Said(), logging.getLogger(NAME)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def packed(text, *args):
    made = logging.LogRecord(NAME, logging.INFO, __file__, 1, text, args, None)
    return pack_record(made, None, threading.get_ident())


def chunk(*indices, attempt=1):
    return Chunk(indices, [None] * len(indices), attempt)


def in_turn(ordered=True, own=True):
    caller_thread = CallerThread()
    caller_thread.own = own
    return InTurn(caller_thread, lambda *said: None, lambda *job: None, ordered), caller_thread


def test_records_wait_until_no_earlier_item_is_outstanding(said):
    turns, _ = in_turn()
    later, first = chunk(2, 3), chunk(0, 1)
    turns.arrived(later, 1, packed("three"))
    turns.arrived(later, 0, packed("two"))
    turns.advance(0, later)
    assert said.said == []
    turns.arrived(first, 0, packed("zero"))
    turns.advance(2, first)
    assert said.said == ["zero"]
    turns.advance(float("inf"))
    assert said.said == ["zero", "two", "three"]
    assert not turns.waiting


def test_where_the_order_does_not_matter_they_come_with_their_items(said):
    turns, _ = in_turn(ordered=False)
    one, other = chunk(0), chunk(1)
    turns.arrived(one, 0, packed("zero"))
    turns.arrived(other, 0, packed("one"))
    turns.advance(0, other)
    assert said.said == ["one"]
    turns.end(None)
    assert said.said == ["one", "zero"]


def test_items_that_run_again_as_if_they_had_not_are_forgotten(said):
    turns, _ = in_turn()
    turns.arrived(chunk(0), 0, packed("tried"))
    turns.arrived(again := chunk(0, 1, attempt=2), 0, packed("lost"))
    turns.again(again)
    turns.end(None)
    assert said.said == ["tried"]


def test_a_run_that_stops_leaves_out_what_a_plain_loop_would_not_have_come_to(said):
    turns, _ = in_turn()
    for at in range(4):
        turns.arrived(chunk(at), 0, packed("item %d", at))
    turns.end(last=1)
    assert said.said == ["item 0", "item 1"]


def test_the_thread_that_waits_calls_the_handlers(said):
    turns, caller_thread = in_turn(own=False)
    turns.arrived(chunk(0), 0, packed("item"))
    turns.advance(1)
    assert said.said == []
    served = threading.Thread(target=caller_thread.serve, name="waits")
    served.start()
    turns.end(None)
    caller_thread.release()
    served.join()
    assert said.said == ["item"]
    assert said.threads == {"waits"}


def test_a_run_ends_though_nobody_serves_it(said, monkeypatch):
    monkeypatch.setattr("nbexec.run.in_turn.BUSY", 0.01)
    turns, _ = in_turn(own=False)
    turns.arrived(chunk(0), 0, packed("item"))
    turns.end(None)
    assert said.said == ["item"]


def test_a_filter_that_raises_breaks_nothing(said, capsys):
    def refuse(record):
        raise RuntimeError("no")

    logger = logging.getLogger(NAME)
    logger.addFilter(refuse)
    try:
        turns, _ = in_turn()
        turns.arrived(chunk(0), 0, packed("item"))
        turns.end(None)
    finally:
        logger.removeFilter(refuse)
    assert said.said == []


def test_filters_see_the_context_variables_of_the_item(said):
    variable = ContextVar("user", default="nobody")
    call = unpack(packed("item"))._replace(variables=[(variable, "me")])
    seen = []
    said.addFilter(lambda record: seen.append(variable.get()) or True)
    handle(call)
    assert seen == ["me"]
    assert variable.get() == "nobody"


def test_a_record_is_as_it_was():
    made = logging.LogRecord(NAME, 30, "file.py", 7, "%s", ({"a": 1},), None, "work")
    made.created -= 100
    found = unpack(pack_record(made, None, threading.get_ident())).record()
    same = ("created", "levelname", "lineno", "pathname", "funcName", "args", "thread", "module")
    assert {name: getattr(found, name) for name in same} == {
        name: getattr(made, name) for name in same
    }
    assert found.relativeCreated == pytest.approx(made.relativeCreated - 100_000, abs=5)
