"""Envelope: what goes with a chunk to a worker process: its number, and the files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..system import blas
from .module_reloads import Reloaded


class Envelope(NamedTuple):
    """How a worker on the kernel's machine hears of it, and is heard; and its share."""

    folder: str  # the kernel's; not there on other machines
    serial: int  # of the chunk
    heard: bool  # through a channel; else what is said is in the reply
    here: bool  # whether the folder is the worker's, too
    threads: blas.Share = ()  # of BLAS; none where the worker is not ours
    reloaded: Reloaded = ()  # modules of the kernel's


def items_file(envelope: Envelope) -> Path:
    """Give the file of a chunk's items, where they have large buffers."""
    return Path(envelope.folder, f"items-{envelope.serial}")


def values_file(envelope: Envelope) -> Path:
    """Give the file of a chunk's values, where they have large buffers."""
    return Path(envelope.folder, f"values-{envelope.serial}")


def unwanted_file(envelope: Envelope) -> Path:
    """Give the file that is there once a chunk is not wanted any more."""
    return Path(envelope.folder, f"unwanted-{envelope.serial}")
