"""The journal: the same call runs only the missing items, in this kernel and in others.

Covers `nbexec.journal.code_fingerprint`, `nbexec.journal.database`,
`nbexec.journal.fingerprint`, `nbexec.journal.keys`, `nbexec.journal.known_files`,
`nbexec.journal.locks`, `nbexec.journal.lookup`, `nbexec.journal.notes`,
`nbexec.journal.occurrences`, `nbexec.journal.past`, `nbexec.journal.recall`,
`nbexec.journal.rows`, `nbexec.journal.values`, `nbexec.journal.writer` and
`nbexec.system.user_code`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import nbexec
from nbexec.journal import known_files
from nbexec.journal.database import VERSION, connect
from nbexec.journal.occurrences import Occurrences
from nbexec.run.registry import RunRegistry
from nbexec.telemetry.events import Restored, Steered

from ..chaos import kill
from ..telemetry.test_events import check
from ..waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    """Where a journal goes."""
    return tmp_path / "run.db"


@pytest.fixture
def calls(tmp_path):
    """What a function called, in whatever process: `note(x)`, then `calls()`."""
    return Calls(tmp_path / "calls")


class Calls:
    def __init__(self, folder):
        folder.mkdir()
        self.folder = str(folder)

    def note(self, x):
        name = f"{self.folder}/{x}-{os.getpid()}-{time.monotonic_ns()}"
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))

    def __call__(self):
        """Give what was noted since the last time, sorted."""
        found = []
        for one in Path(self.folder).iterdir():
            found.append(int(one.name.partition("-")[0]))
            one.unlink()
        return sorted(found)


def python(code, seed="random", **more):
    """Run a script in a new process, as a kernel would be."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=100, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def double(x):
    return 2 * x


# ---------------------------------------------------------------- what runs


def test_a_rerun_runs_nothing(backend, path, calls, log):
    def work(x):
        calls.note(x)
        return x * x

    first = nbexec.map(work, range(20), backend=backend, checkpoint=path)
    assert calls() == list(range(20))
    log.events.clear()
    again = nbexec.map(work, range(20), backend=backend, checkpoint=path)
    assert calls() == []
    assert again == first == [x * x for x in range(20)]
    assert (again.stats.done, again.stats.restored, first.stats.restored) == (20, 20, 0)
    assert len(check(log.events)) == 20
    assert sum(len(one.chunk) for one in log.events if isinstance(one, Restored)) == 20


def test_added_items_alone_run(backend, path, calls):
    def work(x):
        calls.note(x)
        return x * x

    nbexec.map(work, [3, 1, 4], backend=backend, checkpoint=path)
    calls()
    results = nbexec.map(work, [9, 3, 2, 1, 4], backend=backend, checkpoint=path)
    assert results == [81, 9, 4, 1, 16]
    assert calls() == [2, 9]


def test_failed_items_alone_run_again(backend, path, calls):
    broken = str(path) + ".broken"
    Path(broken).touch()

    def work(x):
        calls.note(x)
        if x % 3 == 0 and os.path.exists(broken):
            raise ValueError(x)
        return x

    results = nbexec.map(work, range(10), backend=backend, checkpoint=path, on_error="collect")
    assert [one.index for one in results.failures] == [0, 3, 6, 9]
    calls()
    os.unlink(broken)
    assert nbexec.map(work, range(10), backend=backend, checkpoint=path) == list(range(10))
    assert calls() == [0, 3, 6, 9]


def test_what_ended_before_a_failure_stopped_the_run_is_kept(backend, path, calls):
    broken = str(path) + ".broken"
    Path(broken).touch()

    def work(x):
        calls.note(x)
        if x == 30 and os.path.exists(broken):
            raise ValueError(x)
        return x

    with pytest.raises(ValueError, match="30"):
        nbexec.map(work, range(40), backend=backend, checkpoint=path)
    ended = nbexec.last_run().stats.done
    assert ended >= 30
    ran = calls()
    os.unlink(broken)
    results = nbexec.map(work, range(40), backend=backend, checkpoint=path)
    assert results == list(range(40))
    assert results.stats.restored == ended
    assert len(calls()) == 40 - ended
    assert len(ran) >= ended


