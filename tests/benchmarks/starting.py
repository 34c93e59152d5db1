"""What comes first: the import, and the first call in a fresh kernel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from .catalog import Setting, benchmark
from .fresh import fresh, python
from .goals import Goal, at_most, value
from .measure import Sides, timed

# What a kernel has imported before its first cell.
KERNEL = """
import time, ipykernel.kernelapp, ipykernel.ipkernel
def fn(x): return x
begun = time.perf_counter()
"""
OURS = """
import nbexec
nbexec.map(fn, range(4), backend="processes", workers={workers}, progress="off")
"""
THEIRS = {
    "joblib": """
from joblib import Parallel, delayed
Parallel(n_jobs={workers})(delayed(fn)(x) for x in range(4))
""",
}
# A shell that was idle for a moment after the extension was loaded.
SHELL = """
import os, time
os.environ["NBEXEC_WARM_UP"] = {warm!r}
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
begun = time.perf_counter()
shell.run_cell("%load_ext nbexec")
loaded = time.perf_counter() - begun
time.sleep({idle})
def fn(x): return x
begun = time.perf_counter()
"""
IDLE = 2.0  # seconds
LOADED = "print(loaded)"
PSS = "from tests.benchmarks.fresh import of_workers\nprint(of_workers('Pss') / {workers} / 1e6)"
END = "print(time.perf_counter() - begun)"


@benchmark(
    "first-call",
    "the import and the first call in a fresh kernel, processes",
    {"joblib": at_most(1.0)},
)
def first_call(setting: Setting) -> Iterator[Sides]:
    ours, theirs = (
        KERNEL + way.format(workers=setting.workers) + END
        for way in (OURS, THEIRS[setting.against])
    )
    yield Sides(lambda: fresh(ours), lambda: fresh(theirs))


@benchmark(
    "first-warm",
    "the first call, 2 s after %load_ext, processes",
    {
        "not warmed up": at_most(0.5),
        "%load_ext alone": Goal(),
        "memory": value(30, "MB a worker"),
    },
)
def first_warm(setting: Setting) -> Iterator[Sides]:
    def after(warm: str, then: str, idle: float = IDLE) -> float:
        code = (SHELL + then).format(warm=warm, idle=idle, workers=setting.workers)
        return fresh(code)

    if setting.against == "memory":
        note = "Pss of the workers, and of the processes that tidy up after them"
        yield Sides(lambda: after("on", PSS), note=note)
    elif setting.against == "not warmed up":
        yield Sides(lambda: after("on", OURS + END), lambda: after("off", OURS + END))
    else:
        yield Sides(lambda: after("on", LOADED, 0.0), lambda: after("off", LOADED, 0.0))


@benchmark("import", "import nbexec, beyond a bare interpreter", {"": value(30, "ms")})
def importing(setting: Setting) -> Iterator[Sides]:
    bare, ours = (
        timed(lambda code=code: python(code).check_returncode())
        for code in ("pass", "import nbexec")
    )
    beyond = lambda: statistics.median(ours() - bare() for _ in range(5))
    yield Sides(lambda: beyond() * 1e3)
