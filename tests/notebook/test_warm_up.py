"""Workers that are started between two cells, before the first run asks for them.

Covers `nbexec.backends.pool` and `nbexec.system.at_exit`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from types import SimpleNamespace

import psutil
import pytest
from IPython.core.events import EventManager, available_events
from jupyter_client.manager import start_new_kernel

import nbexec
from nbexec.backends.base import Backend
from nbexec.backends.pool import Pool
from nbexec.notebook import warm_up
from nbexec.system import machine

from ..waiting import until


class FakeSlot:
    """A worker that knows its number."""

    def __init__(self, number):
        self.number, self.healthy, self.closed = number, True, False

    def close(self):
        self.closed = True

    end = close


# ---------------------------------------------------------------- the pool


def test_slots_made_ahead_are_leased_first():
    pool = Pool(FakeSlot, keep=4)
    assert [pool.fill(2) for _ in range(3)] == [True, True, False]
    assert {pool.acquire().number for _ in range(3)} == {0, 1, 2}
    assert not pool.fill(3)  # three are leased
    assert pool.fill(4)


def test_no_more_are_made_ahead_than_stay_idle_and_none_at_the_end():
    pool = Pool(FakeSlot, keep=1)
    assert pool.fill(9)
    assert not pool.fill(9)
    pool.close()
    assert not pool.fill(9)


@pytest.mark.parametrize("change", ["environ", "path", "folder"])
def test_a_slot_made_ahead_is_not_used_once_what_it_inherited_has_changed(
    change, monkeypatch, tmp_path
):
    pool = Pool(FakeSlot, keep=4)
    pool.fill(2)
    for slot in [pool.acquire(), pool.acquire()]:  # a run has had them: they are as any other
        pool.release(slot)
    pool.fill(3)
    if change == "environ":
        monkeypatch.setenv("NBEXEC_TEST", "changed")
    elif change == "path":
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.chdir(tmp_path)
    assert sorted(pool.acquire().number for _ in range(3)) == [0, 1, 3]


def test_slots_that_would_not_be_used_are_made_anew(monkeypatch):
    pool = Pool(FakeSlot, keep=4)
    pool.fill(1)
    monkeypatch.setenv("NBEXEC_TEST", "changed")
    assert pool.fill(1)
    assert not pool.fill(1)
    assert pool.acquire().number == 1


# ---------------------------------------------------------------- when


class Pretended(Backend):
    """Counts what it is asked to start."""

    name = "processes"
    then = staticmethod(lambda: None)

    def __init__(self):
        self.started = 0

    def default_workers(self):
        return 3

    def open(self, setting):
        raise NotImplementedError

    def warm_up(self, workers):
        if self.started >= workers:
            return False
        self.started += 1
        self.then()
        return True


@pytest.fixture
def backend(monkeypatch):
    backend = Pretended()
    monkeypatch.setattr(warm_up, "get_backend", {"processes": backend}.__getitem__)
    monkeypatch.setattr(warm_up.at_exit, "add", lambda finish: None)
    monkeypatch.setattr(machine, "memory_free", lambda: 100 << 30)
    return backend


def cell(warmer):
    """Have a cell end, and wait until nothing more happens."""
    warmer.ended()
    warmer._thread.join(10)
    assert not warmer._thread.is_alive()


def test_as_many_workers_as_a_run_would_take_are_started_after_a_cell(backend):
    cell(warm_up.Warmer(0.0))
    assert backend.started == 3


IMPORTED = """
    import sys, time
    from nbexec.notebook import warm_up

    def loaded():
        return [one in sys.modules for one in ("nbexec.cell.run", "nbexec.run.handle")]

    warm_up.Warmer._start_workers = lambda *_: None
    warmer = warm_up.Warmer({quiet})
    before = loaded()
    warmer.ended()
    if {quiet}:
        warmer.begins()
    warmer._thread.join(60)
    print(before, loaded())
