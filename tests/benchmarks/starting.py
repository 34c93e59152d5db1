"""What comes first: the import, and the first call in a fresh kernel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from .catalog import Setting, benchmark
from .fresh import fresh, python
from .goals import at_most, value
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


@benchmark("import", "import nbexec, beyond a bare interpreter", {"": value(30, "ms")})
def importing(setting: Setting) -> Iterator[Sides]:
    bare, ours = (
        timed(lambda code=code: python(code).check_returncode())
        for code in ("pass", "import nbexec")
    )
    beyond = lambda: statistics.median(ours() - bare() for _ in range(5))
    yield Sides(lambda: beyond() * 1e3)