def test_equal_items_keep_different_values(path):
    draw = lambda _: random.random()
    first = nbexec.map(draw, [0] * 10, checkpoint=path)
    assert len(set(first)) == 10
    assert nbexec.map(draw, [0] * 10, checkpoint=path) == first
    longer = nbexec.map(draw, [0] * 12, checkpoint=path)
    assert longer[:10] == first
    assert longer.stats.restored == 10


@pytest.mark.parametrize("held", [2, 1000])
def test_occurrences_are_counted_in_memory_and_in_a_file(held):
    occurrences = Occurrences(held)
    digests = [bytes([number]) * 16 for number in (1, 2, 1, 3, 4, 1, 2)]
    assert occurrences.count(digests) == [0, 0, 1, 0, 0, 2, 1]
    assert occurrences.count(digests[:3]) == [3, 2, 4]
    occurrences.close()


def test_imap_gives_what_is_there_in_order(backend, path):
    nbexec.map(double, range(0, 300, 2), backend=backend, checkpoint=path)
    results = nbexec.imap(double, iter(range(300)), backend=backend, checkpoint=path)
    assert list(results) == [2 * x for x in range(300)]
    assert nbexec.last_run().stats.restored == 150


@pytest.mark.parametrize("kind", [list, iter])
def test_imap_reads_back_no_more_than_the_window(path, kind):
    nbexec.map(Value, range(200), checkpoint=path, backend="threads")
    nbexec.map(abs, [1])  # so that nobody has the values of the run before

    def there():
        return sum(type(one) is Value for one in gc.get_objects())

    until(lambda: gc.collect() >= 0 and not there())  # its thread may have them for a moment
    most = 0
    for at, value in enumerate(
        nbexec.imap(Value, kind(range(200)), checkpoint=path, window=10, backend="threads")
    ):
        assert value.x == at
        if at % 10 == 5:
            time.sleep(0.02)  # as much comes as may come
            most = max(most, there())
    assert nbexec.last_run().stats.restored == 200
    assert 5 < most <= 12


class Value:
    def __init__(self, x):
        self.x = [x][0]


def test_amap_start_invoke_and_the_executor_restore(path):
    nbexec.map(double, range(5), checkpoint=path)
    results = asyncio.run(nbexec.amap(double, range(5), checkpoint=path))
    assert (results, results.stats.restored) == ([0, 2, 4, 6, 8], 5)
    run = nbexec.start(double, range(5), checkpoint=path)
    assert (run.result(), run.stats.restored) == ([0, 2, 4, 6, 8], 5)
    for restored in (0, 2):
        results = nbexec.invoke(functools.partial(double, 1), int, checkpoint=path)
        assert (results, results.stats.restored) == ([2, 0], restored)
    for restored in (0, 1):
        with nbexec.Executor("threads", checkpoint=path) as executor:
            assert executor.submit(pow, 2, 3).result() == 8
        assert executor.stats.restored == restored


def test_a_coroutine_function(path):
    async def work(x):
        await asyncio.sleep(0)
        return x + 1

    assert nbexec.map(work, range(9), checkpoint=path) == list(range(1, 10))
    assert nbexec.map(work, range(9), checkpoint=path).stats.restored == 9


def test_several_iterables_and_setup(path):
    def work(a, b, state):
        return a + b + state

    first = nbexec.map(work, [1, 2], [3, 4], setup=lambda: 10, checkpoint=path)
    assert first == [14, 16]
    assert nbexec.map(work, [1, 2], [3, 4], setup=lambda: 10, checkpoint=path).stats.restored == 2
    changed = nbexec.map(work, [1, 2], [3, 4], setup=lambda: 20, checkpoint=path)
    assert (changed, changed.stats.restored) == ([24, 26], 0)


def test_a_cell_restores(path):
    source = "out = []\nfor x in range(6):\n    y = x * k\n    out.append(y)"
    for k, restored in ((2, 0), (2, 6), (3, 0)):
        names = {"k": k}
        report = nbexec.parallel(source, names, checkpoint=path)
        assert names["out"] == [x * k for x in range(6)]
        assert (names["x"], names["y"]) == (5, 5 * k)
        assert report.stats.restored == restored
    names = {"k": 2}
    report = nbexec.parallel(source.replace("6", "8"), names, checkpoint=path)
    assert names["out"] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert (names["x"], names["y"], report.stats.restored) == (7, 14, 6)


