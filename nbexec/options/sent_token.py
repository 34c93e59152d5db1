"""SentToken: a CancelToken in a worker, which follows the one that it was in the kernel."""

from __future__ import annotations

import threading
import time
from typing import Any, NoReturn

from ..system import flag_files, subinterpreter
from .cancel_token import Callback, CancelToken, living

LOOK = 0.02  # seconds between two looks, where somebody waits


class SentToken(CancelToken):
    """A token of another process; it is cancelled by the flag that is raised for it."""

    def __init__(self, uid: str, flag: str, reason: str | None) -> None:
        super().__init__()
        living.pop(self.uid, None)
        self.uid, self.flag = uid, flag
        living[uid] = self
        self._watched = False
        if reason is not None:
            self._follow(reason)

    def _follow(self, reason: str) -> None:
        super().cancel(reason)

    def cancel(self, reason: str = "") -> NoReturn:
        """Refuse: the kernel would not hear of it."""
        raise RuntimeError(
            "this CancelToken was sent to a worker, which can't cancel it: return a value that "
            "says so, or raise an exception, and cancel it where it was made"
        )

    def cancel_after(self, seconds: float | None, reason: str = "") -> NoReturn:
        """Refuse, as `cancel`."""
        self.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether it is cancelled."""
        if not self._reasons and flag_files.is_raised(self.flag):
            self._follow(flag_files.text_of(self.flag))
        return bool(self._reasons)

    def _add(self, callback: Callback, to: dict[object, Callback] | None = None) -> object:
        key = super()._add(callback, to)
        if not self._watched and not self.cancelled:
            self._watched = True
            watch = threading.Thread(target=self._watch, name="nbexec-token")
            watch.daemon = subinterpreter.daemons()
            watch.start()
        return key

    def _watch(self) -> None:
        """Look at the flag as long as anybody is to be told."""
        while (self._callbacks or self._followers) and not self.cancelled:
            time.sleep(LOOK)
        self._watched = False
        if self._callbacks or self._followers:  # they came at this moment
            if self.cancelled:
                self._call_all()
            elif not self._watched:
                self._watched = True
                self._watch()

    def after_fork(self) -> None:
        super().after_fork()
        self._watched = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Give the reduction for pickling: what it is sent on to follows the same flag."""
        return reduction(self, self.flag)


def reduction(token: CancelToken, flag: str) -> tuple[Any, ...]:
    """Give the reduction of a token that is sent to where this flag will be raised for it."""
    return arrived, (token.uid, flag, token.reason if token.cancelled else None)


def arrived(uid: str, flag: str, reason: str | None) -> CancelToken:
    """Give the token that was sent: the one itself, where it was made."""
    token = living.get(uid)
    if token is None:
        return SentToken(uid, flag, reason)
    if isinstance(token, SentToken):
        token.flag = flag  # the newest run's
        if reason is not None:
            token._follow(reason)
    return token
