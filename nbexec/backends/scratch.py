"""Scratch folder: files of this kernel that workers on this machine read and write."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from loky.backend import resource_tracker

from ..errors import BackendError
from ..serialize import block_files
from ..system import after_fork, at_exit

_lock = threading.Lock()
_folders: dict[tuple[int, bool], Path] = {}  # by the process that made it, and whether in memory
_removed: set[Path | None] = set()  # at Python's end


def scratch_folder(in_memory: bool = True) -> Path:
    """Give the folder: in memory where the system has such a place, and it is wanted."""
    key = os.getpid(), in_memory and os.access("/dev/shm", os.W_OK)
    with _lock:
        if _folders.get(key) in _removed:  # made anew, it would stay
            raise BackendError("the interpreter is shutting down: nothing is sent any more")
        if key not in _folders:
            parent = "/dev/shm" if key[1] else None
            _folders[key] = Path(tempfile.mkdtemp(prefix=f"nbexec-{os.getpid()}-", dir=parent))
            # A process that outlives this one, and tidies up after it however it ended.
            resource_tracker.register(str(_folders[key]), "folder")
            at_exit.tidy(_remove, _folders[key])
        if not os.path.isdir(_folders[key]):  # something has tidied it away
            _folders[key].mkdir(mode=0o700, exist_ok=True)
        return _folders[key]


def has_scratch(process: int) -> bool:
    """Whether a process, not this one, has a scratch folder in memory: it has had workers."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    return any(Path(parent).glob(f"nbexec-{process}-*"))


def keep(name: str, pieces: Callable[[], Iterable[block_files.Piece]]) -> Path:
    """Write a scratch file, on disk where there is no room in memory."""
    path = scratch_folder() / name
    try:
        block_files.write_pieces(path, pieces())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        path = scratch_folder(in_memory=False) / name
        block_files.write_pieces(path, pieces())
    return path


def _remove(folder: Path) -> None:
    with _lock:
        if folder in _removed or folder not in _folders.values():  # it is a forking parent's
            return
        _removed.add(folder)
    shutil.rmtree(folder, ignore_errors=True)
    resource_tracker.unregister(str(folder), "folder")


def _forget() -> None:
    """Have a forked child make folders of its own."""
    global _lock
    _lock = threading.Lock()
    _folders.clear()
    _removed.clear()


after_fork.add(_forget)
