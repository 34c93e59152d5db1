"""Child processes of items: how they start, and what they get by value."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import types
from multiprocessing import process, reduction

import pytest

from nbexec.worker import children


@pytest.fixture(autouse=True)
def as_before():
    """multiprocessing is left as it was."""
    yield
    multiprocessing.set_start_method(None, force=True)
    if hasattr(reduction.ForkingPickler, "reducer_override"):
        del reduction.ForkingPickler.reducer_override


@pytest.mark.parametrize("method", [None, "spawn"])
def test_children_start_as_those_of_the_kernel(method):
    multiprocessing.set_start_method(method, force=True)
    found = children.start_method()
    assert found == method
    multiprocessing.set_start_method("spawn", force=True)  # as in a worker
    children.allow(found)
    assert multiprocessing.get_start_method(allow_none=True) == method


def script(monkeypatch, text: str) -> types.ModuleType:
    """Give a module of functions that have come by value from the user's script."""
    made = types.ModuleType("__main__")
    exec(text, made.__dict__)
    return made


def test_what_came_by_value_is_sent_by_value(monkeypatch):
    here = script(monkeypatch, "def double(x): return 2 * x\nclass Pair: pass")
    with pytest.raises((pickle.PicklingError, AttributeError)):
        reduction.ForkingPickler.dumps(here.double)
    children.allow(None)
    arrived = pickle.loads(reduction.ForkingPickler.dumps([here.double, here.Pair, here.Pair()]))
    assert arrived[0](4) == here.double(4)
    assert type(arrived[2]) is arrived[1]


def test_what_has_a_name_is_sent_by_its_name(monkeypatch):
    children.allow(None)
    monkeypatch.setattr(sys.modules["__main__"], "there", script, raising=False)
    for thing in (script, children.allow, dict):
        assert pickle.loads(reduction.ForkingPickler.dumps(thing)) is thing


def test_what_a_plain_loop_can_not_send_is_not_sent():
    children.allow(None)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        reduction.ForkingPickler.dumps(lambda: None)


def test_a_daemon_may_start_processes_for_a_while(monkeypatch):
    config = process.current_process()._config
    monkeypatch.setitem(config, "daemon", True)
    with children.permitted():
        assert not process.current_process().daemon
    assert process.current_process().daemon
    with pytest.raises(ZeroDivisionError), children.permitted():
        1 / 0  # noqa: B018
    assert process.current_process().daemon
