"""CancelToken: what several runs share, so that all of them can be cancelled at once.

It has no lock, since a signal handler may cancel it in the middle of any of its methods.
Each step that must happen once is one operation of a list or a dict, which is atomic.
"""

from __future__ import annotations

import _thread
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..errors import Cancelled, OptionError, PickleError, RunCancelled
from ..system import after_fork, subinterpreter
from .checks import seconds as check_seconds

Callback = Callable[["CancelToken"], object]

# Gives the reduction of a token that a run sends to its workers; set while it pickles.
reducer: ContextVar[Callable[[CancelToken], tuple[Any, ...]] | None]
reducer = ContextVar("nbexec_reducer", default=None)
living: weakref.WeakValueDictionary[str, CancelToken] = weakref.WeakValueDictionary()  # by uid


class CancelToken:
    """Cancels every run that was given it, from any thread, and also from a signal handler.

    Give it as ``cancel=`` to `map`, `imap`, `start` and so on, to `Executor`, or to a ``with
    nbexec.options(cancel=token)``.  A run that begins with a cancelled token ends at once, with
    `RunCancelled`, and none of its items begins.

    A task may have it, too, as an argument or from around it.  On threads it is this object; in
    a worker elsewhere it is one that follows it, until the run has ended.

    Parameters
    ----------
    *linked : CancelToken
        Tokens any of which cancels this one, with its reason.  They know nothing of this one.

    Raises
    ------
    OptionError
        Something else was given.

    Examples
    --------
    >>> import nbexec
    >>> token = nbexec.CancelToken()
    >>> run = nbexec.start(nbexec.sleep, [60, 60], backend="threads", cancel=token, progress="off")
    >>> token.cancel("the data are wrong")
    >>> run.result()
    Traceback (most recent call last):
    nbexec.RunCancelled: sleep was cancelled: the data are wrong; 0 of 2 results were kept
    """

    __module__ = "nbexec"

    def __init__(self, *linked: CancelToken) -> None:
        for one in linked:
            if not isinstance(one, CancelToken):
                raise OptionError(f"CancelToken() takes tokens that cancel it, not {one!r}")
        self.uid = os.urandom(8).hex()
        self._reasons: list[str] = []  # why; the first one counts
        self._callbacks: dict[object, Callback] = {}
        self._followers: dict[object, Callback] = {}  # tokens that this one cancels
        self._due = float("inf")  # when it is cancelled by itself, on the monotonic clock
        self._due_reason = ""
        self._timer: threading.Timer | None = None
        self._linked = linked  # they live as long as this one
        living[self.uid] = self
        after_fork.watch(self)
        for one in linked:
            one._add(_follower(self, one._followers), one._followers)

    def after_fork(self) -> None:
        """Call nothing of the parent's in a forked child: its runs go on there."""
        self._callbacks.clear()

    # ------------------------------------------------------------ to be cancelled

    def cancel(self, reason: str = "") -> None:
        """Cancel every run that has it, as `Run.cancel` does; the first reason counts.

        Parameters
        ----------
        reason : str
            Why; the message of `RunCancelled` says it.
        """
        if not self._reasons:
            self._reasons.append(str(reason))
        timer = self._timer
        if timer is not None:
            timer.cancel()
        self._call_all()

    def cancel_after(self, seconds: float | None, reason: str = "") -> None:
        """Cancel it in so many seconds; a later call takes the place of an earlier one.

        Parameters
        ----------
        seconds : float or None
            From now; None: not any more.
        reason : str
            Why; "" is "after 30 s".

        Raises
        ------
        OptionError
            `seconds` are none.

        Examples
        --------
        >>> import nbexec
        >>> token = nbexec.CancelToken()
        >>> token.cancel_after(0.01)
        >>> token.wait(), token.reason
        (True, 'after 0.01 s')
        """
        if seconds is not None:
            check_seconds("seconds", seconds)
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if seconds is None:
            self._due = float("inf")
            return
        self._due_reason = reason or f"after {seconds:g} s"
        self._due = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, _cancel_late, (weakref.ref(self), self._due))
        self._timer.daemon = subinterpreter.daemons()
        self._timer.start()

    # ------------------------------------------------------------ to be looked at

    @property
    def cancelled(self) -> bool:
        """Whether it is cancelled."""
        if not self._reasons and time.monotonic() >= self._due:
            self.cancel(self._due_reason)
        return bool(self._reasons)

    @property
    def reason(self) -> str:
        """Why; "" where nobody said it, or it isn't cancelled."""
        return self._reasons[0] if self.cancelled else ""

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if it is cancelled.

        In a task of a run that has the token its item then counts as cancelled, not as failed.

        Raises
        ------
        Cancelled
            It is; the message is the reason.
        """
        if self.cancelled:
            raise Cancelled(self.reason or "the token was cancelled")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is cancelled, at most `timeout` seconds; give whether it is."""
        until = float("inf") if timeout is None else time.monotonic() + timeout
        woken = _thread.allocate_lock()  # an Event has a lock, which a signal handler may find held
        woken.acquire()
        key = self._add(lambda _: woken.release())
        try:
            while not self.cancelled and (left := min(until, self._due) - time.monotonic()) > 0:
                woken.acquire(timeout=min(left, threading.TIMEOUT_MAX))
        finally:
            self._callbacks.pop(key, None)
        return self.cancelled

    # ------------------------------------------------------------ to be told

    def add_callback(self, callback: Callback) -> None:
        """Have ``callback(token)`` called by whoever cancels it; at once, if that has been.

        What it raises is logged.  It is kept until then, or until `remove_callback`.
        """
        self._add(callback)

    def remove_callback(self, callback: Callback) -> int:
        """Drop a callback, as often as it was added; give how often that was."""
        keys = [key for key, one in [*self._callbacks.items()] if one == callback]
        return sum(self._callbacks.pop(key, None) is not None for key in keys)

    def _add(self, callback: Callback, to: dict[object, Callback] | None = None) -> object:
        key = object()
        (self._callbacks if to is None else to)[key] = callback
        if self.cancelled:
            self._call_all()
        return key

    def _call_all(self) -> None:
        """Call what has not been called, each once, whoever else does the same meanwhile."""
        for held in (self._followers, self._callbacks):
            for key in [*held]:
                callback = held.pop(key, None)
                if callback is None:
                    continue
                try:
                    callback(self)
                except Exception:
                    logging.getLogger("nbexec").exception("a callback of %r raised", self)

    # ------------------------------------------------------------ to be sent

    def __reduce__(self) -> tuple[Any, ...]:
        """Give the reduction for pickling: in a run's worker it is one that follows this one."""
        reduce = reducer.get()
        return (the_same, (self.uid,)) if reduce is None else reduce(self)

    def __nbexec_content__(self) -> tuple[Any, ...]:
        """Give a reduction for fingerprints: no result depends on which one it is."""
        return CancelToken, ()

    def __copy__(self) -> CancelToken:
        return self  # a copy would be cancelled by nobody

    def __deepcopy__(self, memo: Any) -> CancelToken:
        return self

    def __repr__(self) -> str:
        if not self.cancelled:
            return "<CancelToken>"
        return f"<CancelToken cancelled{': ' if self.reason else ''}{self.reason}>"


