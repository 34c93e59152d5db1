"""Profiles of functions from earlier runs: in memory, and in the user's cache folder.

A function is identified by its name and its code: the same cell run again, or the same notebook
opened tomorrow, need not be measured anew.  A profile only says where a run begins: it goes
elsewhere when its items turn out to be different.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import time
import types
from pathlib import Path
from typing import Any, NamedTuple

VARIABLE = "NBEXEC_CACHE_DIR"
OFF = "off"  # its value where nothing is to be written, or read
NAME = "auto.json"
VERSION = 3
MOST = 300  # functions that are kept, the latest: 30 kB, read and written in a millisecond


class Profile(NamedTuple):
    """What items of a function are like."""

    each: float  # seconds
    used: float  # share of the time on a core
    held: float  # share of the time with the GIL
    here: float  # seconds that sending takes in the kernel, both ways
    there: float  # and in a worker
    sent: float = 1.0  # 0 where something could not be sent that was no first item
    memory: float = 0.0  # gigabytes that the first ones took while they ran; 0 where not known

    @property
    def grown(self) -> int:
        """The same in bytes."""
        return int(self.memory * 1e9)


class Level(NamedTuple):
    """How many items of a function ran at once."""

    level: int
    few: float  # seconds an item with few workers; 0 where more might have paid


_profiles: dict[str, tuple[float, Profile]] = {}  # with when it was learned, as Unix time
_levels: dict[tuple[str | None, str], Level] = {}  # by function and backend
_read = False


def key_of(fn: Any) -> str | None:
    """Give what a function is remembered by; None where it has nothing of its own."""
    while (inner := getattr(fn, "func", None)) is not None and callable(inner):
        fn = inner  # of a partial, or of a cell's loop
    fn = getattr(fn, "__func__", fn)
    if not hasattr(fn, "__qualname__"):
        fn = type(fn).__call__
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "")
    if not name or (module or "").partition(".")[0] == __name__.partition(".")[0]:
        return None  # ours, which calls any function
    made = hashlib.blake2b(f"{module}.{name}".encode(), digest_size=12)
    code = getattr(fn, "__code__", None)
    if code is not None:
        _feed(made, code)
    return made.hexdigest()


def _feed(made: Any, code: types.CodeType) -> None:
    made.update(code.co_code)
    made.update(" ".join(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _feed(made, constant)
        elif isinstance(constant, int | float | str | bytes | None):
            made.update(repr(constant).encode())


def recall(fn: Any) -> Profile | None:
    """Give what is known of a function's items."""
    key = key_of(fn)
    if key is None:
        return None
    if not _read:
        _load()
    return _profiles[key][1] if key in _profiles else None


def learn(fn: Any, profile: Profile) -> None:
    """Remember a function's items; the file is only written where there is news in it."""
    key = key_of(fn)
    if key is None or not all(map(math.isfinite, profile)):
        return
    before = recall(fn)
    _profiles[key] = time.time(), profile
    while len(_profiles) > MOST:
        del _profiles[min(_profiles, key=lambda key: _profiles[key][0])]
    if before is None or _differs(before, profile):
        _save()


def recall_level(fn: Any, backend: str) -> Level | None:
    """Give how many items of a function ran at once when its last run on a backend ended."""
    return _levels.get((key_of(fn), backend))


def learn_level(fn: Any, backend: str, level: Level) -> None:
    """Remember that, in this kernel."""
    key = key_of(fn)
    if key is not None:
        _levels.pop((key, backend), None)
        _levels[key, backend] = level
        if len(_levels) > MOST:
            del _levels[next(iter(_levels))]


def forget() -> None:
    """Forget the profiles in memory; the file is neither changed nor read again."""
    global _read
    _profiles.clear()
    _levels.clear()
    _read = True


def _differs(old: Profile, new: Profile) -> bool:
    if not 0.5 < (new.each + 1e-6) / (old.each + 1e-6) < 2:
        return True
    return any(
        abs(a - b) > 0.25 for a, b in zip(old[1:3] + old[5:], new[1:3] + new[5:], strict=True)
    )


def file() -> Path | None:
    """Give the file: in ``$NBEXEC_CACHE_DIR`` or the system's place; None where that is "off"."""
    given = os.environ.get(VARIABLE)
    if given:
        return None if given == OFF else Path(given) / NAME
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "nbexec" / NAME
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return local / "nbexec" / "Cache" / NAME
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "nbexec" / NAME


def _load() -> None:
    global _read
    _read = True
    for key, profile in _on_disk().items():
        _profiles.setdefault(key, profile)


def _on_disk() -> dict[str, tuple[float, Profile]]:
    """Give what the file has; of one that is broken what can be read, if only nothing."""
    found: dict[str, tuple[float, Profile]] = {}
    try:
        path = file()
        data = json.loads(path.read_bytes()) if path is not None else {}
        kept = data["facts"] if data.get("version") == VERSION else {}
        for key, numbers in kept.items():
            when, *profile = map(float, numbers)
            if len(profile) == len(Profile._fields) and all(0 <= one < 1e9 for one in profile):
                found[key] = when, Profile(*profile)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        pass  # no file, a broken one, no home: it is measured again
    return found


def _save() -> None:
    """Write all, with what another kernel has written meanwhile; where that can't be, don't."""
    try:
        path = file()
        if path is None:
            return
        merged = _on_disk()
        for key, (when, profile) in _profiles.items():
            if key not in merged or merged[key][0] < when:
                merged[key] = when, profile
        latest = sorted(merged, key=lambda key: merged[key][0])[-MOST:]
        facts = {
            key: [round(one, 9) for one in (merged[key][0], *merged[key][1])] for key in latest
        }
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{NAME}.{os.getpid()}")
        with open(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as there:
            json.dump({"version": VERSION, "facts": facts}, there)
        new.replace(path)
    except (OSError, RuntimeError):
        pass
