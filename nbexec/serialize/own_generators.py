"""The generators of random numbers that modules keep for their own functions.

``from random import gauss`` gives a method of such a generator.  It goes to a worker as a
reference: a copy would have every worker draw the same numbers, and `random.seed` not reach it.
"""

from __future__ import annotations

import sys
from typing import Any

from ..errors import PickleError

MOST = 10_000  # generators of items that are remembered, and so held

_NUMPYS = ("Generator", "RandomState")
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


def are(kind: type) -> bool:
    """Whether the instances of a class are generators of random numbers."""
    if kind.__name__ == "Random":
        return kind.__module__ == "random"
    return kind.__name__ in _NUMPYS and kind.__module__.startswith("numpy.random")


class Owners:
    """Which item has which generator: one that several have would be one copy for each chunk."""

    def __init__(self) -> None:
        self._owners: dict[int, tuple[Any, int]] = {}

    def add(self, generators: list[Any], index: int) -> None:
        """Take in those of an item.

        Raises
        ------
        PickleError
            Another item has one of them.
        """
        for one in generators:
            _, owner = self._owners.setdefault(id(one), (one, index))
            if len(self._owners) > MOST:
                self._owners.pop(next(iter(self._owners)))
            if owner != index:
                raise PickleError(
                    f"items {owner} and {index} have the same {type(one).__name__}, and would draw "
                    "the same numbers from copies of it. Have the function use it, rather than "
                    "the items: then each item has a stream of its own. Or use backend='threads'."
                )
