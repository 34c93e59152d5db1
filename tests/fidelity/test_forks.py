"""Forks and other processes: programs that fork, or run in workers of others, as plain ones do.

Each program is a process of its own, since what is tested is how processes end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORKS = hasattr(os, "fork")
ALSO = pytest.mark.extended  # each starts a dozen workers
pytestmark = pytest.mark.skipif(not FORKS, reason="this system has no fork")

HEAD = """
import concurrent.futures, glob, multiprocessing, os, subprocess, sys, tempfile, threading, time
import nbexec

def double(x):
    return x * 2

def slow(x):
    time.sleep(0.01)
    return x * 2

def use(backends):
    for backend in backends:
        got = nbexec.map(double, range(20), backend=backend, workers=2, progress="off")
        assert got == [double(x) for x in range(20)], (backend, got)
        with nbexec.Executor(backend, 2) as executor:
            assert list(executor.map(double, range(5))) == [0, 2, 4, 6, 8]

def worker_pids():
    return set(nbexec.map(pid, range(8), backend="processes", workers=2, chunk=1, progress="off"))

def pid(x):
    return os.getpid()

def code_of(child, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    return "it never ended"
"""


def run(folder: Path, program: str, *args: str, logs: bool = False) -> str:
    """Run a program, which must end well and print nothing to stderr; give its output.

    loky may say there that it clears up a semaphore of a worker that is gone.  With `logs` it
    may log there, as Dask does, but print no traceback of ours.
    """
    script = folder / "program.py"
    script.write_text(HEAD + program)
    ignored = {"PYTHONWARNINGS": "ignore:This process:DeprecationWarning"}  # threads; Python 3.12
    env = {**os.environ, **ignored, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    said = re.sub(r".*resource_tracker.*\n +warnings\.warn.*\n", "", done.stderr)
    quiet = "Traceback" not in said or not re.search(r"nbexec/|program\.py", said)
    quiet = quiet if logs else not said
    assert (done.returncode, quiet) == (0, True), done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


# ---------------------------------------------------------------- forked children

FORKED = """
if __name__ == "__main__":
    backends = sys.argv[1].split(",")
    executor = nbexec.Executor(backends[-1], 2)
    executor.submit(abs, -1).result()
    use(backends)
    before, mine = worker_pids(), f"/dev/shm/nbexec-{os.getpid()}-*"
    folders = glob.glob(mine)
    running = nbexec.start(slow, range(400), backend="threads", workers=4, progress="off")
    stream = nbexec.imap(slow, range(400), backend="threads", workers=2, progress="off")
    next(stream)
    over, waiting = threading.Event(), nbexec.Executor("threads", 1)
    future = waiting.submit(over.wait)
    for how in sys.argv[2:]:
        if not how.startswith("os."):
            child = multiprocessing.get_context(how).Process(target=use, args=(backends,))
            child.start()
            child.join(60)
            code = child.exitcode
            child.kill()
        else:
            child = os.fork()
            if child == 0:
                use(backends)
                for theirs in (running.result, lambda: list(stream), executor.shutdown):
                    try:
                        theirs()
                    except nbexec.BackendError as error:
                        assert f"process {os.getppid()}" in str(error), error
                for refused in (future.result, lambda: executor.submit(abs, 1)):
                    try:
                        refused()
                    except RuntimeError:
                        continue
                    raise AssertionError("an executor of the parent's was used")
                here = [one for one in nbexec.runs() if one.path is None]  # journals are anyone's
                assert all(one.done for one in here), here
                if how == "os._exit":
                    os._exit(0)
                sys.exit(0)
            code = code_of(child)
        assert code == 0, (how, code)
        assert worker_pids() & before and glob.glob(mine) == folders
    assert running.result() == [double(x) for x in range(400)]
    assert list(stream) == [double(x) for x in range(1, 400)]
    use(backends)
    over.set()
    assert future.result()
    print("parent ended")
"""


def test_a_child_forked_amid_runs_uses_every_backend_and_ends(tmp_path):
    ends = ("os.sys.exit", "fork", "os.fork within")
    out = run(tmp_path, FORKED, "serial,threads,asyncio,auto,processes", *ends)
    assert "parent ended" in out


@pytest.mark.extended
@pytest.mark.slow
def test_a_child_forked_after_dask_was_used_uses_it_and_ends(tmp_path):
    assert "parent ended" in run(tmp_path, FORKED, "threads,dask", "os.sys.exit", "fork")


@pytest.mark.extended
@pytest.mark.slow
def test_spawned_children_end(tmp_path):
    out = run(tmp_path, FORKED, "threads,processes,dask", "spawn", "forkserver")
    assert "parent ended" in out


def test_a_child_that_exits_at_once_ends(tmp_path):
    program = """
if __name__ == "__main__":
    executor = nbexec.Executor("threads", 2)
    executor.submit(abs, -1).result()
    nbexec.map(double, range(4), backend="processes", progress="off")
    before = worker_pids()
    for end in (os._exit, sys.exit):
        child = os.fork()
        if child == 0:
            end(7)
        assert code_of(child) == 7
    child = os.fork()
    if child:
        assert code_of(child) == 0
        assert worker_pids() & before
        print("parent ended")
"""
    assert "parent ended" in run(tmp_path, program)


BACK = """
def item(how):
    child = os.fork()
    if child == 0:
        if how == 0:
            sys.exit(7)
        if how == 1:
            sys.stderr = open(os.devnull, "w")
            raise ValueError("from the child")
        if how == 2:
            return "the child's"
        os._exit(9)
    return how, code_of(child)

async def coroutine(how):
    return item(how)

if __name__ == "__main__":
    for backend in sys.argv[1].split(","):
        for chunk in (None, 4):
            got = nbexec.map(item, range(4), backend=backend, chunk=chunk, progress="off")
            assert got == [(0, 7), (1, 1), (2, 0), (3, 9)], (backend, got)
    assert nbexec.map(coroutine, range(4), progress="off") == got
"""


def test_a_child_that_an_item_forked_ends_though_it_comes_back(tmp_path):
    run(tmp_path, BACK, "serial,threads,asyncio,processes")


def test_what_a_child_of_an_item_prints_is_where_a_plain_loop_has_it(tmp_path):
    program = """
def item(x):
    child = multiprocessing.get_context("fork").Process(target=print, args=("child of", x))
    child.start()
    child.join()

if __name__ == "__main__":
    nbexec.map(item, range(2), backend="threads", workers=1, progress="off")
    output = nbexec.map(item, range(2), backend="processes", progress="off").run.output
    assert [str(output[x]) for x in range(2)] == ["child of 0\\n", "child of 1\\n"]
"""
    lines = sorted(run(tmp_path, program).splitlines())  # output of processes is shown, too
    assert lines == ["child of 0"] * 2 + ["child of 1"] * 2


def test_a_journal_that_is_open_is_refused_in_a_child(tmp_path):
    program = """
if __name__ == "__main__":
    one, two = sys.argv[1:]
    running = nbexec.start(slow, range(50), backend="threads", progress="off", checkpoint=one)
    child = os.fork()
    if child == 0:
        nbexec.map(double, range(9), backend="threads", progress="off", checkpoint=two)
        try:
            nbexec.map(double, range(9), backend="threads", progress="off", checkpoint=one)
        except nbexec.JournalError as error:
            sys.exit(0 if f"process {os.getppid()}" in str(error) else 1)
        sys.exit(2)
    assert code_of(child) == 0
    got = running.result()
    again = nbexec.map(slow, range(50), backend="threads", progress="off", checkpoint=one)
    assert again == got == [double(x) for x in range(50)]
    assert again.stats.restored == 50
"""
    run(tmp_path, program, str(tmp_path / "one.db"), str(tmp_path / "two.db"))


def test_a_pool_is_forked_while_an_executor_is_busy(tmp_path):
    # As CPython's test_hang_global_shutdown_lock.
    program = """
def again(executor):
    executor.submit(again, executor)

if __name__ == "__main__":
    with nbexec.Executor("threads", 1) as executor:
        executor.submit(again, executor)
        fork = multiprocessing.get_context("fork")
        for _ in range(20):
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as workers:
                workers.submit(tuple)
        executor.run.cancel()
"""
    run(tmp_path, program)


# ---------------------------------------------------------------- children of items

CHILDREN = """
class Pair:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Pair and other.x == self.x

def put(queue, x):
    queue.put(double(x))

def item(method):
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        found = pool.map(double, [1, 2]), pool.apply(Pair, (3,)) == Pair(3)
    queue = context.Queue()
    child = context.Process(target=put, args=(queue, 4))
    child.start()
    found += queue.get(), child.join(), child.exitcode
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        found += executor.submit(Pair, 5).result() == Pair(5),
    script = [sys.executable, "-c", "print(6)"]
    return found, context.get_start_method(), subprocess.check_output(script)

if __name__ == "__main__":
    methods = [None, "spawn", "fork", "forkserver"]
    if len(sys.argv) > 2:
        multiprocessing.set_start_method(sys.argv[2])
        methods = [None]
    expected = list(map(item, methods))
    got = nbexec.map(item, methods, backend=sys.argv[1], workers=2, progress="off", timeout=60)
    assert got == expected, (got, expected)
"""


@pytest.mark.parametrize("arguments", [("processes",), ("processes", "spawn"), ("threads",)])
def test_an_item_may_start_processes(tmp_path, arguments):
    run(tmp_path, CHILDREN, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("dask",), pytest.param(("dask", "spawn"), marks=pytest.mark.extended)]
)
def test_an_item_on_dask_may_start_processes(tmp_path, arguments):
    run(tmp_path, CHILDREN, *arguments)


# ---------------------------------------------------------------- inside workers of others

INSIDE = """
def inner(n):
    use(sys.argv[2].split(","))
    return n

def outer(where):
    if where == "joblib":
        import joblib
        return joblib.Parallel(2, timeout=60)(joblib.delayed(inner)(n) for n in range(3))
    if where.startswith("Pool"):
        with multiprocessing.get_context(where[5:]).Pool(2) as pool:
            found = pool.map(inner, range(3))
            pool.close()
            pool.join()
        return found
    if where.startswith("Executor"):
        context = multiprocessing.get_context(where[9:])
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            return list(pool.map(inner, range(3)))
    if where == "Client":
        from distributed import Client, LocalCluster
        with LocalCluster(1, silence_logs=50, dashboard_address=None) as c, Client(c) as client:
            return client.gather(client.map(inner, range(3)))
    return nbexec.map(inner, range(3), backend=where, progress="off")

if __name__ == "__main__":
    assert outer(sys.argv[1]) == [0, 1, 2]
"""


@pytest.mark.parametrize("where", ["Pool fork", "Executor spawn", "joblib", "processes"])
def test_inside_a_worker_of_others(tmp_path, where):
    if where == "joblib":
        pytest.importorskip("joblib")
    run(tmp_path, INSIDE, where, "serial,threads,asyncio,auto,processes", logs=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    ["Executor fork", *(pytest.param(one, marks=ALSO) for one in ("Pool spawn", "dask", "Client"))],
)
def test_inside_other_workers_with_dask(tmp_path, where):
    run(tmp_path, INSIDE, where, "processes,dask", logs=True)


# ---------------------------------------------------------------- scripts, and where they are


def test_a_script_without_a_main_guard_runs_once(tmp_path):
    program = """
class Pair:
    def __init__(self, x):
        self.x = x

print("the script runs")
use(["processes", "dask"])
for backend in ("processes", "dask"):
    assert type(nbexec.map(Pair, [1], backend=backend, progress="off")[0]) is Pair
"""
    assert run(tmp_path, program) == "the script runs\n"


def test_a_deleted_working_folder_is_said(tmp_path):
    program = """
if __name__ == "__main__":
    nbexec.map(double, range(3), backend="processes", progress="off")  # warm ones are no help
    os.chdir(folder := tempfile.mkdtemp())
    os.rmdir(folder)
    use(["serial", "threads", "asyncio", "auto"])
    for backend in ("processes", "dask"):
        for call in (lambda: use([backend]), lambda: nbexec.Executor(backend, 2)):
            try:
                call()
            except nbexec.BackendError as error:
                assert "working folder was deleted" in str(error)
            else:
                raise AssertionError(backend)
"""
    run(tmp_path, program)
