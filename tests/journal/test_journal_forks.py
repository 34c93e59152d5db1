"""A fork while a journal is written."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading

import pytest

import nbexec
from nbexec.journal.writer import Writer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_amid_a_commit_leaves_both_processes_whole(tmp_path, monkeypatch):
    """The child goes on without the parent's connection, and the parent ends its commit."""
    begun, forked = threading.Event(), threading.Event()
    commit = Writer._commit

    def slow(self, batches):
        alive = self._alive

        def wait(connection):
            begun.set()
            assert forked.wait(60)
            alive(connection)

        self._alive = wait
        try:
            commit(self, batches)
        finally:
            self._alive = alive

    monkeypatch.setattr(Writer, "_commit", slow)
    run = nbexec.start(str, range(50), backend="threads", checkpoint=tmp_path / "parent.db")
    assert begun.wait(60)
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(60)  # where it hangs
            forked.set()
            own = nbexec.map(str, range(5), backend="threads", checkpoint=tmp_path / "child.db")
            code = 0 if own == [*map(str, range(5))] else 2
        finally:
            os._exit(code)
    ended = os.waitpid(child, 0)[1]
    forked.set()
    assert ended == 0
    assert run.result() == [*map(str, range(50))]
    for name, count in (("parent.db", 50), ("child.db", 5)):
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        again = nbexec.map(str, range(count), backend="serial", checkpoint=tmp_path / name)
        assert again.run.stats.restored == count
