"""Pools of other libraries in a cell: the same as in the plain cell, on workers of nbexec.

Covers
`nbexec.cell.pools.constructors`,
`nbexec.cell.pools.deciding`,
`nbexec.cell.pools.pool_calls`,
`nbexec.cell.pools.pool_notes`,
`nbexec.cell.pools.pool_run`,
`nbexec.cell.pools.pool_account`,
`nbexec.cell.pools.pool_snapshot`,
`nbexec.cell.pools.process_pools`,
`nbexec.cell.pools.process_executors`,
`nbexec.cell.pools.thread_pools`,
`nbexec.cell.pools.waiting_calls`,
`nbexec.cell.pools.joblib_pools`,
`nbexec.cell.pools.spare` and
`nbexec.worker.contained_call`.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import re
import sys
import threading
import time
import types
from collections.abc import Iterator
from multiprocessing import pool as library

import pytest

import nbexec
from nbexec.backends import get_backend
from nbexec.cell.analysis.source import remember
from nbexec.cell.pools import pool_notes, waiting_calls

from ..both_ways import shape_of

pytestmark = [
    pytest.mark.plain_first,
    pytest.mark.skipif(
        multiprocessing.get_start_method() != "fork", reason="the plain cell needs forks"
    ),
    # The library forks while threads of ours are there, as in any notebook.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

SETUP = """
import time
from concurrent.futures import ALL_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import as_completed, wait
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool
K = 3
TABLE = {1: 2}
class Point:
    def __init__(self, x): self.x = x
def work(n):
    total = 0
    for i in range(n): total += i * i
    return total
def f(x): return work(3000) * K + x
def longer(x): return work(60_000) * K + x
def pair(a, b=1): return a * b + K
def looked(x): return TABLE[1] + x
def made(x): return [x, Point(x)]
def raises(x):
    if x == 7: raise ValueError(x, "seven")
    return f(x)
def raises_long(x):
    if x == 37: raise ValueError(x, "seven")
    return longer(x)
def unsendable(x): return lambda: x
def same(x): return x
ROWS = [1, 2]
def rows(x): return ROWS if longer(x) else None
def first(x): return ROWS[0] + longer(x)
def local(x):
    class Here: pass
    return Here
def prints(x):
    print(x)
    return x
