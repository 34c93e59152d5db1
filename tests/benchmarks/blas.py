"""What it is worth that workers share the cores: NumPy with BLAS capped, and left to itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from unittest import mock

import numpy as np

import nbexec
from nbexec import blas
from nbexec.machine import cores

from .compare import Comparison, compare

SIZE, ITEMS = 200, 40


def solve(seed: int) -> float:
    """Some linear algebra, whose steps are too short for many threads to be worth it."""
    matrix = np.random.default_rng(seed).random((SIZE, SIZE))
    for _ in range(3):
        matrix = np.linalg.solve(matrix + SIZE * np.eye(SIZE), matrix @ matrix)
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


def run(backend: str) -> None:
    nbexec.map(solve, range(ITEMS), backend=backend, workers=cores(), progress="off")


@contextlib.contextmanager
def left_alone() -> Iterator[None]:
    """Have every worker's BLAS take all the cores, as it does where nobody caps it."""
    everything = (cores(),) * len(blas.VARIABLES)
    with (
        mock.patch.object(blas, "share", return_value=everything),
        mock.patch.object(blas, "enter"),
    ):
        yield


def uncapped(backend: str) -> None:
    with left_alone():
        run(backend)


def comparisons(pairs: int) -> Iterator[Comparison]:
    """Compare on each backend whose workers are on this machine."""
    for backend in ("processes", "threads"):
        yield compare(
            f"{ITEMS} items of NumPy linear algebra, {backend}; the same, uncapped",
            1.0,
            lambda backend=backend: run(backend),
            lambda backend=backend: uncapped(backend),
            pairs,
        )


def main() -> None:
    """Measure, a line at a time: ``python -m tests.benchmarks.blas [pairs]``."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for comparison in comparisons(pairs):
        print(comparison.row(), flush=True)


if __name__ == "__main__":
    main()
