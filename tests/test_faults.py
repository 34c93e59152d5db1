"""One bad item costs one item: every fault, injected for real, on every backend.

`FAULTS` says what is done and what it must come to; `ELSEWHERE` and `LOCAL` say by name
where a fault comes to something else, and why.  No pair of fault and backend is left out.

Covers `nbexec.backends.dask_cluster`, `nbexec.errors` and `nbexec.items.outcomes`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import nbexec

from .conftest import BACKENDS, REMOTE, SENT

GUILTY, COUNT = 5, 12
released = threading.Event()  # lets items that were left behind in this process go


# ---------------------------------------------------------------- what goes wrong


class Stubborn(Exception):
    """Doesn't pickle."""

    def __reduce__(self):
        raise TypeError("never leaves")


class Bomb(Exception):
    """Pickles, and doesn't unpickle."""

    def __reduce__(self):
        return explode, ("it went off",)


class LateBomb:
    """Doesn't unpickle either: it has a state that it refuses."""

    def __getstate__(self):
        return {"any": 1}

    def __setstate__(self, state):
        raise ValueError("no such state")


class Interrupting:
    """Unpickling it raises what no item should."""

    def __reduce__(self):
        return leave, ()


def explode(text):
    raise RuntimeError(text)


def leave():
    raise SystemExit("while unpickling")


def throw(error):
    raise error


def overflow():
    """Have C code recurse beyond the stack, whatever Python's own limits are."""
    nested = []
    for _ in range(100_000):
        nested = [nested]
    sys.setrecursionlimit(10**8)
    old = threading.stack_size(64 * 1024)
    thread = threading.Thread(target=repr, args=(nested,))
    thread.start()
    threading.stack_size(old)
    thread.join()


def exhaust_memory():
    """Have the kernel's out-of-memory killer end this process."""
    group = memory_group()
    if group is None:  # not allowed here: do what it does
        os.kill(os.getpid(), signal.SIGKILL)
        return
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1) * (1 << 20)))


