"""What an iteration finds in a worker beside what its run takes there: warnings, and depth.

The run takes along the state of the kernel's process: see `nbexec.worker.surroundings`.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...system import recursion
from .boundary import HERE
from .warned import Filters, Keeping, Warned, filters_here


@dataclass(frozen=True)
class Luggage:
    """The kernel's filters of warnings, and which process it is.

    Attributes
    ----------
    filters : list
        Filters of warnings.
    process : str
        The process that it was made in.
    """

    filters: Filters = field(default_factory=filters_here)
    process: str = HERE

    @contextlib.contextmanager
    def inside(self, warned: list[Warned], function: types.FunctionType) -> Iterator[None]:
        """Keep warnings in `warned`, inside a `with` block, in this thread.

        The function may call as deep as it may in the kernel.

        Examples
        --------
        >>> import warnings
        >>> found = []
        >>> with Luggage().inside(found, lambda: None):
        ...     warnings.warn("slow", stacklevel=1)
        >>> [str(one.message) for one in found]
        ['slow']
        """
        with recursion.room_for(function.__code__), Keeping(self.filters, warned):
            yield
