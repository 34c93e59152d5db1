"""nbexec as a backend of joblib: `Parallel` gives what joblib's own backend gives.

Covers `nbexec.integrations.registered_joblib`, `nbexec.integrations.parallel_run`,
`nbexec.integrations.joblib_batches`, `nbexec.integrations.shared_arrays`,
`nbexec.integrations.joblib_names` and `nbexec.executor.calls_executor`.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
import warnings
from pickle import PicklingError

import pytest

import nbexec
from nbexec.backends.buffer_store import BufferStore
from nbexec.model import Task
from nbexec.observers.display import Display
from nbexec.telemetry.events import RunStarted, Steered

joblib = pytest.importorskip("joblib")
np = pytest.importorskip("numpy")

from joblib import Parallel, delayed, effective_n_jobs, parallel_config  # noqa: E402

from nbexec.integrations.registered_joblib import NbexecBackend  # noqa: E402
from nbexec.integrations.shared_arrays import SharedArrays  # noqa: E402

from ..waiting import until  # noqa: E402


@pytest.fixture(autouse=True)
def registered():
    nbexec.register_joblib()
    with parallel_config(backend="nbexec", n_jobs=2):
        yield


def squares(**options):
    return Parallel(**options)(delayed(pow)(x, 2) for x in range(30))


@pytest.mark.parametrize("on", [{}, {"prefer": "threads"}, {"require": "sharedmem"}])
@pytest.mark.parametrize(
    "more", [{}, {"batch_size": 4}, {"pre_dispatch": "all"}, {"pre_dispatch": 3}]
)
def test_a_list(on, more):
    assert squares(**on, **more) == [x * x for x in range(30)]


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_generators(on):
    assert list(squares(return_as="generator", prefer=on)) == [x * x for x in range(30)]
    unordered = squares(return_as="generator_unordered", prefer=on)
    assert sorted(unordered) == [x * x for x in range(30)]


def test_another_parallel_while_the_results_of_one_are_taken():
    ended = threading.Event()

    def waits(x):
        return x if not x or ended.wait() else None

    first = Parallel(return_as="generator", prefer="threads")(delayed(waits)(x) for x in range(9))
    assert next(first) == 0
    assert squares(prefer="threads") == [x * x for x in range(30)]
    ended.set()
    assert list(first) == list(range(1, 9))


def test_any_backend_of_a_session(backend):
    with nbexec.options(backend=backend):
        assert squares() == [x * x for x in range(30)]


def test_one_parallel_makes_several_calls_in_one_run(log):
    with Parallel(n_jobs=2) as parallel:
        for n in (3, 5):
            assert parallel(delayed(abs)(-x) for x in range(n)) == list(range(n))
    assert sum(isinstance(event, RunStarted) for event in log.events) == 1


def test_what_the_run_is_called_and_how_much_there_is(log):
    calls = [delayed(pow)(x, 2) for x in range(5)]
    assert Parallel(n_jobs=2)(calls) == [0, 1, 4, 9, 16]
    (started,) = [event for event in log.events if isinstance(event, RunStarted)]
    assert started.name == "pow"
    assert [event.total for event in log.events if isinstance(event, Steered)] == [5]


def test_the_calls_of_a_parallel_that_is_called_again_are_added_up(log):
    with Parallel(n_jobs=2) as parallel:
        parallel([delayed(abs)(x) for x in range(5)])
        parallel(delayed(abs)(x) for x in range(3))  # nobody knows how many
        parallel([delayed(abs)(x) for x in range(4)])
    totals = [event.total for event in log.events if isinstance(event, Steered)]
    assert (totals[0], totals[-1]) == (5, 12)
    assert totals == sorted(totals)


def test_a_run_that_is_too_brief_to_be_seen_is_not_summed_up():
    from nbexec.integrations.parallel_run import ParallelExecutor

    watchers = ParallelExecutor._watchers(nbexec.Options(progress="text"), Task(abs, "abs"))
    assert [one.sums_up_brief for one in watchers if isinstance(one, Display)] == [False]


def test_processes_have_copies_and_threads_what_there_is():
    seen = []
    Parallel()(delayed(seen.append)(x) for x in range(3))
    assert seen == []
    Parallel(require="sharedmem")(delayed(seen.append)(x) for x in range(3))
    assert sorted(seen) == [0, 1, 2]
    assert os.getpid() not in Parallel()(delayed(os.getpid)() for _ in range(3))


def test_a_generator_of_calls_runs_in_the_calling_thread():
    threads = set()

    def calls():
        for x in range(20):
            threads.add(threading.current_thread())
            yield delayed(abs)(x)

    assert Parallel(pre_dispatch=2)(calls()) == list(range(20))
    assert threads == {threading.current_thread()}


def taken_ahead(**options):
    """Give how many calls were taken from the generator as each of eight begins."""
    given, seen = [], []

    def calls():
        for x in range(8):
            given.append(x)
            yield delayed(look)(x)

    def look(_):
        seen.append(len(given))

    Parallel(n_jobs=2, require="sharedmem", batch_size=1, **options)(calls())
    return seen


def test_no_more_calls_are_taken_than_may_be_dispatched():
    assert taken_ahead(pre_dispatch="all") == [8] * 8
    assert all(ahead <= begun + 2 for begun, ahead in enumerate(taken_ahead(pre_dispatch=2), 1))


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_one_in_a_call(on):
    def squares_of(n):
        inner = joblib.Parallel(n_jobs=2)
        return inner(joblib.delayed(pow)(x, 2) for x in range(n))

    found = Parallel(prefer=on)(delayed(squares_of)(n) for n in range(6))
    assert found == [[x * x for x in range(n)] for n in range(6)]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_an_exception_leads_into_the_function(on):
    def fails(x):
        return 1 / x

    with pytest.raises(ZeroDivisionError) as caught:
        Parallel(prefer=on)(delayed(fails)(x) for x in (1, 2, 0, 3))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "fails"


def test_after_an_exception_the_same_parallel_goes_on():
    with Parallel(n_jobs=2) as parallel:
        with pytest.raises(ZeroDivisionError):
            parallel(delayed(divmod)(1, x) for x in (1, 0, 1))
        assert parallel(delayed(abs)(-x) for x in range(3)) == [0, 1, 2]


def test_a_generator_that_is_dropped_ends_its_calls():
    found = Parallel(return_as="generator")(delayed(abs)(-x) for x in range(100))
    assert next(found) == 0
    with pytest.warns(UserWarning, match="could benefit"):
        del found
    assert squares() == [x * x for x in range(30)]


def test_a_timeout():
    wait = threading.Event()
    try:
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(timeout=0.05, prefer="threads")(delayed(wait.wait)() for _ in range(3))
    finally:
        wait.set()


def test_a_cancel_ends_the_call_while_it_blocks():
    begun, wait = threading.Event(), threading.Event()

    def waits(_):
        begun.set()
        wait.wait()

    def cancel():
        begun.wait()
        nbexec.last_run().cancel("the data are wrong")

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with pytest.raises(nbexec.RunCancelled, match=": the data are wrong"):
            Parallel(prefer="threads")(delayed(waits)(x) for x in range(100))
    finally:
        wait.set()
        thread.join()


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_a_token_ends_the_call_with_its_reason(on, tmp_path):
    token, mark = nbexec.CancelToken(), tmp_path / "begun"

    def waits(path):
        path.touch()
        nbexec.sleep(100)

    def cancel():
        until(mark.exists, 100)
        token.cancel("too dear")

    thread = threading.Thread(target=cancel)
    thread.start()
    with (
        parallel_config(backend="nbexec", n_jobs=2, cancel=token),
        pytest.raises(nbexec.RunCancelled, match=": too dear"),
    ):
        Parallel(prefer=on)(delayed(waits)(mark) for _ in range(6))
    thread.join()


def test_what_had_ended_is_kept_by_a_cancel():
    wait = threading.Event()

    def call(x):
        if x == 4:
            run = nbexec.last_run()
            until(lambda: run.stats.done == 4)
            run.cancel()
        return -x if x < 4 else wait.wait()

    calls = [delayed(call)(x) for x in range(20)]
    try:
        with pytest.raises(nbexec.RunCancelled) as caught:
            Parallel(prefer="threads", batch_size=1)(calls)
    finally:
        wait.set()
    kept = caught.value.partial_results
    assert len(kept) == 20
    assert kept[:4] == kept.ok() == [0, -1, -2, -3]
    assert {failure.kind for failure in kept.failures} == {"cancelled"}
    assert kept.run is nbexec.last_run()


def test_a_cancel_in_a_call_is_that_calls_own():
    def cancels(_):
        raise nbexec.RunCancelled("a run within was cancelled")

    with pytest.raises(nbexec.RunCancelled, match="within") as caught:
        Parallel(prefer="threads")(delayed(cancels)(x) for x in range(4))
    assert caught.value.partial_results is None


def test_clicks_are_heard_while_it_blocks(log):
    heard = threading.Event()
    log.idle = heard.set
    assert Parallel(prefer="threads")(delayed(heard.wait)() for _ in range(2)) == [True, True]


def test_calls_after_the_end_of_their_run_fail():
    def calls():
        yield delayed(abs)(-1)
        run = nbexec.last_run()
        run.cancel("the data are wrong")
        run.wait()
        yield delayed(abs)(-2)

    with pytest.raises(nbexec.RunCancelled, match="abs was cancelled: the data are wrong"):
        Parallel(pre_dispatch=1)(itertools.chain([delayed(abs)(0)] * 2, calls()))


def test_an_interrupt_ends_the_run():
    def calls():
        yield delayed(abs)(-1)
        yield delayed(abs)(-2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Parallel(pre_dispatch=2)(calls())
    assert nbexec.last_run().done


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_an_interrupt_reaches_it_while_it_blocks(on, tmp_path):
    mark = tmp_path / "begun"

    def waits(path):
        path.touch()
        time.sleep(60 if on == "processes" else 0.3)

    def interrupt():
        while not mark.exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with Parallel(prefer=on, n_jobs=2) as parallel:
        with pytest.raises(KeyboardInterrupt):
            parallel(delayed(waits)(mark) for _ in range(100))
        assert nbexec.last_run().done
        assert parallel(delayed(abs)(-x) for x in range(4)) == [0, 1, 2, 3]
    thread.join()


def test_a_dead_worker_costs_one_call(tmp_path):
    def dies_once(x, mark):
        if x == 3 and not os.path.exists(mark):
            open(mark, "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    calls = (delayed(dies_once)(x, str(tmp_path / "mark")) for x in range(8))
    assert Parallel()(calls) == list(range(8))


def test_what_cannot_be_sent_is_an_error_of_both_libraries():
    with pytest.raises(PicklingError, match=r"arguments of repr\(\) can't be sent") as caught:
        Parallel()(delayed(repr)(threading.Lock()) for _ in range(3))
    assert isinstance(caught.value, nbexec.PickleError)


def test_options_of_nbexec_and_their_errors():
    with pytest.raises(nbexec.OptionError, match="retries"):
        Parallel(backend=NbexecBackend(retries=-1))
    attempts = []

    def at_second_try(x):
        attempts.append(x)
        if attempts.count(x) == 1:
            raise OSError
        return x

    with parallel_config(backend="nbexec", n_jobs=2, retries=1, retry_wait=0):
        assert Parallel(prefer="threads")(delayed(at_second_try)(x) for x in (1, 2)) == [1, 2]


def test_an_initializer():
    def sets():
        os.environ["NBEXEC_TEST_INITIALIZED"] = "yes"

    def reads():
        return os.environ.get("NBEXEC_TEST_INITIALIZED")

    with parallel_config(backend="nbexec", n_jobs=2, initializer=sets):
        assert Parallel()(delayed(reads)() for _ in range(3)) == ["yes"] * 3
    assert "NBEXEC_TEST_INITIALIZED" not in os.environ


# ---------------------------------------------------------------- how many, and within one another


@pytest.mark.parametrize("n_jobs", [1, 3, -1, -2, None])
def test_how_many_jobs(n_jobs, monkeypatch):
    monkeypatch.setattr("nbexec.system.machine.cores", lambda: 5)
    with nbexec.options(workers=None), parallel_config(backend="nbexec", n_jobs=-1):
        assert effective_n_jobs(n_jobs) == {1: 1, 3: 3, -1: 5, -2: 4, None: 5}[n_jobs]
    with pytest.raises(ValueError, match="n_jobs == 0"):
        NbexecBackend().effective_n_jobs(0)


def jobs(deeper):
    import joblib

    here = joblib.effective_n_jobs(-1)
    if not deeper:
        return [here]
    inner = joblib.Parallel(n_jobs=2)
    return [here, *inner(joblib.delayed(jobs)(deeper - 1) for _ in range(2))[0]]


def jobs_of_nine_cores(deeper):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nbexec.system.machine.cores", lambda: 9)
        return jobs(deeper)


def test_within_a_call_there_are_fewer_and_within_that_one(monkeypatch):
    with nbexec.options(workers=None):
        found = Parallel()(delayed(jobs_of_nine_cores)(2) for _ in range(2))
        monkeypatch.setattr("nbexec.system.machine.cores", lambda: 9)
        assert found == Parallel(prefer="threads")(delayed(jobs)(2) for _ in range(2))
    assert found == [[3, 1, 1]] * 2


# ---------------------------------------------------------------- what travels


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_is_in_one_file_for_all(order):
    array = np.asarray(np.arange(60_000.0).reshape(300, 200), order=order)

    def look(one, inside, n):
        same = one.tobytes(order="A") == inside["x"].tobytes(order="A")
        return same, one.flags.writeable, one.flags[order + "_CONTIGUOUS"], float(one[n].sum())

    calls = [delayed(look)(array, {"x": array}, n) for n in range(3)]
    found = Parallel(max_nbytes=1000)(calls)
    assert found == [(True, False, True, float(array[n].sum())) for n in range(3)]
    assert Parallel(max_nbytes=None)(calls)[0][1]
    assert Parallel(max_nbytes=1000, mmap_mode="c")(calls)[0][1]


def test_an_array_that_has_changed_is_sent_anew():
    array = np.zeros(10_000)
    with Parallel(n_jobs=2, max_nbytes=1000) as parallel:
        for n in range(3):
            array[:] = n
            assert parallel(delayed(np.max)(array) for _ in range(3)) == [n] * 3


def test_files_go_as_calls_no_longer_need_them():
    store = BufferStore(room=0)
    arrays = SharedArrays(store, larger=None, idle=100_000)
    paths = []
    for n in range(3):
        files = []
        arrays.pack(((np.full(10_000, n),), {}), files)
        arrays.pack(((np.full(10_000, n),), {}), files)
        paths += {one.path for one in files}
        arrays.release(files)
    assert len(paths) == 3
    assert [path.exists() for path in paths] == [False, False, True]
    arrays.close()
    assert not paths[-1].exists()


def test_calls_have_copies_of_one_generator_of_random_numbers():
    random = np.random.RandomState(0)
    expected = np.random.RandomState(0).rand()
    found = Parallel()(delayed(lambda one: one.rand())(random) for _ in range(3))
    assert found == [expected] * 3


def test_warnings_logs_and_memory_arrive(tmp_path, caplog):
    memory = joblib.Memory(tmp_path, verbose=0)

    def says(x):
        warnings.warn(f"warned of {x}", UserWarning, stacklevel=1)
        logging.getLogger("some.library").warning("logged %s", x)
        return -x

    cached = memory.cache(abs)
    with pytest.warns(UserWarning, match="warned of"):
        assert Parallel()(delayed(says)(x) for x in range(2)) == [0, -1]
    assert {record.getMessage() for record in caplog.records} == {"logged 0", "logged 1"}
    assert Parallel()(delayed(cached)(-x) for x in range(3)) == [0, 1, 2]


def test_threads_within_a_worker():
    def threads():
        import os

        return os.environ["OMP_NUM_THREADS"]

    with parallel_config(backend="nbexec", n_jobs=2, inner_max_num_threads=3):
        assert Parallel()(delayed(threads)() for _ in range(2)) == ["3", "3"]
