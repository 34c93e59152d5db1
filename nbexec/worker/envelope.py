"""A chunk on its way to a worker process: its call, its number, and the files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ..system import blas
from .conditions import Conditions
from .module_reloads import Reloaded


class Envelope(NamedTuple):
    """A chunk's number, how its worker reaches the kernel, and the worker's share of BLAS."""

    folder: str  # the kernel's; not there on other machines
    serial: int  # of the chunk
    channel: bool  # whether reports go through a channel; else they are in the reply
    local: bool  # whether the folder is the worker's, too
    threads: blas.Share = ()  # of BLAS; none where the worker is not ours
    reloaded: Reloaded = ()  # modules of the kernel's
    conditions: Conditions | None = None  # of the worker alone, where it is ours


class PackedCall(NamedTuple):
    """The argument of `entry.run_packed`: a chunk, and how to run it."""

    key: str  # of task and run: each worker unpacks the task, and runs its setup, once
    block: Any  # the packed task: the path of its file, or the bytes
    size: int  # items; 0: the run has ended here, and teardown is called
    items: bytes  # pickled; b"" where they are in their file, large buffers and all
    budget: float  # seconds
    alone: bool  # nothing else runs in the process: its CPU time, BLAS threads and all, counts
    indices: bytes  # of the items, pickled, where they have random streams; else b""
    renewed: bytes  # surroundings, where they are others than the task came with; else b""
    stops: bool  # whether nothing is to begin after an item that failed
    envelope: Envelope


def items_file(envelope: Envelope) -> Path:
    """Give the file of a chunk's items, where they have large buffers."""
    return Path(envelope.folder, f"items-{envelope.serial}")


def values_file(envelope: Envelope) -> Path:
    """Give the file of a chunk's values, where they have large buffers."""
    return Path(envelope.folder, f"values-{envelope.serial}")


def unwanted_file(envelope: Envelope) -> Path:
    """Give the file that is there once a chunk is not wanted any more."""
    return Path(envelope.folder, f"unwanted-{envelope.serial}")
