"""The benchmarks by name, and what they are given."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from nbexec.system.machine import cores

from .goals import Goal
from .measure import Sides

MODULES = (
    *("overhead", "balance", "waiting", "calls", "arrays", "numeric", "starting", "streaming"),
    *("panel", "cells", "plain_cells", "cell_kinds", "cell_grid", "sweep", "heaps", "stages"),
    *("fits", "records", "pipelines", "tables"),
)

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What a benchmark is given."""

    against: str
    quick: bool = False
    workers: int = cores()

    def size(self, full: T, quick: T) -> T:
        """Give how much is measured: a little, where only the benchmark is being tried."""
        return quick if self.quick else full


Opening = Callable[[Setting], AbstractContextManager[Sides]]


@dataclass(frozen=True)
class Benchmark:
    """Some work, and what it is compared with."""

    name: str
    title: str
    goals: dict[str, Goal]  # by what it is compared with
    open: Opening


_known: dict[str, Benchmark] = {}


def benchmark(
    name: str, title: str, goals: dict[str, Goal]
) -> Callable[[Callable[[Setting], Iterator[Sides]]], Opening]:
    """Make a generator known as a benchmark: it sets up, yields both sides, and tidies up."""

    def register(generator: Callable[[Setting], Iterator[Sides]]) -> Opening:
        opening = contextmanager(generator)
        _known[name] = Benchmark(name, title, goals, opening)
        return opening

    return register


def benchmarks() -> dict[str, Benchmark]:
    """Give all of them, in order, whatever was imported first."""
    for module in MODULES:
        importlib.import_module(f".{module}", __package__)
    found = sorted(_known.items(), key=lambda item: MODULES.index(_module(item[1])))
    return dict(found)


def _module(it: Benchmark) -> str:
    return it.open.__module__.rpartition(".")[2]
