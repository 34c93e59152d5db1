"""When what ended is committed."""

from __future__ import annotations

import sqlite3
import time

import pytest

import nbexec
from nbexec.journal import writer

from ..waiting import until


def committed(path):
    """Give how many items' values another process would find."""
    try:
        with sqlite3.connect(path) as connection:
            return connection.execute("SELECT count(*) FROM items").fetchone()[0]
    except sqlite3.OperationalError:  # not there yet
        return 0


@pytest.fixture
def never(monkeypatch):
    """Items are committed for no other reason than what they took, or that the run ends."""
    monkeypatch.setattr(writer, "EVERY", 3600.0)


def test_what_took_long_is_committed_while_others_run(backend, tmp_path, never):
    """With a kernel that dies only what was running runs again: ended items share no fate."""
    release = tmp_path / "release"

    def work(x):
        time.sleep(0.02)
        for place in range(10):  # the first ten that come end: which these are, workers decide
            try:
                (tmp_path / f"begun-{place}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return x
        while not release.exists():
            time.sleep(0.01)
        return x

    path = tmp_path / "run.db"
    run = nbexec.start(work, range(40), backend=backend, checkpoint=path)
    until(lambda: committed(path) == 10)
    release.touch()
    assert run.result() == list(range(40))


def test_what_took_little_waits_for_more(tmp_path, never):
    release = tmp_path / "release"

    def work(x):
        while x == 500 and not release.exists():
            time.sleep(0.01)
        return x

    path = tmp_path / "run.db"
    run = nbexec.start(work, range(501), backend="threads", checkpoint=path)
    until(lambda: run.stats.done == 500)
    assert committed(path) == 0
    release.touch()
    assert run.result() == list(range(501))
    assert committed(path) == 501


def test_a_batch_that_took_long_takes_the_others_along(tmp_path, never):
    connection = sqlite3.connect(
        tmp_path / "some.db", check_same_thread=False, isolation_level=None
    )
    connection.execute("CREATE TABLE failures (a, b, c, d, e, f, g, h, i)")
    for table, columns in (("items", 6), ("places", 5), ("classes", 2)):
        connection.execute(f"CREATE TABLE {table} ({', '.join('abcdef'[:columns])})")
    one = writer.Writer(connection, alive=lambda _: None, stopped=lambda error: None)
    row = ("run", 0, 1, b"", b"")
    one.put(writer.Batch(places=[row], count=1))
    one.put(writer.Batch(places=[row], count=1, costly=True))
    count = "SELECT count(*) FROM places"
    other = sqlite3.connect(tmp_path / "some.db")
    until(lambda: other.execute(count).fetchone()[0] == 2)
    one.close()
    connection.close()
    other.close()
