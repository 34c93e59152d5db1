"""Stop flags: how a chunk hears that it is not wanted any more, and how an item waits for that."""

from __future__ import annotations

import _thread
import threading
import time
from typing import Any

from ..system import flag_files

LOOK = 0.02  # seconds between two looks of an item that waits


class StopFlag:
    """Stops a chunk: once set, no further item of it begins."""

    __slots__ = ("_waiting", "stopped")

    def __init__(self) -> None:
        self.stopped = False
        self._waiting: list[Any] = []  # locks, each of which an item waits for

    def stop(self) -> None:
        """Begin no further item, and wake those that wait."""
        self.stopped = True
        while self._waiting:
            try:
                self._waiting.pop().release()
            except IndexError:  # it has just woken by itself
                return

    def wanted(self) -> bool:
        """Whether the current item is still wanted."""
        return not self.stopped

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so long; give whether it is."""
        woken = _thread.allocate_lock()
        woken.acquire()
        self._waiting.append(woken)
        try:
            if not self.stopped:
                woken.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
        finally:
            if woken in self._waiting:
                try:
                    self._waiting.remove(woken)
                except ValueError:  # it is just being stopped
                    pass
        return self.stopped


class StopFile(StopFlag):
    """A stop flag that the kernel raises from another process; an item that asks looks for it."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def wanted(self) -> bool:
        if not self.stopped and flag_files.is_raised(self._path):
            self.stopped = True
        return not self.stopped

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.wanted():
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, LOOK))
        return True
