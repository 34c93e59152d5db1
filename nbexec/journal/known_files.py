"""Known journals: a list of paths in the user's state folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "NBEXEC_STATE_DIR"
NAME = "journals.txt"
MOST = 1_000  # paths that are kept, the newest


def folder() -> Path:
    """Give the folder: ``$NBEXEC_STATE_DIR``, or the system's place for such files."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "nbexec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "nbexec"
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "nbexec"


def paths() -> list[Path]:
    """Give the journals that still exist, the latest first."""
    try:
        lines = (folder() / NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return [Path(line) for line in dict.fromkeys(reversed(lines)) if line and Path(line).is_file()]


def add(path: Path) -> None:
    """Add a journal to the list; if that fails, only `runs()` without a path misses it."""
    if "\n" in str(path):
        return
    try:
        known = [one for one in paths() if one != path]
        lines = [str(one) for one in [*reversed(known[: MOST - 1]), path]]
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = place / f"{NAME}.{os.getpid()}"
        with open(
            os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write("\n".join(lines) + "\n")
        new.replace(place / NAME)
    except OSError:
        pass
