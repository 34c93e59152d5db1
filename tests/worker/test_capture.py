"""What tasks write, how far they tell to be, and whether they are still wanted.

Covers `nbexec.backends.listener`, `nbexec.telemetry.output`, `nbexec.worker.channel` and
`nbexec.worker.streams`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import nbexec
from nbexec.telemetry.events import Output
from nbexec.worker.capture import HEAD, TAIL, Capture
from nbexec.worker.streams import Router

from ..conftest import BACKENDS
from ..waiting import until

ROOT = Path(__file__).parents[2]

SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
NOT_SERIAL = [name for name in BACKENDS if name != "serial"]


def say(x):
    print("item", x)
    print("trouble", x, file=sys.stderr)
    logging.getLogger("of.mine").warning("logged %s", x)
    return x


@pytest.fixture(scope="module")
def given():
    """A cluster that is somebody else's."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(host="127.0.0.1", **options) as cluster, Client(cluster) as client:
        yield client


@contextlib.contextmanager
def logs():
    """A logger that writes to standard error, as most do."""
    logger, handler = logging.getLogger("of.mine"), logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def test_what_an_item_writes_is_kept_by_item_and_passed_on(backend, capsys):
    with logs():
        run = nbexec.map(say, range(5), backend=backend).run
    assert sorted(run.output) == [0, 1, 2, 3, 4]
    for x in range(5):
        assert run.output[x].splitlines() == [f"item {x}", f"trouble {x}", f"logged {x}"]
    shown = capsys.readouterr()
    assert sorted(shown.out.splitlines()) == [f"item {x}" for x in range(5)]
    assert sorted(shown.err.splitlines()).count("trouble 3") == 1


STREAMS = """
import sys, nbexec

if __name__ == "__main__":
    before = sys.stdout, sys.stderr
    nbexec.map(print, range(2), backend=sys.argv[1], progress="off")
    assert (sys.stdout, sys.stderr) == before
"""


def test_the_streams_are_as_before(backend, tmp_path):
    script = tmp_path / "script.py"  # by itself: an executor that is open routes them, too
    script.write_text(STREAMS)
    command = [sys.executable, str(script), backend]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert sorted(done.stdout.split()) == ["0", "1"]


def test_output_of_c_and_of_children_is_heard(remote):
    def speak(x):
        ctypes.CDLL(None).puts(b"from C")
        subprocess.run(["echo", "from a child"], check=True)
        os.write(2, b"to the error stream\n")
        print("from Python")
        return x

    run = nbexec.map(speak, range(3), backend=remote, chunk=1).run
    for x in range(3):
        lines = run.output[x].splitlines()
        assert sorted(lines) == ["from C", "from Python", "from a child", "to the error stream"]


