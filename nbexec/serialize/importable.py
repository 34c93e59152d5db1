"""Objects that a module has by their own name: they are pickled by it."""

from __future__ import annotations

import sys
from functools import reduce
from typing import Any


def own_name(thing: Any) -> str | None:
    """Give the qualified name by which its module has an object; None where it hasn't.

    A decorated function is pickled by that: what it decorates has the name no longer.

    Examples
    --------
    >>> own_name(len), own_name(lambda: 0)
    ('len', None)
    """
    name = getattr(thing, "__qualname__", None)
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if name is None or module is None or module.__name__ == "__main__":
        return None
    try:
        return name if reduce(getattr, name.split("."), module) is thing else None
    except AttributeError:
        return None
