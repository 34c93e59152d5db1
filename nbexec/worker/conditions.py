"""Conditions: what one worker process of a run has that the kernel, and others, have not."""

from __future__ import annotations

from multiprocessing import process
from typing import NamedTuple

from ..system import affinity
from .surroundings import interpreter_entries


class Conditions(NamedTuple):
    """Environment variables, a core, a name."""

    env: tuple[tuple[str, str], ...] = ()
    core: int | None = None  # None: all of the process's
    name: str = ""


_none = _now = Conditions()
_usual_name = ""


def take_on(wanted: Conditions | None) -> None:
    """Have these from now on, and none of an earlier run."""
    global _now, _usual_name
    wanted = wanted or _none
    if wanted == _now:
        return
    if wanted.env != _now.env:
        interpreter_entries.put_on_top(dict(wanted.env))
    if wanted.core != _now.core:
        affinity.pin_process(wanted.core)
    if wanted.name != _now.name:
        me = process.current_process()
        _usual_name = _usual_name or me.name
        me.name = wanted.name or _usual_name
    _now = wanted
