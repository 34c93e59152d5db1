"""The order of sets: whether they have the same one when they are made again elsewhere.

Pickling keeps nothing of a set's table: it is made again of its items, in the order in which
the set gives them.  So its order, or that which it has after something is added to it, may be
another one.
"""

from __future__ import annotations

import functools
import io
import pickle
from typing import Any

from ...serialize.cloud_pickler import pickler
from ..analysis.orders import varying
from .effect_log import Copied, Taken, Touch
from .set_table import rebuilds

REASON = "a set would have another order in another process"
SMALL = 200  # parts of a thing that are looked at one by one: pickling takes as long then
_SETS = (set, frozenset)
_ATOMS = {int, float, complex, bool, str, bytes, type(None)}
_PLAIN = {list, tuple, dict, set, frozenset, Taken, Touch, Copied}
_MAKES_SET = (pickle.EMPTY_SET + pickle.MEMOIZE, pickle.FROZENSET + pickle.MEMOIZE)


class _Disordered(Exception):
    pass


def disordered(thing: Any) -> bool:
    """Whether a thing holds a set that pickling gives another order, or another table.

    Sets of texts don't count: each process has another order for them anyway.  What can't be
    pickled holds none.

    Examples
    --------
    >>> disordered({"a": [{1, 2, 3}]})
    False
    >>> numbers = set(range(100))
    >>> numbers -= set(range(95))
    >>> disordered({"a": [numbers]})
    True
    """
    glance = _at_a_glance(thing)
    if glance is not None:
        return glance
    seen = _seen(_first(pickle.Pickler), thing)
    if seen is None:  # a class or a function of the notebook's
        seen = _seen(_first(pickler()), thing)
    if seen is None or not any(one in seen for one in _MAKES_SET):
        return seen == b""
    # These bytes may as well be part of a number or a text.
    return _seen(_thorough(), thing) == b""


def _at_a_glance(thing: Any) -> bool | None:
    """Say whether a small thing of plain containers holds such a set; None for any other."""
    todo, looked = [thing], 0
    while todo:
        one = todo.pop()
        kind = type(one)
        if kind in _ATOMS:
            continue
        if kind in _SETS and not rebuilds(one):
            return True
        if kind not in _PLAIN:
            return None
        looked += len(one)
        if looked > SMALL:
            return None
        parts = [*one, *one.values()] if kind is dict else one
        if not all(map(_ATOMS.__contains__, map(type, parts))):
            todo.extend(parts)
    return False


def holds_varying(thing: Any) -> bool:
    """Whether a thing holds a set that has another order in another process, whatever is sent.

    It is False where it can't be pickled.

    Examples
    --------
    >>> holds_varying([{1, 2}])
    False
    """
    return _seen(_looking_for_varying(), thing) == b""


@functools.cache
def _looking_for_varying() -> Any:
    class Looking(pickler()):  # type: ignore[misc]
        def persistent_id(self, thing: Any) -> None:
            if issubclass(type(thing), _SETS) and varying(thing):
                raise _Disordered

    return Looking


def _seen(kind: Any, thing: Any) -> bytes | None:
    """Pickle something: b"" where a set has another order then, None where it can't be pickled."""
    written = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []  # apart, so that they aren't copied
    try:
        kind(written, protocol=5, buffer_callback=buffers.append).dump(thing)
    except _Disordered:
        return b""
    except Exception:
        return None
    return written.getvalue()


@functools.cache
def _first(base: Any) -> Any:
    """Give a pickler that looks at sets of the user's classes alone, as fast as pickling is."""
    more = getattr(base, "reducer_override", None)

    class First(base):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            if issubclass(type(thing), _SETS) and not rebuilds(thing):
                raise _Disordered
            return NotImplemented if more is None else more(self, thing)

    return First


@functools.cache
def _thorough() -> Any:
    """Give a pickler that looks at each object."""

    class Thorough(_first(pickler())):  # type: ignore[misc]
        def persistent_id(self, thing: Any) -> None:
            if type(thing) in _SETS and not rebuilds(thing):
                raise _Disordered

    return Thorough
