"""The generators of random numbers that modules keep for their own functions.

``from random import gauss`` gives a method of such a generator.  It goes to a worker as a
reference: a copy would have every worker draw the same numbers, and `random.seed` not reach it.
"""

from __future__ import annotations

import sys
from typing import Any

_PLACES = {"Random": ("random", "_inst"), "RandomState": ("numpy.random.mtrand", "_rand")}
KINDS = _PLACES.keys()  # names of classes, which need not be imported


def place(thing: Any, kind: type) -> tuple[str, str] | None:
    """Give the module that keeps a generator, and its name there; None for any other object.

    Examples
    --------
    >>> import random
    >>> place(random.random.__self__, random.Random)
    ('random', '_inst')
    >>> place(random.Random(), random.Random) is None
    True
    """
    found = _PLACES.get(kind.__name__)
    if found is None:
        return None
    module, name = found
    kept = getattr(sys.modules.get(module), name, None)
    return found if kept is thing else None