def test_a_restored_cell_appends_the_very_items(path):
    source = "out = []\nfor p in people:\n    out.append(p)"
    for backend, restored in (("auto", 0), ("processes", 2), ("threads", None)):
        names = {"people": [["ann"], ["bob"]]}
        report = nbexec.parallel(source, names, checkpoint=path, backend=backend)
        assert (report.stats and report.stats.restored) == restored
        assert all(one is other for one, other in zip(names["out"], names["people"], strict=True))


# ---------------------------------------------------------------- what is told


def notes(results):
    return " | ".join(results.stats.notes)


def test_a_changed_function_runs_again_and_says_why(path, log):
    def helper(x):
        return x + 1

    def version(captured, default):
        def work(x, more=default):
            return helper(x) + captured + more

        return work

    first = nbexec.map(version(1, 2), range(3), checkpoint=path)
    assert nbexec.map(version(1, 2), range(3), checkpoint=path) == first
    assert nbexec.last_run().stats.notes == ()

    changed = nbexec.map(version(5, 2), range(3), checkpoint=path)
    assert (changed, changed.stats.restored) == ([8, 9, 10], 0)
    assert "`work` changed since" in notes(changed)
    assert notes(changed).endswith(": the captured `captured`")
    assert any(isinstance(one, Steered) and one.note for one in log.events)

    assert notes(nbexec.map(version(5, 7), range(3), checkpoint=path)).endswith("the defaults")

    def helper(x):  # noqa: F811
        return x + 2

    changed = nbexec.map(version(5, 7), range(3), checkpoint=path)
    assert changed == [14, 15, 16]
    assert "helper`, which it calls" in notes(changed)

    def work(x):
        return x

    assert "its code" in notes(nbexec.map(work, range(3), checkpoint=path))


def test_restored_items_are_in_the_summary_and_not_in_the_rate(path, capsys):
    nbexec.map(double, range(1200), checkpoint=path)
    results = nbexec.map(double, range(1200), checkpoint=path, progress="text")
    assert "1,200 / 1,200" in capsys.readouterr().err
    assert results.stats.rate == 0
    assert "1,200 from the journal" in repr(results.run)


def test_items_without_a_fingerprint_run_every_time(path):
    import threading

    locks = [threading.Lock(), 1]
    for restored in (0, 1):
        results = nbexec.map(lambda item: str(type(item).__name__), locks, checkpoint=path)
        assert results == ["lock", "int"]
        assert results.stats.restored == restored
        assert "have no fingerprint: a _thread.lock" in notes(results)


def test_results_that_cannot_be_kept_run_again(path):
    import threading

    work = lambda x: threading.Lock() if x == 1 else x
    for restored in (0, 2):
        results = nbexec.map(work, range(3), checkpoint=path, backend="threads")
        assert (results[0], results[2], results.stats.restored) == (0, 2, restored)
        assert "some results can't be kept" in notes(results)


def test_a_function_without_a_fingerprint_is_refused(path):
    import threading

    lock = threading.Lock()

    def work(x):
        with lock:
            return x

    with pytest.raises(
        nbexec.JournalError, match=r"`work` can't be kept .*captured `lock`: a _thr"
    ):
        nbexec.map(work, [1], checkpoint=path)


@pytest.mark.parametrize("bad", [5, "", True, b"x"])
def test_a_bad_path_is_told(bad):
    with pytest.raises(nbexec.OptionError, match="checkpoint must be the path of a file"):
        nbexec.map(abs, [1], checkpoint=bad)


# ---------------------------------------------------------------- across kernels

KERNEL = """
    import dataclasses, nbexec
    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        tags: frozenset
    def helper(p):
        return p.x * 2
    def work(item):
        return Point(helper(item["p"]), item["tags"] | {{"c"}}), "a" in {{"a", "b"}}
    words = ["alpha", "beta", "gamma"]
    items = [
        {{"p": Point(x, frozenset(words)), "tags": set(words), "names": words * 2, str(x): None}}
        for x in range(20)
    ]
    results = nbexec.map(work, items, checkpoint={path!r}, progress="off", backend={backend!r})
    assert [one.x for one, _ in results] == [2 * x for x in range(20)]
    assert all(type(one) is Point for one, _ in results)
    assert all(one.tags == {{*words, "c"}} and found for one, found in results)
    print(results.stats.restored, *results.stats.notes)
"""


