"""A folder of this kernel's for what workers on this machine read and write."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

from joblib.externals.loky.backend import resource_tracker

_lock = threading.Lock()
_folder: Path | None = None
_of: int = 0  # the process that made it


def spool() -> Path:
    """Give the folder: in memory where the system has such a place."""
    global _folder, _of
    with _lock:
        if _folder is None or _of != os.getpid():
            memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
            _folder = Path(tempfile.mkdtemp(prefix=f"nbexec-{os.getpid()}-", dir=memory))
            _of = os.getpid()
            # A process that outlives this one, and tidies up after it however it ended.
            resource_tracker.register(str(_folder), "folder")
            atexit.register(_remove, _folder)
        _folder.mkdir(mode=0o700, exist_ok=True)  # something may have tidied it away
        return _folder


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    resource_tracker.unregister(str(folder), "folder")
