"""Flags of the tokens that a session has sent to its workers, raised with a token's cancel."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import Token
from typing import Any

from ..options.cancel_token import CancelToken, reducer
from ..options.sent_token import reduction
from ..system import after_fork, flag_files


class TokenFlags:
    """While it is entered, a `CancelToken` that is pickled gets a flag.

    Parameters
    ----------
    folder : str
        Where the flags' files are.
    session : str
        A name that no other session has.
    tell : callable
        Called with a flag that was raised and its text, for workers that don't see the file.
    """

    def __init__(self, folder: str, session: str, tell: Callable[[list[str], str], None]) -> None:
        self._prefix = os.path.join(folder, f"cancelled-{session}-")
        self._tell = tell
        self._sent: dict[str, tuple[CancelToken, Callable[[CancelToken], object]]] = {}
        self._entered: list[Token[Any]] = []
        after_fork.watch(self)

    def __enter__(self) -> None:
        self._entered.append(reducer.set(self._reduce))

    def __exit__(self, *_: object) -> None:
        reducer.reset(self._entered.pop())

    def _reduce(self, token: CancelToken) -> tuple[Any, ...]:
        return reduction(token, self._flag(token))

    def _flag(self, token: CancelToken) -> str:
        path = self._prefix + token.uid
        if token.uid not in self._sent:

            def raise_flag(it: CancelToken) -> None:
                try:
                    flag_files.raise_flag(path, it.reason)
                except OSError:  # the folder is gone: Python is exiting
                    return
                self._tell([path], it.reason)

            self._sent[token.uid] = token, raise_flag
            token.add_callback(raise_flag)
        return path

    def close(self) -> None:
        """Raise none any more."""
        while self._sent:
            _, (token, raise_flag) = self._sent.popitem()
            token.remove_callback(raise_flag)

    def after_fork(self) -> None:
        """Raise none in a forked child: the workers are the parent's."""
        self._sent.clear()