def memory_group():
    """Put this process into a memory cgroup of 64 MiB more than it has; None if that is refused."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    paths = dict(line.split(":", 2)[1:] for line in lines)
    own, limit = Path("/sys/fs/cgroup"), "memory.max"
    if "memory" in paths:  # version 1
        own, limit = own / "memory" / paths["memory"].lstrip("/"), "memory.limit_in_bytes"
    else:
        own = own / paths.get("", "/").lstrip("/")
    group = own / f"nbexec-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(64 << 20))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        with suppress(OSError):
            group.rmdir()
        return None
    return group


def hang_in_python():
    while not released.is_set():
        time.sleep(0.005)


def hang_in_c():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=20)


class Fault(NamedTuple):
    """What the guilty item does, and what that must come to."""

    do: Callable[[], Any]
    kind: str = "error"  # of its Failure; "" where it has a value all the same
    exception: type[BaseException] = Exception
    text: str = ""  # in the failure's exception, a pattern
    item: Any = None  # in the guilty item's place
    timeout: float | None = None


PICKLE, DIED, LATE = nbexec.PickleError, nbexec.WorkerDied, nbexec.ItemTimeout

RAISED = {
    "exception": Fault(lambda: 1 // 0, exception=ZeroDivisionError, text="division"),
    "BaseException": Fault(lambda: throw(BaseException("base")), exception=BaseException),
    "SystemExit": Fault(lambda: sys.exit("so long"), exception=SystemExit, text="so long"),
    "KeyboardInterrupt": Fault(lambda: throw(KeyboardInterrupt()), exception=KeyboardInterrupt),
    "GeneratorExit": Fault(lambda: throw(GeneratorExit()), exception=GeneratorExit),
    "StopIteration": Fault(lambda: next(iter(())), exception=(StopIteration, RuntimeError)),
    "CancelledError": Fault(
        lambda: throw(asyncio.CancelledError()), exception=asyncio.CancelledError
    ),
    "MemoryError": Fault(lambda: bytearray(1 << 62), exception=MemoryError),
}
PICKLED = {
    "result doesn't pickle": Fault(
        threading.Lock, exception=PICKLE, text="result, a _thread.lock, can't be sent back"
    ),
    "result doesn't unpickle": Fault(
        LateBomb, exception=PICKLE, text=r"result, a .*LateBomb, can't .* no such state"
    ),
    "result leaves while it is unpickled": Fault(
        Interrupting, exception=PICKLE, text=r"Interrupting, can't .* SystemExit: while unp"
    ),
    "exception doesn't pickle": Fault(
        lambda: throw(Stubborn("its text")), exception=Stubborn, text="its text"
    ),
    "exception doesn't unpickle": Fault(
        lambda: throw(Bomb("its text")), exception=Bomb, text="its text"
    ),
    "item doesn't pickle": Fault(
        int, exception=PICKLE, text="the item, a Stubborn, can't be sent", item=Stubborn()
    ),
    "item doesn't unpickle": Fault(
        int, exception=PICKLE, text="the item can't be unpickled .* no such state", item=LateBomb()
    ),
}
FATAL = {
    "os._exit": Fault(lambda: os._exit(3), "lost", DIED, "exited with code 3"),
    "SIGKILL": Fault(
        lambda: os.kill(os.getpid(), signal.SIGKILL), "lost", DIED, r"signal 9 \(SIGKILL\)"
    ),
    "segfault": Fault(lambda: ctypes.string_at(0), "lost", DIED, r"signal 11 \(SIGSEGV\)"),
    "abort": Fault(os.abort, "lost", DIED, r"signal 6 \(SIGABRT\)"),
    "stack overflow in C": Fault(overflow, "lost", DIED, r"signal 11 \(SIGSEGV\)"),
    "out of memory": Fault(exhaust_memory, "lost", DIED, r"signal 9 \(SIGKILL\)"),
}
ENDLESS = {
    "hang in Python": Fault(hang_in_python, "error", LATE, "longer than timeout=", timeout=0.5),
    "hang in C": Fault(hang_in_c, "error", LATE, "longer than timeout=", timeout=0.5),
}
FAULTS = RAISED | PICKLED | FATAL | ENDLESS

IN_KERNEL = [name for name in BACKENDS if name not in REMOTE]
HARMLESS = "nothing is pickled in the kernel: the item has its value, or raises itself"
NO_SURVIVOR = "it ends the process, which is the kernel itself"
NO_LIMIT = "the calling thread is in the item: timeout= is refused"
INTERRUPT = "raised in the calling thread, it can't be told from the user's own"

ELSEWHERE = {
    **{(fault, name): HARMLESS for fault in PICKLED for name in IN_KERNEL if name not in SENT},
    **{(fault, name): NO_SURVIVOR for fault in FATAL for name in IN_KERNEL},
    **{(fault, "serial"): NO_LIMIT for fault in ENDLESS},
    ("KeyboardInterrupt", "serial"): INTERRUPT,
}


# ---------------------------------------------------------------- the law


@pytest.fixture(autouse=True)
def let_go():
    """Let what was left behind in this process end with the test."""
    released.clear()
    yield
    released.set()


@pytest.fixture(autouse=True, scope="module")
def no_groups_left():
    """Take away the memory cgroups that workers made for their own end."""
    yield
    for group in Path("/sys/fs/cgroup").glob("**/nbexec-test-*"):
        with suppress(OSError):
            group.rmdir()


def run(fault: Fault, backend: str, **options: Any) -> nbexec.Results:
    """Map over items of which one is guilty; `fault.do` travels by value, as a cell's would."""
    do, guilty = fault.do, fault.item
    items = [x if x != GUILTY or guilty is None else guilty for x in range(COUNT)]

    def work(item):
        return do() if item == GUILTY or not isinstance(item, int) else item

    options = {"on_error": "collect", "timeout": fault.timeout, **options}
    return nbexec.map(work, items, backend=backend, **options)


def check(fault: Fault, results: nbexec.Results, attempts: int = 1) -> None:
    """Assert that the guilty item alone failed, and as the fault says."""
    others = [x for x in results if not isinstance(x, nbexec.Failure)]
    assert others == [x for x in range(COUNT) if x != GUILTY]
    (failure,) = results.failures
    assert failure.index == GUILTY
    assert failure.kind == fault.kind
    assert failure.attempt == attempts
    assert isinstance(failure.exception, fault.exception)
    assert re.search(fault.text, str(failure.exception))
    assert type(failure.exception).__name__ in failure.traceback or fault.exception is PICKLE
    assert results.stats.failed == 1
    assert results.stats.done == COUNT - 1