"""


@pytest.fixture(autouse=True)
def warm() -> None:
    """Have worker processes, as after the first cells of a notebook."""
    nbexec.map(abs, range(4), backend="processes", workers=2, progress="off")
    backend = get_backend("processes")
    until = time.monotonic() + 30
    while backend.waiting() < 2 and time.monotonic() < until:
        backend.warm_up(2)
        time.sleep(0.01)
    assert backend.waiting() >= 2


@pytest.fixture
def notebook() -> Iterator[types.ModuleType]:
    made = types.ModuleType("a_notebook")
    sys.modules[made.__name__] = made
    remember(SETUP, "<setup>")
    exec(compile(SETUP, "<setup>", "exec", dont_inherit=True), made.__dict__)
    yield made
    del sys.modules[made.__name__]


def state(notebook, cell, how):
    """Run a cell; give its names and exception as plain data."""
    before = set(notebook.__dict__)
    error = None
    try:
        how(cell, notebook.__dict__)
    except Exception as raised:
        cause = raised.__cause__
        error = type(raised).__name__, re.sub("0x\\w+", "", str(raised)), type(cause).__name__
    seen: dict[int, int] = {}
    new = {name: value for name, value in notebook.__dict__.items() if name not in before}
    for name in new:
        del notebook.__dict__[name]
    new.pop("p", None)
    return {name: shape_of(value, seen) for name, value in sorted(new.items())}, error


def both(notebook, cell, **options):
    """Run a cell both ways; give the report."""
    reports = []

    def ours(source, names):
        given = {"progress": "off", "workers": 2, "filename": "<a cell>", **options}
        reports.append(nbexec.parallel(source, names, **given))

    plain = state(notebook, cell, lambda source, names: exec(source, names))
    assert state(notebook, cell, ours) == plain
    return reports[0] if reports else None


TAKEN = {
    "Pool.map": [
        "with Pool(2) as p: a = p.map(f, range(40))",
        "with Pool(2) as p: a = p.map(f, (x for x in range(40)), 3)",
        "with Pool(2) as p: a = p.map(f, range(40), chunksize=1)",
        "with Pool(2) as p: a = p.map_async(f, range(40), 7).get(60)",
        "got = []\nwith Pool(2) as p:\n    r = p.map_async(f, range(9), callback=got.extend); r.wait()\n    ok = r.ready(), r.successful()\ndel r",
        "with Pool(2) as p: a = p.map(made, range(10))",
        "with Pool(2) as p: a = p.map(looked, range(10))",
        "import multiprocessing as mp\np = mp.Pool(processes=2)\na = p.map(f, range(20))\np.close()\np.join()",
        "def own(xs):\n    with Pool(2) as p:\n        return p.map(f, xs)\na = own(range(20))\ndel own",
    ],
    "Pool.starmap": ["with Pool(2) as p: a = p.starmap(pair, [(x, 2) for x in range(20)])"],
    "Pool.imap": [
        "with Pool(2) as p: a = [y for y in p.imap(f, range(40))]",
        "with Pool(2) as p: a = list(p.imap(f, range(200), 3))",
        "with Pool(2) as p: a = list(p.imap(abs, range(500)))",
        "with Pool(2) as p: a = p.imap(f, range(40)).next(timeout=60)",
    ],
    "Pool.imap_unordered": ["with Pool(2) as p: a = sorted(p.imap_unordered(f, range(40)))"],
    "Pool.apply": [
        "with Pool(2) as p:\n    rs = [p.apply_async(pair, (x,), {'b': 2}) for x in range(20)]\n    a = [r.get() for r in rs]\ndel rs",
    ],
    "ProcessPoolExecutor.map": [
        "with ProcessPoolExecutor(2) as p: a = list(p.map(f, range(40)))",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(pair, range(40), range(30), chunksize=4))",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(f, range(40), timeout=60))",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(looked, range(40)))",
    ],
    "ProcessPoolExecutor.submit": [
        "with ProcessPoolExecutor(2) as p: a = sorted(r.result() for r in as_completed([p.submit(f, x) for x in range(40)]))",
        "with ProcessPoolExecutor(2) as p:\n    rs = [p.submit(pair, x, b=3) for x in range(9)]\n    done, left = wait(rs, return_when=ALL_COMPLETED)\n    a = len(done), len(left)\ndel rs, done",
        "p = ProcessPoolExecutor(2)\nrs = [p.submit(f, x) for x in range(9)]\np.shutdown()\na = [(r.done(), r.result()) for r in rs]\ndel rs",
    ],
}


@pytest.mark.parametrize(
    ("what", "cell"), [(what, cell) for what, cells in TAKEN.items() for cell in cells]
)
def test_calls_go_to_workers(notebook, what, cell):
    report = both(notebook, cell)
    found = [step.what for step in report.steps if step.kind == "parallel"]
    assert any(what in one for one in found), str(report)


@pytest.mark.parametrize(
    "cell",
    [
        "with Pool(2) as p: a = p.map(raises, range(20))",
        "with Pool(2) as p: a = list(p.imap(raises, range(20)))",
        "with Pool(2) as p: a = p.apply_async(raises, (7,)).get()",
        "got = []\nwith Pool(2) as p:\n    r = p.map_async(raises, range(9), 1, error_callback=got.append); r.wait()\na = [e.args for e in got]\ndel r, got",
        "with Pool(2) as p: a = p.map(unsendable, range(4))",
        "with Pool(2) as p: a = p.map(lambda x: x, range(4))",
        "with Pool(2) as p: a = p.map(f, [open])\n",
        "with Pool(2) as p: a = p.map(same, [lambda: 1])",
        "with Pool(2) as p: a = p.map(local, range(3))",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(local, range(3)))",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(local, range(3), chunksize=3))",
        "import multiprocessing\nwith Pool(2) as p: a = p.map(same, [multiprocessing.Lock()])\n",
        "with Pool(2) as p: a = p.map(f, 3)",
        "with Pool(2) as p: a = p.imap(f, range(3), 0)",
        "with Pool(2) as p: pass\na = p.map(f, range(3))",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(raises, range(20)))",
        "with ProcessPoolExecutor(2) as p: a = [type(p.submit(raises, x).exception()) for x in (6, 7)]",
        "with ProcessPoolExecutor(2) as p: pass\na = p.submit(f, 1)",
        "with ProcessPoolExecutor(2) as p: a = list(p.map(f, range(3), chunksize=0))",
        "with ThreadPoolExecutor(2) as p: a = list(p.map(raises_long, range(40)))",
        "with ThreadPool(2) as p: a = p.map(raises_long, range(40))",
        "Pool(0)",
        "ThreadPoolExecutor(-1)",
    ],
)
def test_exceptions_are_those_of_the_library(notebook, cell):
    both(notebook, cell)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("with Pool(2) as p: a = p.map(prints, range(3))", "prints"),
        ("with Pool(2, initializer=f, initargs=(1,)) as p: a = p.map(f, range(3))", "initializer"),
        ("with Pool(2, maxtasksperchild=1) as p: a = p.map(f, range(3))", "maxtasksperchild"),
        (
            "with Pool(2) as p:\n    TABLE[1] += 1\n    a = p.map(looked, range(3))\n    TABLE[1] -= 1",
            "has changed",
        ),
        ("with Pool(2) as p:\n    K = 4\n    a = p.map(f, range(3))\n    K = 3", "has changed"),
        (
            "import multiprocessing\nwith ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as p: a = list(p.map(f, range(3)))\ndel multiprocessing",
            "mp_context",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_left_alone(notebook, capfd, cell, why):
    report = both(notebook, cell)
    steps = [step for step in report.steps if step.reason]
    assert any(why in step.reason for step in steps), str(report)
    assert not any(step.kind == "parallel" for step in report.steps)


@pytest.mark.parametrize("backend", ["threads", "serial"])
def test_on_other_backends_pools_are_the_library_s(notebook, backend):
    report = both(notebook, "with Pool(2) as p: a = p.map(f, range(9))", backend=backend)
    assert not any(step.kind == "parallel" for step in report.steps)


@pytest.mark.parametrize(
    "cell",
    [
        "with ThreadPoolExecutor(2) as p: a = list(p.map(longer, range(200)))",
        "with ThreadPoolExecutor(2) as p: a = [r.result() for r in [p.submit(longer, x) for x in range(200)]]",
        "p = ThreadPoolExecutor(2)\nrs = [p.submit(longer, x) for x in range(200)]\np.shutdown()\na = [r.done() for r in rs]\ndel rs",
        "with ThreadPool(2) as p: a = p.map(longer, range(200))",
        "with ThreadPool(2) as p: a = list(p.imap(longer, range(200)))",
        "with ThreadPool(2) as p: a = p.map(first, range(200))  # longer, ",
        "with ThreadPool(2) as p: b = p.map(rows, range(60), 1)\na = [one is ROWS for one in b], all(one is b[0] for one in b)\ndel b",
        "with ThreadPoolExecutor(2) as p: b = list(p.map(rows, range(60)))\na = [one is ROWS for one in b]\ndel b",
        "with ThreadPool(2) as p: a = p.starmap(pair, [(longer(1), x) for x in range(60)])",
    ],
)
def test_calls_that_wait_for_the_interpreter_leave(notebook, monkeypatch, cell):
    monkeypatch.setattr(waiting_calls, "TICK", 0.002)
    monkeypatch.setattr(waiting_calls, "LOOKED", 0.0)
    monkeypatch.setattr(waiting_calls, "COMPUTING", (0.0, 9.9))  # the machine may be busy
    for _ in range(3):  # who looks at them needs a core meanwhile, which others may have
        report = both(notebook, cell)
        left = any(step.kind == "parallel" for step in report.steps)
        if left or "longer, " not in cell:
            return
    assert left, str(report)


def test_threads_that_change_something_stay(notebook, monkeypatch):
    monkeypatch.setattr(waiting_calls, "TICK", 0.002)
    monkeypatch.setattr(waiting_calls, "LOOKED", 0.0)
    monkeypatch.setattr(waiting_calls, "COMPUTING", (0.0, 9.9))
    cell = (
        "rows = []\ndef add(x):\n    rows.append(longer(x))\n    return x\n"
        "with ThreadPool(2) as p: a = p.map(add, range(40), 1)\nrows.sort()\ndel add"
    )
    report = both(notebook, cell)
    assert not any(step.kind == "parallel" for step in report.steps)
    assert any("ThreadPool.map" in step.reason for step in report.steps)


def test_a_pool_is_one_of_the_library(notebook):
    cell = "p = Pool(2)\nq = ProcessPoolExecutor(2)\nr = ThreadPoolExecutor(2)\ns = ThreadPool(2)"
    names = notebook.__dict__
    nbexec.parallel(cell, names, progress="off", workers=2)
    kinds = {
        "p": library.Pool,
        "q": concurrent.futures.ProcessPoolExecutor,
        "r": concurrent.futures.ThreadPoolExecutor,
        "s": library.ThreadPool,
    }
    for name, kind in kinds.items():
        pool = names[name]
        assert isinstance(pool, kind)
        assert type(pool) is not kind
        assert repr(pool).startswith(f"<{kind.__module__}.{kind.__qualname__} ")
    names["p"].terminate()
    names["s"].terminate()
    names["q"].shutdown()
    names["r"].shutdown()


def test_nothing_is_left_after_the_cell(notebook):
    names = notebook.__dict__
    with pytest.raises(ZeroDivisionError):
        nbexec.parallel("p = Pool(2)\na = p.map(f, range(9))\n1 / 0", names, progress="off")
    assert not pool_notes.current
    runs = nbexec.last_run()
    assert names["p"].map(names["f"], range(9)) == names["a"]  # the library's own workers
    assert nbexec.last_run() is runs
    names["p"].close()
    names["p"].join()
    assert type(multiprocessing.Pool.__func__).__name__ == "function"
    assert concurrent.futures.ThreadPoolExecutor.__name__ == "ThreadPoolExecutor"
    assert not [one for one in threading.enumerate() if one.name == "nbexec-pool"]


def test_a_function_under_parallel(notebook):
    source = "def own(xs):\n    with Pool(2) as p:\n        return p.map(f, xs)\n"
    remember(source, "<own>")
    exec(compile(source, "<own>", "exec"), notebook.__dict__)
    made = nbexec.parallel(notebook.own, workers=2, progress="off")
    assert made(range(20)) == [notebook.f(x) for x in range(20)]
    assert nbexec.last_run().name == "Pool of f"


def test_pools_of_libraries_are_left_alone(notebook):
    remember("", "<x>")
    made = types.ModuleType("some_library")
    text = (
        "from multiprocessing.pool import ThreadPool\ndef inside():\n    return type(ThreadPool)\n"
    )
    exec(compile(text, "/usr/lib/python3/site-packages/some_library.py", "exec"), made.__dict__)
    notebook.inside = made.inside
    both(notebook, "a = inside()")


def test_cancelled_futures_and_a_pool_that_is_terminated(notebook):
    cell = (
        "p = ProcessPoolExecutor(2)\nrs = [p.submit(f, x) for x in range(300)]\n"
        "p.shutdown(cancel_futures=True)\n"
        "a = all(r.cancelled() or r.result() == f(x) for x, r in enumerate(rs))\ndel rs"
    )
    both(notebook, cell)
    both(
        notebook, "p = Pool(2)\nr = p.map_async(f, range(2000), 1)\np.terminate()\np.join()\ndel r"
    )


JOBLIB = [
    "a = Parallel(n_jobs=2)(delayed(square)(x) for x in range(40))",
    "with Parallel(n_jobs=2) as p:\n    a = p(delayed(square)(x) for x in range(9))\n    b = p(delayed(square)(x) for x in range(3))",
    "a = joblib.Parallel(2, batch_size=4)(joblib.delayed(square)(x=x) for x in range(40))",
]


@pytest.mark.parametrize("cell", JOBLIB)
def test_joblib(cell):
    pytest.importorskip("joblib")
    names = {}
    setup = (
        "import joblib\nfrom joblib import Parallel, delayed\n"
        "def square(x):\n    return sum(i for i in range(2000)) + x * x\n"
    )
    remember(setup, "<joblib>")
    exec(compile(setup, "<joblib>", "exec"), names)
    names["__name__"] = "__main__"
    report = nbexec.parallel(cell, names, progress="off", workers=2, filename="<a cell>")
    count = 9 if "range(9)" in cell else 40
    assert names["a"] == [names["square"](x) for x in range(count)]
    assert any("Parallel" in step.what for step in report.steps), str(report)


def test_another_function_of_joblib_s_calls_is_joblib_s_own_matter():
    from joblib.externals.loky import get_reusable_executor

    setup = (
        "import sys\nfrom joblib import Parallel, delayed\n"
        "def square(x):\n    return sum(i for i in range(2000)) + x * x\n"
        "def where(x):\n    return 'nbexec.worker.entry' in sys.modules\n"
    )
    names = {"__name__": "__main__"}
    remember(setup, "<joblib>")
    exec(compile(setup, "<joblib>", "exec"), names)
    nbexec.parallel(
        "a = Parallel(2, batch_size=1)(delayed(where if x % 5 == 4 else square)(x)"
        " for x in range(20))",
        names,
        progress="off",
        workers=2,
    )
    get_reusable_executor().shutdown()
    square = names["square"]
    assert names["a"] == [False if x % 5 == 4 else square(x) for x in range(20)]


def test_joblib_raises_what_a_call_raised():
    pytest.importorskip("joblib")
    names = {}
    setup = "from joblib import Parallel, delayed\ndef bad(x):\n    return 1 / (x - 5)\n"
    remember(setup, "<joblib>")
    exec(compile(setup, "<joblib>", "exec"), names)
    with pytest.raises(ZeroDivisionError) as raised:
        nbexec.parallel(
            "Parallel(n_jobs=2)(delayed(bad)(x) for x in range(20))",
            names,
            progress="off",
            workers=2,
        )
    assert type(raised.value.__cause__).__name__ == "_RemoteTraceback"