def test_another_kernel_with_another_hash_seed_restores(path):
    script = KERNEL.format(path=str(path), backend="serial")
    assert python(script, seed=1) == "0"
    assert python(script, seed=2) == "20"
    assert python("\n\n    # moved down\n" + script, seed=3) == "20"
    assert python(KERNEL.format(path=str(path), backend="processes"), seed=4) == "20"
    changed = python(script.replace("p.x * 2", "2 * p.x"), seed=5)
    assert changed.startswith("0 `work` changed since")
    assert changed.endswith("all of it runs: `helper`, which it calls")


def test_results_of_a_notebook_class_come_back_without_the_class(path):
    python(KERNEL.format(path=str(path), backend="serial"))
    run_id = nbexec.runs(path)[0].id
    results = nbexec.attach(run_id, path).results
    assert [one.x for one, _ in results] == [2 * x for x in range(20)]


def test_a_cell_of_ipykernel_is_the_same_wherever_it_stands(path):
    code = f"""
        from IPython.core.interactiveshell import InteractiveShell
        import nbexec
        shell = InteractiveShell()
        for _ in range({{blank}}):
            shell.run_cell("pass", store_history=True)
        shell.run_cell("%load_ext nbexec")
        shell.run_cell("def f(x):\\n    class A:\\n        y = x\\n    return A.y", store_history=True)
        shell.run_cell("def g(x):\\n    return x", store_history=True)
        shell.run_cell("import nbexec; r = nbexec.map(f, [1, 2], checkpoint={str(path)!r}, progress='off')", store_history=True)
        print(shell.user_ns["r"].stats.restored)
        cell = "%%parallel --progress off --checkpoint {path}\\nout = []\\nfor x in [5, 6]:\\n    out.append(g(x))"
        shell.run_cell(cell, store_history=True).raise_error()
        print(shell.user_ns["out"], nbexec.last_run().stats.restored)
    """  # noqa: E501
    assert python(code.format(blank=0)).splitlines()[0] == "0"
    said = python(code.format(blank=3)).splitlines()
    assert said[0] == "2"
    assert "[5, 6] 2" in said


# ---------------------------------------------------------------- values


def test_large_values_come_back_and_can_be_changed(path, backend):
    make = lambda x: {"array": np.full(300_000, x), "small": np.arange(3), "x": x}
    first = nbexec.map(make, range(4), checkpoint=path, backend=backend)
    again = nbexec.map(make, range(4), checkpoint=path, backend=backend)
    assert again.stats.restored == 4
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one["array"], other["array"])
        other["array"][0] = other["small"][0] = -1


def test_a_large_value_is_written_in_pieces_before_anybody_has_it(path):
    def work(x):
        return np.full(1_000_000, x)

    for value in nbexec.imap(work, range(3), checkpoint=path, backend="threads"):
        value[:] = -1  # too late to harm
    do = sqlite3.connect(path)
    sizes = [size for (size,) in do.execute("SELECT length(data) FROM pieces")]
    do.close()
    assert len(sizes) == 24
    assert max(sizes) <= 1 << 20
    assert [one[0] for one in nbexec.map(work, range(3), checkpoint=path)] == [0, 1, 2]
    assert nbexec.last_run().stats.restored == 3


def test_a_damaged_value_runs_again(path):
    nbexec.map(double, range(10), checkpoint=path)
    with contextlib.closing(sqlite3.connect(path)) as do, do:
        do.execute("UPDATE items SET data = CAST(x'800549' || data AS BLOB) WHERE rowid < 4")
    results = nbexec.map(double, range(10), checkpoint=path)
    assert (results, results.stats.restored) == ([2 * x for x in range(10)], 7)
    assert "could not be read back" in notes(results)
    assert nbexec.map(double, range(10), checkpoint=path).stats.restored == 10


# ---------------------------------------------------------------- the file


