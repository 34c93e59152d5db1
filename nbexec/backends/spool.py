"""spool: the folder where packed tasks lie for the workers on this machine to map."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

_lock = threading.Lock()
_folder: Path | None = None


def spool() -> Path:
    """Give the folder for packed tasks: in memory where the system has such a place."""
    global _folder
    with _lock:
        if _folder is None:
            memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
            _folder = Path(tempfile.mkdtemp(prefix=f"nbexec-{os.getpid()}-", dir=memory))
            atexit.register(shutil.rmtree, _folder, ignore_errors=True)
        _folder.mkdir(mode=0o700, exist_ok=True)  # something may have tidied it away
        return _folder
