"""What it is worth that workers share the cores: NumPy with BLAS capped, and left to itself."""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

import nbexec
from nbexec.system import blas
from nbexec.system.machine import cores

from .measure import Sides, in_turn, timed

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


def sides(backend: str) -> Sides:
    """Give what is measured on a backend: with BLAS capped, and without."""
    return Sides(timed(lambda: run(backend)), timed(lambda: uncapped(backend)))


def main() -> None:
    """Measure, a line a backend: ``python -m tests.benchmarks.blas [pairs]``."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for backend in ("processes", "threads"):
        read: dict[str, list[Any]] = {"ours": [], "theirs": []}
        in_turn(sides(backend), pairs, lambda name, took, read=read: read[name].append(took))
        capped, not_capped = (statistics.median(read[name]) for name in ("ours", "theirs"))
        print(
            f"{ITEMS} items of NumPy linear algebra, {backend} × {cores()}: "
            f"{capped:.2f} s, uncapped {not_capped:.2f} s, ratio {capped / not_capped:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
