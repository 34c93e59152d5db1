"""PoolSnapshot: what a notebook's names had when the processes of a pool were forked.

They have copies from then.  A call goes to other workers only if what it reads is still the same.
"""

from __future__ import annotations

import hashlib
import pickle
import time
from typing import Any

from ..analysis.object_facts import frozen
from .pool_calls import NEVER_CHANGED, Agreed

ENOUGH = 0.005  # seconds of CPU for taking down what there is
LARGE = 100_000  # bytes, or entries, of something that is not taken down


class PoolSnapshot:
    """The values of names, and what can be changed in them, as they are now.

    Parameters
    ----------
    scope : dict
        The names.

    Examples
    --------
    >>> names = {"n": 1, "rows": [1, 2]}
    >>> before = PoolSnapshot(names)
    >>> before.same([names["rows"]])
    True
    >>> names["rows"].append(3)
    >>> before.same([names["rows"]])
    False
    """

    def __init__(self, scope: dict[str, Any]) -> None:
        self._scope = scope
        self._names = dict(scope)
        self._texts: dict[int, tuple[Any, bytes]] = {}
        until = time.thread_time() + ENOUGH
        for thing in self._names.values():
            if frozen(thing) or isinstance(thing, NEVER_CHANGED) or _size(thing) > LARGE:
                continue
            text = _text(thing)
            if text is not None:
                self._texts[id(thing)] = thing, text
            if time.thread_time() > until:
                break

    def same(self, things: list[Any]) -> bool:
        """Whether things that can be changed have not been."""
        return all(
            id(one) in self._texts and _text(one) == self._texts[id(one)][1] for one in things
        )

    def allows(self, agreed: Agreed) -> bool:
        """Whether a function reads what the pool's processes have."""
        for scope, name, was in agreed.names:
            if name not in scope:
                continue  # a builtin, or an attribute
            if scope is not self._scope:
                return False
            new = name not in self._names and isinstance(was, NEVER_CHANGED)
            if not new and self._names.get(name, self) is not was:
                return False
        return self.same(agreed.captured)


def _size(thing: Any) -> int:
    try:
        return int(getattr(thing, "nbytes", 0)) or len(thing)
    except Exception:  # no length
        return 0


def _text(thing: Any) -> bytes | None:
    try:
        return hashlib.sha256(pickle.dumps(thing)).digest()
    except Exception:  # it can't be pickled
        return None
