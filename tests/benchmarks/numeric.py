"""One large array, reduced: how much two cores help where memory is what is waited for."""

from __future__ import annotations

from collections.abc import Iterator

from threadpoolctl import threadpool_limits

import nbexec

from .catalog import Setting, benchmark
from .goals import SHOWN, at_least, at_most
from .measure import Sides, timed

KERNEL = "square_sum"


@benchmark(
    "compute",
    'Executor.compute("square_sum", 50 million floats), 2 threads',
    {"np.dot, one thread": at_least(1.7), "(a * a).sum()": SHOWN, "pyferris": at_most(1.0)},
)
def compute(setting: Setting) -> Iterator[Sides]:
    import numpy

    array = numpy.random.default_rng(0).random(setting.size(50_000_000, 500_000))

    def one_thread() -> None:
        with threadpool_limits(1):
            numpy.dot(array, array)

    with nbexec.Executor("threads", workers=2, progress="off") as executor:
        ours = timed(lambda: executor.compute(KERNEL, array))
        if setting.against == "pyferris":
            from pyferris import Executor

            numbers = array.tolist()  # it takes no arrays; this is not timed
            with Executor(2) as theirs:
                yield Sides(ours, timed(lambda: theirs.submit_computation(KERNEL, numbers)))
        elif setting.against == "(a * a).sum()":
            yield Sides(ours, timed(lambda: (array * array).sum()))
        else:
            yield Sides(ours, timed(one_thread))
