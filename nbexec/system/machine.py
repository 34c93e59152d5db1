"""Cores and memory that this machine, or the container, allows; and what threads use of them."""

from __future__ import annotations

import functools
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def _read(name: str) -> list[str]:
    try:
        return (_CGROUP / name).read_text().split()
    except OSError:
        return []


@functools.cache
def cores() -> int:
    """Cores that this process may use: affinity and cgroup quota, at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [allowed or 1]
    quota = _read("cpu.max")  # cgroup 2: "max 100000" or "200000 100000"
    if len(quota) == 2 and quota[0] != "max":
        limits.append(-(-int(quota[0]) // int(quota[1])))
    old, period = _read("cpu/cpu.cfs_quota_us"), _read("cpu/cpu.cfs_period_us")  # cgroup 1
    if old and period and int(old[0]) > 0:
        limits.append(-(-int(old[0]) // int(period[0])))
    return max(1, min(limits))


def starved(thread: int) -> float:
    """Seconds that a thread of this process was ready to run while no core was free.

    Without it work on a busy machine looks like waiting: it takes long and uses little CPU.

    Parameters
    ----------
    thread : int
        Its ``native_id``.

    Returns
    -------
    float
        Since the thread began; 0.0 where the system doesn't tell (Linux does, see
        proc_pid_schedstat(5)).
    """
    try:
        if thread == threading.get_native_id():  # kept open: a tenth of the time
            said = os.pread(_opened(thread).number, 64, 0)
        else:
            with open(_SCHEDSTAT.format(thread), "rb") as file:
                said = file.read()
        return _seconds(said)
    except (OSError, IndexError, AttributeError):  # no such file; no such system
        return 0.0


def computing(thread: int) -> tuple[float, float] | None:
    """Give the seconds that a thread of this process was on a core, and ready for one.

    Parameters
    ----------
    thread : int
        Its ``native_id``.

    Returns
    -------
    tuple of float, or None
        Since the thread began; None where it has ended, or the system doesn't tell.
    """
    try:
        with open(_SCHEDSTAT.format(thread), "rb") as file:
            on_core, waited = file.read().split()[:2]
    except (OSError, ValueError):
        return None
    return int(on_core) / 1e9, int(waited) / 1e9


def starving_of_this_thread() -> Callable[[], float]:
    """Give a function that reads `starved` of this thread in another: one system call each."""
    try:
        opened = _opened(threading.get_native_id())
    except (OSError, AttributeError):
        return float

    def read() -> float:
        try:
            return _seconds(os.pread(opened.number, 64, 0))
        except (OSError, IndexError):  # it has ended
            return 0.0

    return read


def ready(thread: int) -> bool:
    """Whether a thread of this process runs, or is ready to; False where the system doesn't tell.

    What it lacks a core for at this moment is counted only when it has one again.
    """
    try:
        with open(f"/proc/self/task/{thread}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] == [b"R"]
    except OSError:
        return False


def _seconds(said: bytes) -> float:
    return int(said.split()[1]) / 1e9


_SCHEDSTAT = "/proc/self/task/{}/schedstat"


class _Opened:
    """A thread's file, open till the thread ends."""

    number = -1

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.number = os.open(_SCHEDSTAT.format(thread), os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


_own = threading.local()


def _opened(thread: int) -> _Opened:
    opened: _Opened | None = getattr(_own, "opened", None)
    if opened is None or opened.thread != thread:  # a fork has another thread
        opened = _own.opened = _Opened(thread)
    return opened


def memory_limit() -> int:
    """Bytes that this process may use: the machine's memory, or the cgroup's if smaller."""
    limits = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        value = _read(name)
        if value and value[0].isdigit():
            limits.append(int(value[0]))
    return min(limits, default=0)


def memory_free() -> int:
    """Bytes that are free for this process: of the machine's memory, and of the cgroup's."""
    free = _available()
    for v, limit, used, cache in _MEMORY:
        most, now, words = _read(v + limit), _read(v + used), _read(f"{v}memory.stat")
        if most and now and most[0].isdigit():
            files = int(words[words.index(cache) + 1]) if cache in words else 0  # can be dropped
            free = min(free, int(most[0]) - int(now[0]) + files)
    return max(0, free)


def _available() -> int:
    try:
        with open("/proc/meminfo", "rb") as file:
            found = next(line for line in file if line.startswith(b"MemAvailable:"))
        return int(found.split()[1]) << 10
    except (OSError, StopIteration, ValueError):
        import psutil  # 20 ms

        available: int = psutil.virtual_memory().available
        return available


def resident() -> tuple[int, int]:
    """Bytes of memory that this process has now, and had at most; 0 and 0 where they are unknown.

    Linux does.  What getrusage(2) gives for the latter begins with what the process had that
    started this one.
    """
    try:
        with open("/proc/self/status", "rb") as file:
            said = dict(line.split(b":", 1) for line in file)
        return int(said[b"VmRSS"].split()[0]) << 10, int(said[b"VmHWM"].split()[0]) << 10
    except (OSError, KeyError, ValueError, IndexError):
        return 0, 0


def resident_of(process: int) -> int:
    """Bytes of memory that another process has now; 0 where it has ended."""
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        if os.path.isdir("/proc/self"):
            return 0
    import psutil  # 20 ms

    try:
        return int(psutil.Process(process).memory_info().rss)
    except psutil.Error:
        return 0


def peak_rss() -> int:
    """Give the largest resident memory of this process so far, in bytes; 0 if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def recent_peak_rss() -> int:
    """Give `peak_rss` as it was within the last 0.1 s: for chunks that take no time."""
    return _peak_rss_at(int(10 * time.perf_counter()))


@functools.lru_cache(1)
def _peak_rss_at(tenth: int) -> int:
    return peak_rss()


_MEMORY = (  # of cgroup 2, and of 1
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory/", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def default_workers(most: int, depth: int) -> int:
    """Give how many workers a run gets that was started `depth` runs deep.

    All of them in the kernel, about their square root in a task, one below that: nested
    runs then never multiply.
    """
    if depth == 0:
        return most
    return max(1, round(most**0.5)) if depth == 1 else 1


@functools.cache
def identity() -> str:
    """Name this machine and its Python: on any other, folders and paths mean nothing."""
    return f"{platform.node()} {os.path.realpath(sys.executable)}"
