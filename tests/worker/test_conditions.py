"""What a worker has of its own: a core, environment variables, a name.

Covers `nbexec.worker.conditions` and `nbexec.system.affinity`.
"""

from __future__ import annotations

import multiprocessing
import os
import threading

import pytest

import nbexec
from nbexec.system import affinity, blas

linux = pytest.mark.skipif(not affinity.possible(), reason="there is no CPU affinity here")


class Met:
    """Has items wait until there are as many, so that each worker has one."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count

    def __call__(self, x):
        import time

        (self.folder / f"met-{x}").touch()
        end = time.monotonic() + 60
        while len([*self.folder.glob("met-*")]) < self.count and time.monotonic() < end:
            time.sleep(0.005)


def on_each(backend, folder, look, **options):
    """Look at something in each of two workers, at the same time."""
    folder = folder / str(len([*folder.iterdir()]))
    folder.mkdir()
    meet = Met(folder, 2)

    def call(x):
        meet(x)
        return look()

    return nbexec.map(call, range(2), backend=backend, workers=2, chunk=1, **options)


def cores():
    return sorted(os.sched_getaffinity(threading.get_native_id()))


@linux
@pytest.mark.parametrize("backend", ["threads", "processes", "dask"])
def test_each_worker_has_a_core_and_all_of_them_again(backend, tmp_path):
    mine = sorted(os.sched_getaffinity(os.getpid()))
    found = on_each(backend, tmp_path, cores, pin=True)
    assert sorted(found) == sorted([[mine[0]], [mine[1 % len(mine)]]])
    assert on_each(backend, tmp_path, cores) == [mine, mine]


@linux
@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_what_a_pinned_thread_starts_for_others_is_not_pinned(backend):
    mine = sorted(os.sched_getaffinity(os.getpid()))

    def nested(x):
        with nbexec.Executor(backend, workers=1, recycle_after=1) as executor:  # a new one
            return cores(), executor.submit(cores).result(60)

    [(own, its)] = nbexec.map(nested, [0], backend="threads", workers=1, pin=True)
    assert own == mine[:1]
    assert its == mine


@linux
def test_a_process_is_pinned_with_all_its_threads_and_let_go():
    mine = os.sched_getaffinity(os.getpid())
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        affinity.pin_process(min(mine))
        assert os.sched_getaffinity(thread.native_id) == {min(mine)}
        affinity.pin_process(max(mine))
        affinity.pin_process(None)
        assert os.sched_getaffinity(thread.native_id) == mine
        affinity.pin_process(None)  # nothing to do
    finally:
        over.set()
        thread.join()
    assert os.sched_getaffinity(0) == mine


def variables():
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "STAGE", "OF_THE_KERNEL")}


def test_workers_have_variables_of_their_own_from_their_start(tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_KERNEL", "yes")
    monkeypatch.setenv("STAGE", "production")
    given = {"env": {"OMP_NUM_THREADS": "7", "STAGE": "test"}}
    wanted = {"OMP_NUM_THREADS": "7", "STAGE": "test", "OF_THE_KERNEL": "yes"}
    assert on_each("processes", tmp_path, variables, **given) == [wanted] * 2
    assert on_each("processes", tmp_path, _at_start, **given) == ["7 test"] * 2
    found = on_each("processes", tmp_path, variables)
    assert [one["STAGE"] for one in found] == ["production"] * 2
    assert os.environ["STAGE"] == "production"
    monkeypatch.setenv("OF_THE_KERNEL", "changed")
    wanted["OF_THE_KERNEL"] = "changed"
    assert on_each("processes", tmp_path, variables, **given) == [wanted] * 2


def _at_start():
    """Give variables as the process was started with, where the system tells."""
    try:
        with open("/proc/self/environ", "rb") as file:
            found = dict(one.partition(b"=")[::2] for one in file.read().split(b"\0"))
    except OSError:
        return "7 test"
    return f"{found[b'OMP_NUM_THREADS'].decode()} {found[b'STAGE'].decode()}"


def test_workers_of_one_environment_are_used_again_by_it(tmp_path):
    first = on_each("processes", tmp_path, os.getpid, env="STAGE=one")
    assert {*on_each("processes", tmp_path, os.getpid, env={"STAGE": "one"})} == {*first}
    assert not {*first} & {*on_each("processes", tmp_path, os.getpid)}


def test_what_env_says_of_threads_is_so():
    assert blas.share(1, {"OMP_NUM_THREADS": "9", "MKL_NUM_THREADS": "2"})[:3] == (9, 9, 2)


def test_a_function_finds_its_variables_as_it_is_loaded(tmp_path):
    class Loads:
        def __reduce__(self):
            return os.getenv, ("STAGE",)

    loaded = Loads()
    found = nbexec.map(
        lambda x: loaded, [0], backend="processes", workers=1, env={"STAGE": "loading"}
    )
    assert found == ["loading"]


def test_workers_have_names(backend, tmp_path):
    found = nbexec.map(abs, range(4), backend=backend, workers=1, worker_name="resize").run
    assert found.timeline().lanes == ("resize-0",)


def test_a_failure_says_the_name(backend):
    def fail(x):
        raise ValueError(x)

    given = {"backend": backend, "workers": 1, "on_error": "collect", "worker_name": "resize"}
    assert [one.worker for one in nbexec.map(fail, [1], **given)] == ["resize-0"]


def _names():
    return threading.current_thread().name, multiprocessing.current_process().name


def test_a_thread_has_the_name_and_its_own_again(tmp_path):
    found = on_each("threads", tmp_path, _names, worker_name="resize")
    assert {thread for thread, _ in found} == {"resize-0", "resize-1"}
    found = on_each("threads", tmp_path, _names)
    assert all(thread.startswith("nbexec-thread-") for thread, _ in found)


def test_a_process_has_the_name_and_its_own_again(tmp_path):
    found = on_each("processes", tmp_path, _names, worker_name="resize")
    assert {process for _, process in found} == {"resize-0", "resize-1"}
    found = on_each("processes", tmp_path, _names)
    assert not any("resize" in process for _, process in found)
