"""What the machine says of a thread."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

from nbexec.system import machine

from ..waiting import until

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")


@linux
def test_a_thread_that_waited_for_a_core_has_a_number_and_others_see_the_same():
    me = threading.get_native_id()
    mine, seen = machine.starved(me), []
    other = threading.Thread(target=lambda: seen.append(machine.starved(me)))
    other.start()
    other.join()
    assert 0.0 <= mine <= seen[0] <= machine.starved(me)
    assert machine.starved(0) == 0.0  # there is no such thread


@linux
def test_what_a_thread_lacked_is_told_to_others_while_it_lives():
    read = machine.starving_of_this_thread()
    seen = []
    other = threading.Thread(target=lambda: seen.append(read()))
    other.start()
    other.join()
    assert 0.0 <= seen[0] <= machine.starved(threading.get_native_id())

    def leave():
        seen.append(machine.starving_of_this_thread())

    other = threading.Thread(target=leave)
    other.start()
    other.join()
    until(lambda: seen[1]() == 0.0)  # it has ended a moment after it was joined


@linux
def test_a_thread_that_could_run_is_ready_and_one_that_waits_is_not():
    waits, done = threading.Event(), threading.Event()
    numbers = []

    def wait():
        numbers.append(threading.get_native_id())
        waits.set()
        done.wait()

    other = threading.Thread(target=wait)
    other.start()
    waits.wait()
    until(lambda: not machine.ready(numbers[0]))
    assert machine.ready(threading.get_native_id())
    done.set()
    other.join()  # Python's end of it; the system's comes a moment later
    until(lambda: not machine.ready(numbers[0]))


def opened() -> int:
    """Give how many threads' files are open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            count += "schedstat" in os.readlink(f"/proc/self/fd/{name}")
    return count


@linux
def test_nothing_stays_open_when_threads_have_ended():
    def ask():
        machine.starved(threading.get_native_id())

    before = opened()
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert opened() <= before  # other tests' threads may end meanwhile


CGROUPS = {
    "2": {"memory.max": "1000", "memory.current": "900", "memory.stat": "anon 5\ninactive_file 50"},
    "1": {
        "memory/memory.limit_in_bytes": "1000",
        "memory/memory.usage_in_bytes": "900",
        "memory/memory.stat": "cache 60\ntotal_inactive_file 50",
    },
}


@pytest.mark.parametrize("cgroup", CGROUPS.values(), ids=CGROUPS.keys())
def test_of_a_containers_memory_what_files_take_is_free(cgroup, tmp_path, monkeypatch):
    (tmp_path / "memory").mkdir()
    for name, said in cgroup.items():
        (tmp_path / name).write_text(said)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.memory_free() == 150


def test_without_a_limit_what_is_free_is_the_machines(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert 0 < machine.memory_free() <= machine.memory_limit()


@linux
def test_what_a_process_had_at_most_is_its_own_not_that_of_who_started_it():
    block = bytearray(b"x") * (200 << 20)
    now, most = machine.resident()
    assert 200 << 20 < now <= most
    code = "from nbexec.system import machine; print(*machine.resident())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert all(0 < int(one) < 150 << 20 for one in said.split())
    assert len(block)


def test_how_long_a_thread_has_computed():
    me = threading.get_native_id()
    before = machine.computing(me)
    if before is None:
        pytest.skip("the system doesn't tell")
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass
    after = machine.computing(me)
    assert after is not None
    assert after[0] >= before[0]
    assert sum(after) > sum(before)
    assert machine.computing(0) is None