"""


@pytest.mark.parametrize("quiet", [0, 60])
def test_what_a_cell_needs_is_imported_while_there_is_none(quiet):
    code = textwrap.dedent(IMPORTED.format(quiet=quiet))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.check_output([sys.executable, "-c", code], env=env, text=True, timeout=100)
    after = [not quiet] * 2
    assert said == f"{[False] * 2} {after}\n"


def test_nothing_is_started_in_the_middle_of_a_cell(backend):
    warmer = warm_up.Warmer(60.0)
    warmer.ended()
    warmer.begins()
    warmer._thread.join(10)
    assert not warmer._thread.is_alive()
    assert backend.started == 0


def test_a_cell_that_begins_stops_it_and_the_next_end_goes_on(backend):
    warmer = warm_up.Warmer(0.0)
    backend.then = warmer.begins
    for count in (1, 2, 3, 3):
        cell(warmer)
        assert backend.started == count


def test_nothing_is_started_while_a_run_goes_on(backend):
    go = threading.Event()
    run = nbexec.start(lambda x: go.wait(60), [0], backend="threads")
    try:
        cell(warm_up.Warmer(0.0))
        assert backend.started == 0
    finally:
        go.set()
        run.result()
    cell(warm_up.Warmer(0.0))
    assert backend.started == 3


def test_what_is_warm_is_left_alone_till_workers_would_be_started_otherwise(backend, monkeypatch):
    warmer = warm_up.Warmer(0.0)
    cell(warmer)
    thread = warmer._thread
    warmer.ended()
    assert warmer._thread is thread
    monkeypatch.setenv("NBEXEC_TEST", "changed")
    cell(warmer)
    assert warmer._thread is not thread


@pytest.mark.parametrize(("free", "count"), [(0, 0), (1 << 30, 2), (64 << 30, 3)])
def test_workers_take_a_little_of_the_free_memory_at_most(backend, monkeypatch, free, count):
    monkeypatch.setattr(machine, "memory_free", lambda: free)
    cell(warm_up.Warmer(0.0))
    assert backend.started == count


@pytest.mark.parametrize(
    ("options", "count"), [({"workers": 1}, 1), ({"backend": "threads"}, 0), ({"workers": 9}, 9)]
)
def test_the_sessions_defaults_count(backend, options, count):
    before = {name: getattr(nbexec.configure(), name) for name in options}
    nbexec.configure(**options)
    try:
        cell(warm_up.Warmer(0.0))
        assert backend.started == count
    finally:
        nbexec.configure(**before)


def test_what_goes_wrong_is_not_said(backend, capsys):
    def broken():
        raise OSError("no process can be started")

    backend.then = broken
    cell(warm_up.Warmer(0.0))
    assert capsys.readouterr() == ("", "")


def events():
    return EventManager(SimpleNamespace(), available_events)


@pytest.mark.parametrize("said", ["off", "OFF"])
def test_it_can_be_switched_off(said, monkeypatch):
    monkeypatch.setenv("NBEXEC_WARM_UP", said)
    shell = type("Shell", (), {})()
    shell.events = events()
    warm_up.warm_up(shell)
    assert shell.events.callbacks["post_run_cell"] == []


def test_a_shell_is_watched_once(monkeypatch):
    monkeypatch.delenv("NBEXEC_WARM_UP", raising=False)
    shell = type("Shell", (), {})()
    shell.events = events()
    warm_up.warm_up(shell)
    warm_up.warm_up(shell)  # as %reload_ext does
    assert len(shell.events.callbacks["pre_run_cell"]) == 1
    assert len(shell.events.callbacks["post_run_cell"]) == 1


# ---------------------------------------------------------------- in a real shell and kernel

SHELL = """
    import os, sys, time
    from IPython.core.interactiveshell import InteractiveShell
    from nbexec.system import machine
    from nbexec.backends import get_backend, is_warm

    shell = InteractiveShell.instance()
    shell.run_cell("%load_ext nbexec")

    def run(code):
        shell.run_cell(code).raise_error()
        return shell.user_ns.get("out")

    while not is_warm("processes") or len(get_backend("processes")._pool.idle) < machine.cores():
        time.sleep(0.01)

    MAP = "import nbexec; out = nbexec.map({}, [0] * 4, backend='processes', progress='off')"
"""


def script(code, tmp_path):
    """Run a script after `SHELL`; what it prints is told, and there must be nothing else."""
    env = {**os.environ, "IPYTHONDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    env.pop("NBEXEC_WARM_UP", None)
    whole = textwrap.dedent(SHELL) + textwrap.dedent(code)
    command = [sys.executable, "-W", "error", "-c", whole]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


two = pytest.mark.skipif(machine.cores() < 2, reason="one core: one worker")


@two
def test_the_first_run_finds_its_workers(tmp_path):
    said = script(
        """
        there = {slot.pid for slot in get_backend("processes")._pool._idle}
        found = set(run(MAP.format("lambda x: __import__('os').getpid()")))
        print(found <= there)
        """,
        tmp_path,
    )
    assert said == "True\n"


@two
def test_what_was_set_after_they_were_started_is_there_in_the_first_run(tmp_path):
    said = script(
        """
        run("import os; os.environ['NBEXEC_TEST'] = 'changed'; " +
            MAP.format("lambda x: __import__('os').environ['NBEXEC_TEST']"))
        print(shell.user_ns["out"])
        """,
        tmp_path,
    )
    assert said == f"{['changed'] * 4}\n"


@two
def test_a_kernel_starts_workers_and_they_end_with_it(monkeypatch, tmp_path):
    monkeypatch.delenv("NBEXEC_WARM_UP", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        heard = []
        client.execute_interactive("%load_ext nbexec", timeout=60, output_hook=heard.append)
        kernel = psutil.Process(manager.provisioner.pid)
        workers = lambda: [one for one in kernel.children() if "popen_loky" in str(one.cmdline())]
        until(lambda: len(workers()) == machine.cores())
        pids = [one.pid for one in workers()]
        client.execute_interactive(
            "import os, nbexec\n"
            "def pid(x): return os.getpid()\n"
            "out = nbexec.map(pid, range(4), backend='processes', progress='off')\n"
            f"print(set(out) <= set({pids}))",
            timeout=60,
            output_hook=heard.append,
        )
        said = [one["content"] for one in heard if one["msg_type"] == "stream"]
        assert said == [{"name": "stdout", "text": "True\n"}]
        ended = workers()
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    until(lambda: not any(one.is_running() for one in ended), 10)
