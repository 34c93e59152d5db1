"""Where a consumer stops: at a value that ends ``any``, ``next`` and the like.

It is a guess, made in order to stop workers early.  What comes after it is still to be had, in
the kernel, should the consumer ask for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..analysis.object_facts import immutable
from ..iteration.block import BlockRecord


def stopping(ends: str, wanted: Any = None) -> Callable[[Any], bool]:
    """Give whether a record has a value that the consumer is expected to stop at.

    Parameters
    ----------
    ends : str
        At which value it stops; see `Consumed`.
    wanted : object
        What a value is equal to at which it stops.
    """

    def stops(record: Any) -> bool:
        return record is not None and any(at_value(one, ends, wanted) for one in _values(record))

    return stops


def at_value(value: Any, ends: str, wanted: Any = None) -> bool:
    """Whether a consumer is expected to stop at a value; code of the user's isn't asked.

    Examples
    --------
    >>> at_value(0, "true"), at_value(0, "false"), at_value([], "first"), at_value(3, "equal", 3)
    (False, True, True, True)
    """
    plain = immutable(type(value))
    if ends == "true":
        return bool(value) if plain else True
    if ends == "false":
        return plain and not value
    if ends == "equal":
        return plain and immutable(type(wanted)) and bool(value == wanted)
    return ends == "first"


def _values(record: Any) -> Iterator[Any]:
    """Give the elements that a record has."""
    columns = isinstance(record, BlockRecord)
    for found in record.columns if columns else [what for _, what in record.entries]:
        if isinstance(found, list):
            yield from found