APPLY = [(f, b) for f in FAULTS for b in BACKENDS if (f, b) not in ELSEWHERE]
IN_TIME = pytest.mark.alone  # or the other items may come too late as well
MARKED = [pytest.param(*one, marks=IN_TIME if one[0] in ENDLESS else ()) for one in APPLY]


@pytest.mark.parametrize(("name", "backend"), MARKED)
def test_exactly_the_guilty_item_fails(name, backend):
    fault = FAULTS[name]
    # A fatal one in a chunk of its own: looking for it in a chunk is told below.
    options = {"crash_retries": 0} if fault.kind == "lost" else {}
    check(fault, run(fault, backend, **options))
    assert nbexec.map(abs, range(-COUNT, 0), backend=backend) == list(range(COUNT, 0, -1))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", [*RAISED, *PICKLED, "SIGKILL"])
@pytest.mark.parametrize("backend", REMOTE)
def test_the_guilty_item_is_found_in_its_chunk(name, backend):
    fault = FAULTS[name]
    attempts = 2 if fault.kind == "lost" else 1
    check(fault, run(fault, backend, chunk=COUNT), attempts)


@pytest.mark.parametrize(
    ("name", "backend"), [k for k, why in ELSEWHERE.items() if why is HARMLESS]
)
def test_what_is_not_pickled_can_do_no_harm(name, backend):
    results = run(FAULTS[name], backend)
    assert results[:GUILTY] + results[GUILTY + 1 :] == [x for x in range(COUNT) if x != GUILTY]
    if "exception" in name:
        assert isinstance(results[GUILTY].exception, Stubborn | Bomb)
    else:
        assert isinstance(results[GUILTY], type(FAULTS[name].do()))


def test_an_interrupt_in_the_calling_thread_is_the_users():
    with pytest.raises(KeyboardInterrupt) as caught:
        run(FAULTS["KeyboardInterrupt"], "serial")
    assert caught.value.partial_results[:GUILTY] == list(range(GUILTY))
    assert nbexec.map(abs, [-1], backend="serial") == [1]


@pytest.mark.parametrize("name", ENDLESS)
def test_serial_refuses_a_timeout(name):
    with pytest.raises(nbexec.OptionError, match="timeout= does not work with backend='serial'"):
        run(FAULTS[name], "serial")


@pytest.mark.parametrize("backend", REMOTE)
def test_several_guilty_items_are_each_found(backend):
    def work(x):
        if x in (3, 4, 17):
            os._exit(x)
        return x

    results = nbexec.map(work, range(20), backend=backend, on_error="collect", crash_retries=0)
    assert [failure.index for failure in results.failures] == [3, 4, 17]
    codes = [str(failure.exception).rpartition(" ")[2] for failure in results.failures]
    assert codes == ["3", "4", "17"]
    assert results.ok() == [x for x in range(20) if x not in (3, 4, 17)]


def test_the_table_is_whole():
    assert {*APPLY, *ELSEWHERE} == {(fault, name) for fault in FAULTS for name in BACKENDS}
    assert not set(APPLY) & set(ELSEWHERE)


@pytest.mark.parametrize(("known", "said"), [(4, "code 4"), (None, "code 255"), (-9, "SIGKILL")])
def test_an_exit_code_that_another_thread_has_read_is_known_all_the_same(known, said):
    from nbexec.backends.dask_cluster import _ending

    class KilledWorker(Exception):
        pass

    process = SimpleNamespace(exitcode=255, _process=SimpleNamespace(exitcode=known))
    assert said in _ending(process, KilledWorker())


def test_a_request_for_results_that_was_given_up_is_no_others_end():
    from nbexec.backends.dask_cluster import result_of

    class Pending:
        def cancelled(self):
            return True

    class Client:
        _gather_future = Pending()

    class Task:
        client, status = Client(), "finished"

        def result(self, timeout):
            if self.client._gather_future is not None:
                raise UnboundLocalError("cannot access local variable 'result'")
            return b"data"

    assert result_of(Task()) == b"data"
    lost = Task()
    lost.client, lost.status = Client(), "cancelled"
    with pytest.raises(UnboundLocalError):
        result_of(lost)