def test_the_file_is_for_its_owner_alone(path):
    run = nbexec.start(time.sleep, [0.0, 30.0], checkpoint=path, backend="threads")
    until(lambda: run.stats.done)
    files = ["run.db", "run.db-shm", "run.db-wal"]
    until(lambda: sorted(one.name for one in path.parent.iterdir()) == files)
    modes = {one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    run.cancel()
    run.wait()
    assert modes == {0o600}


def foreign(kind, path):
    """Put something at `path` that is no journal of ours."""
    if kind == "text":
        path.write_text("my precious notes\n" * 500)
    elif kind == "sqlite":
        with contextlib.closing(sqlite3.connect(path)) as do, do:
            do.execute("CREATE TABLE mine (x)")
    else:
        nbexec.map(double, range(2000), checkpoint=path)
        data = bytearray(path.read_bytes())
        if kind == "newer":
            data[60:64] = (99).to_bytes(4, "big")
        elif kind == "cut":
            data = data[: len(data) // 2]
        elif kind == "damaged":
            data[8192:20480] = random.Random(1).randbytes(12288)
        path.write_bytes(data)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "is no journal of nbexec, or it is damaged"),
        ("sqlite", "not a journal of nbexec"),
        ("newer", "written by a newer nbexec"),
        ("cut", "damaged"),
        ("damaged", "damaged"),
    ],
)
def test_what_is_no_journal_is_left_as_it_is(kind, said, path):
    before = foreign(kind, path)
    with pytest.raises(nbexec.JournalError, match=said) as caught:
        nbexec.map(double, [1], checkpoint=path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    with pytest.raises(nbexec.JournalError):
        nbexec.runs(path)


def test_a_path_that_cannot_be_a_file_is_told(tmp_path):
    with pytest.raises(nbexec.JournalError, match="is not a file"):
        nbexec.map(double, [1], checkpoint=tmp_path)
    with pytest.raises(nbexec.JournalError, match="can't be made: No such file or directory"):
        nbexec.map(double, [1], checkpoint=tmp_path / "no" / "run.db")


def test_an_empty_file_becomes_a_journal(path):
    path.touch()
    assert nbexec.map(double, [1], checkpoint=path) == [2]
    assert nbexec.map(double, [1], checkpoint=path).stats.restored == 1


# ---------------------------------------------------------------- a full disk

FULL = """
    import logging, nbexec, resource, sys
    def work(x):
        return bytes([x % 256]) * 1000
    if {limit}:
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    results = nbexec.map(work, range(5000), checkpoint={path!r}, progress="off", backend="threads")
    assert results == [work(x) for x in range(5000)]
    print(results.stats.restored, *results.stats.notes)
"""


def test_a_full_disk_stops_the_journal_and_not_the_run(path):
    """The file can't grow beyond a limit: SQLite sees what it sees on a full disk."""
    said = python(FULL.format(limit=1_000_000, path=str(path)))
    assert said.startswith("0 the journal stopped, what ends from now on is not kept: ")
    assert str(path) in said
    said = python(FULL.format(limit=0, path=str(path)))
    kept = int(said.partition(" ")[0])
    assert 0 <= kept < 5000
    assert python(FULL.format(limit=0, path=str(path))) == "5000"


def test_a_full_database_stops_the_journal_too(path, monkeypatch, caplog):
    """SQLite itself says that it is full, in the middle of a large value."""

    def small(path, create=True):
        connection = connect(path, create)
        connection.execute("PRAGMA max_page_count = 1500")
        return connection

    monkeypatch.setattr("nbexec.journal.journal.connect", small)
    work = lambda x: np.full(200_000, x)
    results = nbexec.map(work, range(9), checkpoint=path, backend="threads", chunk=1)
    assert [one[-1] for one in results] == list(range(9))
    assert "database or disk is full" in notes(results)
    assert "database or disk is full" in caplog.text
    assert len(results.stats.notes) == 1
    monkeypatch.undo()
    again = nbexec.map(work, range(9), checkpoint=path, backend="threads", chunk=1)
    assert [one[-1] for one in again] == list(range(9))
    assert 1 <= again.stats.restored < 9
    assert nbexec.runs(path)[1].ended == "done"


# ---------------------------------------------------------------- several at once


def test_a_second_run_of_the_same_function_is_told(path):
    items = [0.0, 30.0]
    run = nbexec.start(time.sleep, items, checkpoint=path, backend="threads")
    with pytest.raises(nbexec.JournalError, match=r"in use: this kernel has been running `sleep`"):
        nbexec.map(time.sleep, items, checkpoint=path)
    code = f"""
        import nbexec, time
        try:
            nbexec.map(time.sleep, [0.0], checkpoint={str(path)!r}, progress="off")
        except nbexec.JournalError as error:
            print(error)
        print(nbexec.map(abs, [-1], checkpoint={str(path)!r}, progress="off"))
    """
    said = python(code)
    assert f"in use: process {os.getpid()} on" in said
    assert said.endswith("[1]")
    run.cancel()
    run.wait()
    nbexec.map(time.sleep, [0.0], checkpoint=path)


def test_many_kernels_write_one_file_at_once(path):
    code = """
        import nbexec, time
        def work(x):
            return {number}, x
        for start in range(0, 3000, 100):
            items = range(start, start + 100)
            r = nbexec.map(work, items, checkpoint={path!r}, progress="off", backend="threads")
            assert r == [({number}, x) for x in items] and not r.stats.notes[1:], r.stats.notes
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code.format(number=number, path=str(path)))],
            env=env,
        )
        for number in range(3)
    ]
    assert [kernel.wait(100) for kernel in kernels] == [0, 0, 0]
    with contextlib.closing(sqlite3.connect(path)) as do:
        assert do.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert do.execute("SELECT count(*) FROM items").fetchone() == (9000,)


# ---------------------------------------------------------------- a kernel that is killed


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.extended)])
@pytest.mark.parametrize("name", ["threads", "processes"])
def test_a_killed_kernel_costs_what_was_in_flight(name, kills, tmp_path):
    figures = kill.trial(tmp_path, kills=kills, backend=name, seed=1)
    assert figures.kills == kills
    assert figures.most_lost <= figures.allowed


def test_a_run_that_was_killed_can_be_attached(path):
    code = f"""
        import nbexec, os, signal, sqlite3, time
        def kept(table):
            file = sqlite3.connect({str(path)!r})
            return file.execute("SELECT count(*) FROM " + table).fetchone()
        def work(x):
            if x == 5:
                raise ValueError("bad")
            if x == 30:  # what ended is in the file by then
                while (kept("items"), kept("failures")) != ((29,), (1,)):
                    time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGKILL)
            return x
        nbexec.map(work, range(40), checkpoint={str(path)!r}, progress="off", backend="serial",
                   on_error="collect", chunk=1)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (record,) = nbexec.runs(path)
    assert (record.name, record.ended, record.done, record.failed) == ("work", "died", 29, 1)
    assert "29 / 40, 1 failed, died" in str(record)
    run = nbexec.attach(record.id, path)
    assert [one for one in run.results[:30] if one or one == 0] == [x for x in range(30) if x != 5]
    assert len(run.results) == 40
    (failure,) = run.failures
    assert (failure.index, repr(failure.item)) == (5, "5")
    assert isinstance(failure.exception, ValueError)
    assert 'raise ValueError("bad")' in failure.traceback or "ValueError: bad" in failure.traceback
    assert "its kernel died" in run._repr_mimebundle_()["text/plain"]


