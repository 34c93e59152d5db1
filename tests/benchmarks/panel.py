"""What the panel costs: a run of 100,000 items a second with it and without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import comm
from comm.base_comm import BaseComm

import nbexec
from nbexec.notebook import kernel

from .catalog import Setting, benchmark
from .goals import at_most
from .measure import Sides, cpu

WORK = 280  # additions: with them an item takes some 10 µs in all


def item(x: int) -> int:
    total = x
    for one in range(WORK):
        total += one
    return total


class Page(BaseComm):  # type: ignore[misc]  # comm has no types
    """Stands for the front-end: a message is serialised, as ipykernel would do it, and dropped."""

    def publish_msg(self, msg_type: str, data: Any = None, **more: Any) -> None:
        """Take a message."""
        json.dumps(data)


@contextmanager
def notebook() -> Iterator[None]:
    """Have runs believe that they are in a kernel."""
    handle = SimpleNamespace(update=lambda bundle, raw: json.dumps(bundle))
    with (
        mock.patch("nbexec.observers.in_kernel", return_value=True),
        mock.patch.object(comm, "create_comm", Page),
        mock.patch.object(kernel, "display_in", return_value=handle),
    ):
        yield


@benchmark(
    "panel",
    "200,000 items of 10 µs on threads, CPU time with the panel and without",
    {"off": at_most(1.02)},
)
def panel(setting: Setting) -> Iterator[Sides]:
    """CPU seconds of this process: wall time is too noisy for 2 %."""
    items = list(range(setting.size(200_000, 5_000)))

    def run(progress: str) -> object:
        return nbexec.map(item, items, backend="threads", workers=2, progress=progress)

    with notebook():
        yield Sides(cpu(lambda: run("panel")), cpu(lambda: run("off")))
