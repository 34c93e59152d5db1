"""Orders: where the order of a set of texts is seen, which another process has otherwise.

Texts have another hash in each process, unless ``PYTHONHASHSEED`` says which.  So does what is
made of them, such as a date.  To look something up in such a set is the same everywhere; to go
through it isn't.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from typing import Any

from .abstract_values import UNKNOWN, Value
from .analysis import Analysis
from .heap import ITEMS

REASON = "goes through a set of texts, which has another order in another process"
SETS = (set, frozenset)
# What these do with the items of a set is the same in any order.
ANY_ORDER = {any, all, set, frozenset, sorted, min, max, len}
_TEXTS = (str, bytes) if sys.version_info >= (3, 12) else (str, bytes, type(None))


def hashes_differ() -> bool:
    """Whether texts have other hashes in other processes."""
    return bool(sys.flags.hash_randomization) and not _seeded()


def _seeded() -> bool:
    return os.environ.get("PYTHONHASHSEED", "").isdigit()


def of_texts(items: Iterable[Any]) -> bool:
    """Whether items have other hashes in another process, as far as is easily seen.

    Examples
    --------
    >>> of_texts({1, 2}), of_texts([(1, 2)])
    (False, False)
    """
    if not hashes_differ():
        return False
    kinds = {type(one): one for one in items}
    if tuple in kinds:
        kinds |= {type(part): part for part in kinds[tuple]}
    return any(kind in kinds for kind in _TEXTS)


def seen(analysis: Analysis, node: ast.AST, value: Value) -> None:
    """Take in that the order of a value's items is seen, if it is a set."""
    if analysis.one_process is not None:
        return
    line = getattr(node, "lineno", 0)
    known = value.known
    if known is not UNKNOWN:
        if type(known) in SETS and of_texts(known):
            analysis.one_process = line, REASON
        return
    if value.type not in SETS:
        return
    if value.shared:  # whichever of those that are there
        analysis.set_from_outside = line, REASON
    elif hashes_differ() and _may_be_text(analysis.heap.get(value, ITEMS)):
        analysis.one_process = line, REASON


def _may_be_text(item: Value) -> bool:
    if item.parts is not None:
        return any(map(_may_be_text, item.parts))
    return item.type in (str, bytes)
