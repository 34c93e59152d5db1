"""Profiles of functions from earlier runs: in memory, and in the user's cache folder.

A function is identified by its name and its code: the same cell run again, or the same notebook
opened tomorrow, need not be measured anew.  A profile only says where a run begins: it goes
elsewhere when its items turn out to be different.  So it is with how many of them ran at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..records.validators import model_of

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

    level: float
    few: float  # seconds an item with few workers; 0 where more might have paid


_SECTIONS: dict[str, Any] = {"facts": Profile, "levels": Level}
# By section and key: when it was learned, as Unix time, and what.
_known: dict[str, dict[str, tuple[float, Any]]] = {name: {} for name in _SECTIONS}
_read = False


def key_of(fn: Any) -> str | None:
    """Give what a function is remembered by; None where it has nothing of its own."""
    while (inner := getattr(fn, "func", None)) is not None and callable(inner):
        fn = inner  # of a partial, or of a cell's loop
    model = model_of(fn)
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
    made.update(model.encode())  # models share a method, and one may take long that others don't
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
    found: Profile | None = _recall("facts", key_of(fn))
    return found


def learn(fn: Any, profile: Profile) -> None:
    """Remember a function's items; the file is only written where there is news in it."""
    _learn("facts", key_of(fn), profile, _differs)


def recall_level(fn: Any, backend: str) -> Level | None:
    """Give how many items of a function ran at once when its last run on a backend ended."""
    found: Level | None = _recall("levels", _level_key(fn, backend))
    return found


def learn_level(fn: Any, backend: str, level: Level) -> None:
    """Remember that, likewise."""
    _learn("levels", _level_key(fn, backend), level, _other_level)


def _level_key(fn: Any, backend: str) -> str | None:
    key = key_of(fn)
    return None if key is None else f"{key} {backend}"


def _recall(section: str, key: str | None) -> Any:
    if key is None:
        return None
    if not _read:
        _load()
    return _known[section][key][1] if key in _known[section] else None


def _learn(section: str, key: str | None, new: Any, differs: Callable[[Any, Any], bool]) -> None:
    if key is None or not all(map(math.isfinite, new)):
        return
    before, known = _recall(section, key), _known[section]
    known[key] = time.time(), new
    while len(known) > MOST:
        del known[min(known, key=lambda key: known[key][0])]
    if before is None or differs(before, new):
        _save()


def forget() -> None:
    """Forget the profiles in memory; the file is neither changed nor read again."""
    global _read
    for known in _known.values():
        known.clear()
    _read = True


def _differs(old: Profile, new: Profile) -> bool:
    if not 0.5 < (new.each + 1e-6) / (old.each + 1e-6) < 2:
        return True
    return any(
        abs(a - b) > 0.25 for a, b in zip(old[1:3] + old[5:], new[1:3] + new[5:], strict=True)
    )


def _other_level(old: Level, new: Level) -> bool:
    return bool(old.few) != bool(new.few) or not 0.7 < new.level / old.level < 1.4


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
    for section, kept in _on_disk().items():
        for key, one in kept.items():
            _known[section].setdefault(key, one)


def _on_disk() -> dict[str, dict[str, tuple[float, Any]]]:
    """Give what the file has; of one that is broken what can be read, if only nothing."""
    found: dict[str, dict[str, tuple[float, Any]]] = {section: {} for section in _SECTIONS}
    try:
        path = file()
        data = json.loads(path.read_bytes()) if path is not None else {}
        data = data if data.get("version") == VERSION else {}
        for section, record in _SECTIONS.items():
            for key, numbers in data.get(section, {}).items():
                when, *values = map(float, numbers)
                if len(values) == len(record._fields) and all(0 <= one < 1e9 for one in values):
                    found[section][key] = when, record(*values)
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError):
        pass  # no file, a broken one, no home: it is measured again
    return found


def _save() -> None:
    """Write all, with what another kernel has written meanwhile; where that can't be, don't."""
    try:
        path = file()
        if path is None:
            return
        data: dict[str, Any] = {"version": VERSION}
        for section, merged in _on_disk().items():
            for key, one in _known[section].items():
                if key not in merged or merged[key][0] < one[0]:
                    merged[key] = one
            latest = sorted(merged, key=lambda key: merged[key][0])[-MOST:]
            data[section] = {
                key: [round(number, 9) for number in (merged[key][0], *merged[key][1])]
                for key in latest
            }
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{NAME}.{os.getpid()}")
        with open(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as there:
            json.dump(data, there)
        new.replace(path)
    except (OSError, RuntimeError):
        pass
