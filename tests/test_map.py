"""What `nbexec.map` promises, on every backend.

Covers `nbexec.api`, `nbexec.backends.aio`, `nbexec.backends.base`, `nbexec.backends.dask`,
`nbexec.backends.dask_given`,
`nbexec.backends.processes`, `nbexec.backends.serial`, `nbexec.backends.threads`,
`nbexec.model`, `nbexec.run.backlog` and `nbexec.run.failure_policy`.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import itertools
import os
import re
import signal
import threading
import time

import pytest
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec import Failure
from nbexec.run.failure_policy import waiting
from nbexec.telemetry.events import Retried, Submitted


def square(x):
    return x * x


def fail_on_odd(x):
    if x % 2:
        raise ValueError(f"odd: {x}")
    return x


def test_results_come_in_the_order_of_the_items(backend):
    assert nbexec.map(square, range(200), backend=backend) == [x * x for x in range(200)]


def test_results_is_a_list_and_knows_its_run(backend):
    results = nbexec.map(square, [1, 2], backend=backend)
    assert isinstance(results, list)
    assert results.stats.done == 2
    assert results.run.choice.backend == backend
    assert results[1:] == [4]


def test_no_items_give_no_results(backend):
    assert nbexec.map(square, [], backend=backend) == []
    assert nbexec.map(square, iter(()), backend=backend) == []


def test_several_iterables_are_zipped_to_the_shortest(backend):
    assert nbexec.map(pow, [2, 3, 4], (5, 2), backend=backend) == [32, 9]
    assert nbexec.map(pow, itertools.count(2), [5, 2], backend=backend) == [32, 9]


@pytest.mark.parametrize("items", [[3, 1, 2], (3, 1, 2), range(3), "abc", {"a": 1}, iter([3, 1])])
def test_any_iterable_will_do(backend, items):
    again = list(items)
    items = iter(again) if not hasattr(items, "__len__") else items
    assert nbexec.map(repr, items, backend=backend) == [repr(x) for x in again]


def test_lambdas_closures_partials_and_local_classes_travel(backend):
    class Point:
        def __init__(self, x):
            self.x = x

        def __eq__(self, other):
            return type(other) is type(self) and other.x == self.x

        __hash__ = None

    offset = 10
    assert nbexec.map(lambda x: x + offset, [1, 2], backend=backend) == [11, 12]
    assert nbexec.map(functools.partial(pow, 2), [3], backend=backend) == [8]
    assert nbexec.map(Point, [1, 2], backend=backend) == [Point(1), Point(2)]
    assert nbexec.map(lambda p: p.x, [Point(5)], backend=backend) == [5]


def test_coroutine_functions_are_awaited(backend):
    async def double(x):
        await asyncio.sleep(0.001)
        return 2 * x

    assert nbexec.map(double, range(20), backend=backend) == [2 * x for x in range(20)]


def test_a_captured_array_arrives_and_may_be_written_to(backend):
    if backend == "interpreters":
        pytest.skip("NumPy can't be loaded there")
    np = pytest.importorskip("numpy")
    data = np.arange(2_000_000, dtype=float)

    def use(i):
        mine = data.copy() if backend not in ("processes", "dask") else data
        mine[i] = -1.0
        return float(mine[i]), float(mine[-1])

    assert nbexec.map(use, range(4), backend=backend) == [(-1.0, 1_999_999.0)] * 4
    assert data.min() == 0.0


# ---------------------------------------------------------------- setup


def test_setup_runs_once_a_worker_and_a_run(backend):
    def setup():
        return [os.getpid(), threading.get_ident(), 0]

    def count(item, state):
        state[2] += 1
        return tuple(state)

    results = nbexec.map(count, range(40), setup=setup, backend=backend)
    seen = {}
    for pid, thread, calls in results:
        seen.setdefault((pid, thread), []).append(calls)
    assert len(seen) <= 2
    assert sum(max(calls) for calls in seen.values()) == 40
    again = nbexec.map(count, [0], setup=setup, backend=backend)
    assert again[0][2] == 1  # a new run has a new state


def test_what_setup_raises_is_the_items_error(backend):
    def setup():
        raise OSError("no model")

    results = nbexec.map(lambda x, s: x, range(5), setup=setup, backend=backend, on_error="collect")
    assert [str(failure.exception) for failure in results] == ["no model"] * 5


# ---------------------------------------------------------------- failures


def test_raise_gives_the_first_failing_items_own_exception(backend):
    with pytest.raises(ValueError, match="odd: 7") as caught:
        nbexec.map(lambda x: fail_on_odd(x), [0, 2, 4, 7, 6, 9, *range(0, 200, 2)], backend=backend)
    error = caught.value
    assert any("item 3 of 106" in note and ": 7" in note for note in error.__notes__)
    assert "fail_on_odd" in [entry.name for entry in caught.traceback]
    assert error.partial_results[:3] == [0, 2, 4]


def test_raise_is_deterministic_whatever_ends_first(backend):
    def fail(x):
        if x in (3, 4):
            time.sleep(0.05 if x == 3 else 0)
            raise ValueError(x)
        return x

    for _ in range(3):
        with pytest.raises(ValueError, match="3"):
            nbexec.map(fail, range(50), backend=backend, chunk=1)


def test_collect_leaves_a_failure_in_the_items_place(backend):
    results = nbexec.map(fail_on_odd, range(50), backend=backend, on_error="collect")
    assert [x for x in results if not isinstance(x, Failure)] == list(range(0, 50, 2))
    assert results.ok() == list(range(0, 50, 2))
    assert [failure.index for failure in results.failures] == list(range(1, 50, 2))
    failure = results[7]
    assert not failure
    assert (failure.index, failure.item, failure.attempt, failure.kind) == (7, 7, 1, "error")
    assert isinstance(failure.exception, ValueError)
    assert "fail_on_odd" in failure.traceback
    assert "odd: 7" in failure.traceback
    assert failure.worker
    stats = results.stats
    assert (stats.done, stats.failed, stats.total) == (25, 25, 50)


def test_base_exceptions_of_an_item_are_its_own_failure(backend):
    def leave(x):
        if x == 1:
            raise SystemExit(3)
        return x

    results = nbexec.map(leave, range(3), backend=backend, on_error="collect")
    assert [results[0], results[2]] == [0, 2]
    assert isinstance(results[1].exception, SystemExit)


def test_an_item_whose_repr_raises_is_survived(backend):
    class Shy:
        def __repr__(self):
            raise RuntimeError("no")

    with pytest.raises(ZeroDivisionError) as caught:
        nbexec.map(lambda item: 1 / 0, [Shy()], backend=backend)
    assert "Shy whose repr raised RuntimeError" in caught.value.__notes__[0]


def test_retries_try_an_item_again(backend, tmp_path):
    def flaky(x):
        mark = tmp_path / str(x)
        tries = int(mark.read_text()) + 1 if mark.exists() else 1
        mark.write_text(str(tries))
        if tries < 3 and x % 5 == 0:
            raise OSError(f"try {tries}")
        return tries

    results = nbexec.map(flaky, range(20), backend=backend, retries=2, retry_wait=0.01)
    assert results == [3 if x % 5 == 0 else 1 for x in range(20)]
    assert results.stats.retried == 8
    left = nbexec.map(lambda x: 1 / 0, [1], backend=backend, retries=1, on_error="collect", chunk=3)
    assert left[0].attempt == 2


def failing(times, error):
    """A function that raises so many times for each item before it gives it."""
    left = {}

    def fail(x):
        left[x] = left.get(x, times) - 1
        if left[x] >= 0:
            raise error
        return x

    return fail


@pytest.mark.parametrize(
    ("retry_on", "again"),
    [
        (ValueError, True),
        ((KeyError, ValueError), True),
        (OSError, False),
        ("OSError, ValueError", True),
        ("json.JSONDecodeError", False),
        (lambda error: "bad" in str(error), True),
        (lambda error: "good" in str(error), False),
    ],
)
def test_retry_on_says_what_is_tried_again(retry_on, again):
    call = functools.partial(
        nbexec.map, failing(1, ValueError("bad")), [5], backend="threads", retries=1
    )
    if again:
        assert call(retry_on=retry_on, retry_wait=0) == [5]
    else:
        with pytest.raises(ValueError, match="bad"):
            call(retry_on=retry_on, retry_wait=0)


@pytest.mark.parametrize(
    ("retry_wait", "waits"),
    [
        (0.01, [0.01, 0.01]),
        (lambda attempt: attempt / 100, [0.01, 0.02]),
        (tenacity.wait_fixed(0.01) + tenacity.wait_exponential(0.01), [0.02, 0.03]),
        (tenacity.wait_exception(lambda error: 0.02 if "x" in str(error) else 0), [0.02, 0.02]),
    ],
)
def test_retry_wait_may_be_a_strategy(log, retry_wait, waits):
    fail = failing(2, ValueError("x"))
    nbexec.map(fail, [1], backend="threads", retries=2, retry_wait=retry_wait)
    seen = [event.wait for event in log.events if isinstance(event, Retried)]
    assert seen == pytest.approx(waits)


def test_a_retry_waits_at_random_unless_it_is_told():
    waits = {waiting(None)(3, None) for _ in range(50)}
    assert len(waits) == 50
    assert all(0 <= wait <= 0.4 for wait in waits)


def test_a_wait_that_is_no_time_is_told():
    fail = failing(1, ValueError("x"))
    with pytest.raises(nbexec.OptionError, match="must give seconds, 0 or more, not -1"):
        nbexec.map(fail, [1], backend="threads", retries=1, retry_wait=lambda attempt: -1)


def test_a_generator_that_raises_midway_keeps_what_was_finished(backend):
    def items():
        yield from range(30)
        raise KeyError("row 30")

    with pytest.raises(nbexec.ItemsError, match="after 30 items") as caught:
        nbexec.map(square, items(), backend=backend)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.partial_results == [x * x for x in range(30)]


def test_a_blocking_map_pulls_a_generator_in_the_callers_thread(backend):
    threads = set()

    def items():
        for x in range(100):
            threads.add(threading.get_ident())
            yield x

    assert nbexec.map(square, items(), backend=backend) == [x * x for x in range(100)]
    assert threads == {threading.get_ident()}


def test_serial_runs_in_the_callers_thread():
    idents = nbexec.map(lambda x: threading.get_ident(), range(5), backend="serial")
    assert set(idents) == {threading.get_ident()}


# ---------------------------------------------------------------- what can't be sent


def test_a_function_that_cannot_be_sent_names_what_it_captured(sent):
    lock = threading.Lock()

    def locked(x):
        with lock:
            return x

    with pytest.raises(nbexec.PickleError, match=r"'lock' \(_thread.lock\) in .*locked"):
        nbexec.map(locked, [1], backend=sent)


def test_one_item_that_cannot_be_sent_is_one_failure(sent):
    items = [*range(20), threading.Lock(), *range(20)]
    results = nbexec.map(repr, items, backend=sent, on_error="collect")
    assert [f.index for f in results.failures] == [20]
    assert isinstance(results[20].exception, nbexec.PickleError)
    assert results.ok() == [repr(x) for x in items if isinstance(x, int)]


def test_one_result_that_cannot_be_sent_is_one_failure(sent):
    results = nbexec.map(
        lambda x: threading.Lock() if x == 7 else x, range(20), backend=sent, on_error="collect"
    )
    assert [f.index for f in results.failures] == [7]
    assert "_thread.lock" in str(results[7].exception)


def test_an_exception_that_refuses_to_be_pickled_arrives_all_the_same(sent):
    class Stubborn(Exception):
        def __reduce__(self):
            raise TypeError("never")

    def fail(x):
        raise Stubborn("the text")

    results = nbexec.map(fail, [1], backend=sent, on_error="collect")
    assert type(results[0].exception).__qualname__ == Stubborn.__qualname__
    assert str(results[0].exception) == "the text"
    assert "in fail" in results[0].traceback


DEATHS = {
    "exit": (lambda: os._exit(3), "exited with code 3"),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), r"signal 9 \(SIGKILL\)"),
    "segfault": (lambda: ctypes.string_at(0), r"signal 11 \(SIGSEGV\)"),
    "abort": (os.abort, r"signal 6 \(SIGABRT\)"),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("chunk", [None, 8])
def test_a_worker_that_dies_costs_its_item_alone(death, chunk, tmp_path):
    die, how = DEATHS[death]

    def work(x):
        with (tmp_path / str(x)).open("a") as file:
            file.write("x")
        return die() if x == 25 else x

    results = nbexec.map(work, range(60), backend="processes", on_error="collect", chunk=chunk)
    assert [f.index for f in results.failures] == [25]
    assert results.ok() == [x for x in range(60) if x != 25]
    failure = results[25]
    assert isinstance(failure.exception, nbexec.WorkerDied)
    assert re.search(how, str(failure.exception))
    assert (failure.kind, failure.attempt) == ("lost", 2)
    assert len((tmp_path / "25").read_text()) <= 3  # in its chunk, alone, and once more
    assert nbexec.map(square, [3], backend="processes") == [9]


def test_a_worker_that_dies_once_loses_nothing(remote, tmp_path):
    def work(x):
        if x == 5 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        return x

    assert nbexec.map(work, range(40), backend=remote) == list(range(40))


def test_without_crash_retries_no_item_is_begun_twice(tmp_path):
    def work(x):
        (tmp_path / str(x)).open("x").close()  # raises if it is begun twice
        return os._exit(1) if x == 5 else x

    options = {"crash_retries": 0, "on_error": "collect"}
    results = nbexec.map(work, range(20), backend="processes", **options)
    assert [failure.index for failure in results.failures] == [5]
    assert results[5].attempt == 1


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((3, [1]), {}, "must be a function of one item, not 3"),
        ((square,), {}, "square needs items"),
        ((square, 3), {}, "must be an iterable, not int"),
        ((square, [1]), {"setup": 3}, "setup must be a function"),
        ((square, [1]), {"workers": 0}, "workers must be an integer of at least 1, not 0"),
        ((square, [1]), {"workers": True}, "workers must be an integer"),
        ((square, [1]), {"chunk": 1.5}, "chunk must be an integer of at least 1, not 1.5"),
        ((square, [1]), {"crash_retries": 0, "chunk": 2}, "crash_retries=0 needs chunk=1, not 2"),
        ((square, [1]), {"retries": -1}, "retries must be an integer of at least 0, not -1"),
        ((square, [1]), {"retry_wait": "1"}, "retry_wait must be seconds"),
        ((square, [1]), {"retry_wait": -1}, "retry_wait must be seconds, 0 or more, not -1"),
        ((square, [1]), {"retry_on": int}, "retry_on must be an exception type, several.*'int'"),
        ((square, [1]), {"retry_on": "OSErr"}, "retry_on must be .*, not OSErr"),
        ((square, [1]), {"on_error": "colect"}, "did you mean 'collect'"),
        ((square, [1]), {"progress": "bar"}, "progress='bar' is not one of"),
        ((square, [1]), {"name": 3}, "name must be a string"),
        ((square, [1]), {"backend": "thread"}, "did you mean 'threads'"),
        ((square, [1]), {"backend": 3}, "backend must be a name"),
        ((square, [1]), {"worker": 3}, "no option 'worker'; did you mean 'workers'"),
    ],
)
def test_bad_input_is_told_at_once(args, options, message):
    with pytest.raises(nbexec.OptionError, match=message):
        nbexec.map(*args, **options)


def test_an_unreachable_cluster_is_told():
    from nbexec.backends.dask import Dask

    nobody = "tcp://127.0.0.1:9"
    with pytest.raises(nbexec.BackendError, match="no Dask cluster answers at 'tcp://127"):
        nbexec.map(square, [1], backend=Dask(nobody, timeout=1))


# ---------------------------------------------------------------- laws


@settings(max_examples=25, deadline=None)
@given(
    items=st.lists(st.integers(), max_size=300),
    workers=st.integers(1, 5),
    chunk=st.none() | st.integers(1, 50),
    lazy=st.booleans(),
)
@pytest.mark.parametrize("name", ["serial", "threads", "processes", "asyncio"])
def test_map_is_the_plain_map(name, items, workers, chunk, lazy):
    given_items = iter(items) if lazy else items
    results = nbexec.map(square, given_items, backend=name, workers=workers, chunk=chunk)
    assert results == list(map(square, items))


@settings(max_examples=25, deadline=None)
@given(
    bad=st.sets(st.integers(0, 80)),
    chunk=st.none() | st.integers(1, 30),
    collect=st.booleans(),
)
@pytest.mark.parametrize("name", ["serial", "threads", "processes", "asyncio"])
def test_failures_are_those_of_a_plain_loop(name, bad, chunk, collect):
    def work(x):
        if x in bad:
            raise ValueError(x)
        return -x

    if collect or not bad:
        results = nbexec.map(work, range(81), backend=name, chunk=chunk, on_error="collect")
        assert {failure.index for failure in results.failures} == bad
        assert all(r == -x for x, r in enumerate(results) if x not in bad)
    else:
        with pytest.raises(ValueError, match=str(min(bad))) as caught:
            nbexec.map(work, range(81), backend=name, chunk=chunk)
        assert caught.value.args == (min(bad),)
        first = caught.value.partial_results[: min(bad)]
        assert first == [-x for x in range(min(bad))]


@pytest.mark.parametrize("backend", ["serial", "threads", "asyncio"])
def test_a_chunk_goes_on_after_a_failure_that_nothing_depends_on(backend):
    def work(x):
        if x == 0:
            raise ValueError(x)
        time.sleep(0.02 * (x == 1))  # a run that may have to stop takes the rest back meanwhile
        return x

    sent = []
    nbexec.map(
        work,
        range(20),
        chunk=20,
        workers=1,
        on_error="collect",
        backend=backend,
        on_event=lambda event: sent.append(event) if isinstance(event, Submitted) else None,
    )
    assert [len(event.chunk) for event in sent] == [20]