def test_warnings_are_heard(sent, capsys):
    def warn(x):
        warnings.warn(f"careful {x}", stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *where: print("heard", message, file=sys.stderr)
        run = nbexec.map(warn, range(2), backend=sent).run
    assert run.output == {0: "heard careful 0\n", 1: "heard careful 1\n"}
    assert "heard careful 1\n" in capsys.readouterr().err


@pytest.mark.parametrize("backend", NOT_SERIAL)
def test_output_comes_while_the_task_runs(backend, tmp_path):
    go = tmp_path / "go"

    def speak(x):
        print("begun", x)
        while not go.exists():
            time.sleep(0.01)
        return x

    run = nbexec.start(speak, range(2), backend=backend)
    until(lambda: len(run.output) == 2)
    assert not run.done
    assert run.output[1] == "begun 1\n"
    go.touch()
    assert run.result() == [0, 1]


@pytest.mark.parametrize("backend", NOT_SERIAL)
def test_a_task_that_prints_very_much_harms_nobody(backend):
    def shout(x):
        line = "x" * 999 + "\n"
        print("first")
        for _ in range(20_000):  # 20 MB
            sys.stdout.write(line)
        print("last")
        return x

    run = nbexec.map(shout, range(2), backend=backend, chunk=1).run
    for x in range(2):
        text = run.output[x]
        assert text.startswith("first\n")
        assert text.endswith("last\n")
        assert "characters left out" in text
        assert len(text) < HEAD + 2 * TAIL


@pytest.mark.parametrize("megabytes", [20, pytest.param(200, marks=pytest.mark.extended)])
def test_c_code_that_prints_very_much_harms_nobody(remote, megabytes):
    def shout(x):
        for _ in range(megabytes):
            os.write(1, b"y" * 1_000_000)
        print("last")
        return x

    run = nbexec.map(shout, range(2), backend=remote, chunk=1).run
    for x in range(2):
        assert run.output[x].startswith("y" * 1000)
        assert "characters left out" in run.output[x]
        assert "last\n" in run.output[x]
        assert len(run.output[x]) < HEAD + 2 * TAIL


def test_what_a_task_wrote_before_its_worker_died_is_kept(remote):
    def die(x):
        print("doing", x)
        if x == 1:
            ctypes.string_at(0)
        return x

    results = nbexec.map(die, range(3), backend=remote, on_error="collect", crash_retries=0)
    assert [bool(isinstance(r, nbexec.Failure)) for r in results] == [False, True, False]
    assert results.run.output[1].startswith("doing 1\n")


def test_logging_is_set_up_as_in_the_kernel(sent, capsys):
    logger = logging.getLogger("set.up")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def log(x):
        logging.getLogger("set.up").info("told %s", x)
        logging.getLogger("set.up").debug("not told")

    try:
        run = nbexec.map(log, range(2), backend=sent).run
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert run.output == {0: "[INFO] told 0\n", 1: "[INFO] told 1\n"}


def test_threads_of_a_task_are_heard_in_processes():
    def speak(x):
        thread = threading.Thread(target=print, args=("in a thread of", x))
        thread.start()
        thread.join()

    run = nbexec.map(speak, range(3), backend="processes").run
    assert run.output == {x: f"in a thread of {x}\n" for x in range(3)}


def test_items_do_not_write_into_each_others_lines(capsys):
    def speak(x):
        for part in range(20):
            sys.stdout.write(f"{x}.{part} ")
            time.sleep(0.0001)
        print()

    nbexec.map(speak, range(20), backend="threads", workers=8, chunk=1)
    for line in capsys.readouterr().out.splitlines():
        assert len({word.partition(".")[0] for word in line.split()}) == 1


def test_a_run_in_a_task_speaks_through_the_task(backend):
    if backend == "interpreters":
        pytest.skip("a run within an item is on serial alone there")

    def outer(x):
        nbexec.map(lambda y: print("inner", y), [x], backend="threads")
        return x

    run = nbexec.map(outer, range(2), backend=backend).run
    assert run.output == {0: "inner 0\n", 1: "inner 1\n"}


def test_what_a_serial_run_in_a_task_prints_is_the_task_s_too(backend, capsys):
    """It goes where it would without that run."""

    def rows(x):
        run = nbexec.map(lambda y: print("row", x, y), range(2), backend="serial").run
        return str(run.output)

    results = nbexec.map(rows, range(2), backend=backend, progress="off")
    for x, inner in enumerate(results):
        assert inner == f"row {x} 0\nrow {x} 1\n"
        assert results.run.output[x] == inner
    assert sorted(capsys.readouterr().out.splitlines()) == [
        f"row {x} {y}" for x in range(2) for y in range(2)
    ]


def test_bytes_and_lines_without_an_end():
    def speak(x):
        sys.stdout.buffer.write(b"bytes, ")
        print("no end", end="")
        assert not sys.stdout.isatty()
        assert isinstance(sys.stdout, Router)
        with pytest.raises(TypeError):
            sys.stdout.write(3)

    assert nbexec.map(speak, [0], backend="threads").run.output[0] == "bytes, no end"


def test_output_is_kept_up_to_a_limit(monkeypatch):
    monkeypatch.setattr("nbexec.telemetry.output.KEPT", 100)
    run = nbexec.map(lambda x: print("x" * 60), range(3), backend="serial").run
    assert sum(len(text) for text in run.output.values()) == 100
    assert run.output.left_out == 83
    assert "83 characters more were not kept" in str(run.output)


def test_a_capture_tells_the_start_at_once_and_the_end_at_the_end():
    heard, values = [], []
    capture = Capture(values, lambda *what: heard.append(what))
    capture.write("stdout", "a" * (HEAD - 1) + "\n")
    capture.write("stdout", "b" * 2 * TAIL + "\n")
    capture.write("stderr", "the end\n")
    assert sum(len(text) for _, _, text in heard) == HEAD
    values.append(None)
    capture.write("stdout", "of the next\n")
    told = "".join(text for at, _, text in heard if at == 0)
    assert told.endswith("the end\n")
    assert f"{TAIL + 1:,} characters left out" in told
    assert heard[-1] == (1, "stdout", "of the next\n")


# ---------------------------------------------------------------- progress, cancelled


@pytest.mark.parametrize("backend", NOT_SERIAL)
def test_progress_is_seen_while_the_task_runs(backend, tmp_path):
    go = tmp_path / "go"

    def train(x):
        nbexec.progress(x / 4, f"epoch {x}")
        while not go.exists():
            time.sleep(0.01)

    run = nbexec.start(train, [1, 2], backend=backend)
    until(lambda: len(run.stats.items) == 2)
    assert sorted(run.stats.items) == [(0, 0.25, "epoch 1"), (1, 0.5, "epoch 2")]
    go.touch()
    run.result()
    assert run.stats.items == ()


def test_progress_takes_a_fraction():
    with pytest.raises(nbexec.OptionError, match="from 0 to 1, or None, not 3"):
        nbexec.progress(3)
    nbexec.progress(0.5)  # outside of a task it does nothing
    assert not nbexec.cancelled()


def told_of_a_cancel(backend, tmp_path, monkeypatch):
    """Cancel a run in the middle of its items, which must hear of it."""
    monkeypatch.setattr(
        "nbexec.run.stopping.GRACE", 20.0
    )  # a busy machine needs longer to say "early"

    def work(x):
        (tmp_path / f"begun {x}").touch()
        end = time.monotonic() + 20
        while not nbexec.cancelled():
            assert time.monotonic() < end
            time.sleep(0.005)
        (tmp_path / f"heard {x}").touch()
        return "early"

    run = nbexec.start(work, range(4), backend=backend, workers=2)
    until(lambda: list(tmp_path.glob("begun *")))
    run.cancel()
    with pytest.raises(nbexec.RunCancelled) as caught:
        run.result()
    begun, heard = list(tmp_path.glob("begun *")), list(tmp_path.glob("heard *"))
    assert len(heard) == len(begun) <= 2
    assert caught.value.partial_results.count("early") == len(heard)


def test_a_task_hears_that_it_is_no_longer_wanted(backend, tmp_path, monkeypatch):
    told_of_a_cancel(backend, tmp_path, monkeypatch)


def test_other_executors_processes_hear_of_it_too(tmp_path, monkeypatch):
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        told_of_a_cancel(pool, tmp_path, monkeypatch)


def test_a_cluster_that_was_given_hears_of_it_too(given, tmp_path, monkeypatch):
    told_of_a_cancel(given, tmp_path, monkeypatch)


def test_an_item_that_was_left_behind_hears_of_it(tmp_path):
    heard = tmp_path / "heard"

    def work(x):
        while not nbexec.cancelled():
            time.sleep(0.005)
        heard.touch()

    results = nbexec.map(work, [0], backend="threads", timeout=0.1, on_error="collect")
    assert isinstance(results[0].exception, nbexec.ItemTimeout)
    until(heard.exists)


def test_a_cluster_that_was_given_is_heard_too(given, tmp_path, capsys):
    go = tmp_path / "go"

    def speak(x):
        print("begun", x)
        nbexec.progress(0.5, "half")
        while not go.exists():
            time.sleep(0.01)
        print("ended", x)
        return x

    before = sys.stdout
    run = nbexec.start(speak, range(2), backend=given, workers=2)
    until(lambda: len(run.output) == 2 and len(run.stats.items) == 2)
    assert not run.done
    go.touch()
    assert run.result() == [0, 1]
    assert run.output == {x: f"begun {x}\nended {x}\n" for x in range(2)}
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "begun 0",
        "begun 1",
        "ended 0",
        "ended 1",
    ]
    assert sys.stdout is before