def _follower(token: CancelToken, held: dict[object, Callback]) -> Callback:
    """Give what cancels a token after another one, which does not keep it alive."""
    this = weakref.ref(token)

    def follow(other: CancelToken) -> None:
        one = this()
        if one is not None:
            one.cancel(other.reason)

    def gone() -> None:
        for key in [key for key, one in [*held.items()] if one is follow]:
            held.pop(key, None)

    weakref.finalize(token, gone).atexit = False
    return follow


def _cancel_late(this: weakref.ref[CancelToken], due: float) -> None:
    token = this()
    if token is not None and token._due == due:
        token.cancel(token._due_reason)


def the_same(uid: str) -> CancelToken:
    """Give a token that no run has pickled: the one itself, where it was made.

    Raises
    ------
    PickleError
        It was made in another process.
    """
    if uid not in living:
        raise PickleError(
            "a CancelToken goes only to workers of nbexec's own runs: another process would "
            "never hear that it was cancelled"
        )
    return living[uid]


def token_of(name: str, value: Any) -> CancelToken:
    """Give the token that an option is, or names: of the notebook, or "module.token".

    Examples
    --------
    >>> token_of("cancel", CancelToken())
    <CancelToken>
    """
    found: Any = value
    if isinstance(value, str):
        from pydoc import locate  # imports what is dotted

        first, *rest = value.split(".")
        found = vars(sys.modules["__main__"]).get(first)
        for attribute in rest:
            found = getattr(found, attribute, None)
        if found is None:
            found = locate(value)
    if not isinstance(found, CancelToken):
        raise OptionError(f"{name} must be a CancelToken, the name of one, or None, not {value!r}")
    return found


def raise_if_cancelled(cancel: Any, what: str) -> None:
    """Raise `RunCancelled` for what is about to go on with this ``cancel=``, if it may not."""
    if cancel is not None and (token := token_of("cancel", cancel)).cancelled:
        why = f": {token.reason}" if token.reason else ""
        raise RunCancelled(f"{what} was cancelled{why}")


def check(name: str, value: Any) -> None:
    token_of(name, value)