# ---------------------------------------------------------------- past runs


def kernel(monkeypatch):
    """Make as if this were a new kernel: it has had no runs."""
    new = RunRegistry()
    monkeypatch.setattr("nbexec.run.registry.run_registry", new)


def test_runs_and_attach(path, tmp_path, monkeypatch):
    monkeypatch.setenv("NBEXEC_STATE_DIR", str(tmp_path / "state"))
    kernel(monkeypatch)
    assert nbexec.runs() == []
    assert repr(nbexec.runs()) == "no runs"

    def work(x):
        return {"x": 10 // x}

    run = nbexec.start(work, [1, 0, 5], checkpoint=path, on_error="collect", name="tens")
    results = run.result()
    nbexec.map(work, [1, 2], checkpoint=path, name="tens")
    kernel(monkeypatch)
    second, first = nbexec.runs()
    assert [second.done, first.done, first.failed] == [2, 2, 1]
    assert (first.id, first.name, first.ended, first.path) == (run.id, "tens", "done", path)
    assert repr(nbexec.runs()).splitlines()[1].endswith("tens: 2 / 3, 1 failed, done")

    past = nbexec.attach(run.id)
    assert (past.id, past.name, past.stats.done) == (run.id, "tens", 2)
    assert past.results[0] == results[0] == {"x": 10}
    assert past.result()[2] == {"x": 2}
    (failure,) = past.failures
    assert past.results[1].index == failure.index == 1
    assert repr(failure.item) == "0"
    assert isinstance(failure.exception, ZeroDivisionError)
    bundle = past._repr_mimebundle_()
    assert "ZeroDivisionError" in bundle["text/html"]
    assert "tens: 2 / 3" in bundle["text/plain"]
    assert nbexec.attach(second.id).results == [{"x": 10}, {"x": 5}]
    assert nbexec.attach(second.id).stats.restored == 1

    with pytest.raises(nbexec.JournalError, match="there is no run 'x'"):
        nbexec.attach("x")
    with pytest.raises(nbexec.JournalError, match="there is no journal"):
        nbexec.runs(tmp_path / "nothing.db")
    path.unlink()
    assert nbexec.runs() == []


def test_the_registry_survives_what_is_in_its_place(tmp_path, monkeypatch, path):
    monkeypatch.setenv("NBEXEC_STATE_DIR", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    assert nbexec.map(double, [1], checkpoint=path) == [2]
    assert known_files.paths() == []


# ---------------------------------------------------------------- once more


@pytest.mark.parametrize("checkpoint", [False, True])
def test_retry_failed_runs_the_failed_items_alone(backend, path, calls, checkpoint):
    broken = str(path) + ".broken"
    Path(broken).touch()

    def work(x):
        calls.note(x)
        if x in (2, 7) and os.path.exists(broken):
            raise ValueError(x)
        return 10 * x

    knobs = {"backend": backend, "on_error": "collect"}
    if checkpoint:
        knobs["checkpoint"] = path
    run = nbexec.map(work, iter(range(10)), **knobs).run
    calls()
    still = run.retry_failed()
    assert calls() == [2, 7]
    assert [one.index for one in still.failures] == [2, 7]
    os.unlink(broken)
    results = still.run.retry_failed()
    assert calls() == [2, 7]
    assert results == [10 * x for x in range(10)]
    assert results.run.stats.done == 2
    if checkpoint:
        assert nbexec.attach(results.run.id, path).results == results
        again = nbexec.map(work, range(10), **knobs)
        assert (again, again.stats.restored) == (results, 10)


def test_retry_failed_keeps_equal_items_apart(path, calls):
    broken = Path(str(path) + ".broken")
    broken.touch()

    def work(x):
        calls.note(x)
        drawn = random.random()
        if len(os.listdir(calls.folder)) == 2 and broken.exists():
            raise ValueError
        return drawn

    first = nbexec.map(work, [0, 0, 0], checkpoint=path, on_error="collect", backend="serial")
    assert [one.index for one in first.failures] == [1]
    broken.unlink()
    results = first.run.retry_failed()
    assert (results[0], results[2]) == (first[0], first[2])
    assert len(set(results)) == 3
    assert nbexec.map(work, [0, 0, 0], checkpoint=path) == results


def test_retry_failed_goes_on_where_a_run_stopped(path):
    broken = Path(str(path) + ".broken")
    broken.touch()

    def work(x):
        if x == 3 and broken.exists():
            raise ValueError(x)
        return x

    with pytest.raises(ValueError, match="3"):
        nbexec.map(work, range(30), backend="serial", chunk=1)
    run = nbexec.last_run()
    broken.unlink()
    assert run.retry_failed() == list(range(30))


def test_retry_failed_needs_a_list_that_is_complete():
    run = nbexec.start(time.sleep, [5.0], backend="threads")
    with pytest.raises(RuntimeError, match="still running"):
        run.retry_failed()
    run.cancel()
    run.wait()
    list(nbexec.imap(double, [1]))
    with pytest.raises(LookupError, match="gives a list"):
        nbexec.last_run().retry_failed()


def test_debug_raises_from_the_users_own_frame(backend):
    def work(x):
        return 1 / x

    run = nbexec.map(work, [1, 0, 4], on_error="collect", backend=backend).run
    with pytest.raises(ZeroDivisionError) as caught:
        run.debug(1)
    *ours, users = caught.traceback
    assert users.frame.code.name == "work"
    assert users.frame.f_locals["x"] == 0
    assert all(one.frame.f_locals.get("__tracebackhide__") for one in ours[1:])
    assert run.debug(2) == 0.25
    lazy = nbexec.map(work, iter([1, 0, 4]), on_error="collect", backend=backend).run
    with pytest.raises(ZeroDivisionError):
        lazy.debug(1)
    with pytest.raises(LookupError, match="item 2 of work is not there"):
        lazy.debug(2)


def test_debug_awaits_a_coroutine_and_sets_up():
    async def work(x, state):
        return x + state

    run = nbexec.map(work, [1, 2], setup=lambda: 10).run
    assert run.debug(1) == 12


def test_the_format_is_numbered():
    assert VERSION == 1
