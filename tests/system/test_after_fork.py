"""After a fork: what a child makes new, and how it ends where it comes back from an item."""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import types
import weakref

import pytest

from nbexec.system import after_fork

from ..waiting import until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # threads; Python 3.12
]


def in_child(work) -> int:
    """Give the exit code of a forked child that calls `work`, which must give True."""
    child = os.fork()
    if child == 0:
        done = False
        try:
            done = work()
        finally:
            os._exit(0 if done else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def resets(monkeypatch):
    """What a test adds is gone after it."""
    assert after_fork._resets  # those of modules, and so the hook
    monkeypatch.setattr(after_fork, "_resets", [*after_fork._resets])


def test_resets_are_called_in_the_child_alone(resets):
    called = []
    after_fork.add(lambda: called.append(os.getpid()))
    here = after_fork.count
    assert in_child(lambda: called == [os.getpid()] and after_fork.count == here + 1) == 0
    assert called == []
    assert after_fork.count == here


def has_begun_anew(thing) -> bool:
    return thing.state == "new"


def test_an_object_begins_anew_as_long_as_it_lives():
    class Thing:
        state = "the parent's"

        def after_fork(self) -> None:
            self.state = "new"

    thing = Thing()
    after_fork.watch(thing)
    assert in_child(functools.partial(has_begun_anew, thing)) == 0
    assert thing.state == "the parent's"
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None


def test_one_reset_that_raises_leaves_the_others_their_turn(resets, monkeypatch):
    called, said = [], []
    monkeypatch.setattr(sys, "excepthook", lambda *about: said.append(about[0]))
    after_fork.add(lambda: 1 / 0)
    after_fork.add(lambda: called.append(1))
    assert in_child(lambda: called == [1] and said == [ZeroDivisionError]) == 0


def test_a_lock_that_another_thread_held_is_free_in_the_child(resets):
    lock, over = threading.Lock(), threading.Event()
    after_fork.renew(lock)
    holder = threading.Thread(target=lambda: lock.acquire() and over.wait())
    holder.start()
    until(lock.locked)
    assert in_child(lambda: lock.acquire(timeout=1)) == 0
    assert lock.locked()
    over.set()
    holder.join()


def test_what_is_kept_is_never_finalised():
    finalised = []

    class Thing:
        def __del__(self) -> None:
            finalised.append(1)

    def work() -> bool:
        thing = Thing()
        after_fork.keep(thing)
        del thing
        gc.collect()
        return not finalised

    assert in_child(work) == 0


def test_a_fork_waits_for_the_import_of_another_thread(tmp_path, monkeypatch):
    begun, over = threading.Event(), threading.Event()
    gate = types.SimpleNamespace(begun=begun, over=over)
    monkeypatch.setitem(sys.modules, "nbexec_test_gate", gate)
    monkeypatch.syspath_prepend(tmp_path)
    text = "import nbexec_test_gate as g\ng.begun.set()\ng.over.wait()\nready = True\n"
    (tmp_path / "nbexec_test_slow.py").write_text(text)
    importer = threading.Thread(target=__import__, args=("nbexec_test_slow",))
    importer.start()
    begun.wait()
    threading.Timer(0.1, over.set).start()
    assert in_child(lambda: __import__("nbexec_test_slow").ready) == 0
    importer.join()
    del sys.modules["nbexec_test_slow"]


def test_a_fork_waits_for_an_import_no_longer_than_a_moment(monkeypatch):
    monkeypatch.setattr(after_fork, "IMPORTING", 0.01)
    monkeypatch.setattr(after_fork, "_importing", lambda locks: True)
    after_fork.let_imports_end()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (SystemExit(), 0),
        (SystemExit(3), 3),
        (SystemExit("why"), 1),
        (ValueError("why"), 1),
    ],
)
def test_a_child_ends_as_a_script_does(error, code, capfd):
    child = os.fork()
    if child == 0:
        import atexit

        atexit._clear()
        sys.stderr = os.fdopen(2, "w", closefd=False)
        atexit.register(os.write, 1, b"exit hook")
        after_fork.end_child(error)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    out, said = capfd.readouterr()
    assert out == "exit hook"
    assert ("why" in said) == (code == 1)
    assert ("ValueError: why" in said) == isinstance(error, ValueError)