def test_output_events_name_their_items(backend, log):
    nbexec.map(lambda x: print(x), range(4), backend=backend)
    said = [event for event in log.events if isinstance(event, Output)]
    assert {event.first: event.text for event in said} == {x: f"{x}\n" for x in range(4)}
    assert all(event.first == event.last for event in said)


def test_on_serial_coroutines_print_where_a_plain_loop_would(capsys):
    async def work(x):
        print("item", x)
        return x

    run = nbexec.map(work, range(2), backend="serial").run
    assert capsys.readouterr().out == "item 0\nitem 1\n"
    assert [run.output[x] for x in range(2)] == ["item 0\n", "item 1\n"]


ENDS_WHILE_IT_PRINTS = """
import io, sys
from nbexec.worker import streams

class Slow(io.StringIO):
    def write(self, text):
        if isinstance(sys.stdout, streams.Router):
            streams.remove()  # as a run does that ends meanwhile, in its own thread
        return super().write(text)

sys.stdout = stream = Slow()
streams.install()
print("one", "two")
assert sys.stdout is stream
sys.__stdout__.write(stream.getvalue())
"""


def test_a_print_that_is_under_way_when_a_run_ends_is_finished():
    """Before CPython's issue 130163 was mended `print` held no reference to `sys.stdout`."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS_WHILE_IT_PRINTS],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONMALLOC": "debug"},  # what is freed is overwritten at once
    )
    assert (done.returncode, done.stdout) == (0, "one two\n"), done.stderr
