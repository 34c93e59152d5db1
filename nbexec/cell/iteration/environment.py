"""What an iteration finds in a worker beside what its run takes there: warnings, and depth.

The run takes along the state of the kernel's process: see `nbexec.worker.surroundings`.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...system import recursion
from ...worker.issuing import Into
from ...worker.warned import Filters, Keeping, Warned, filters_here
from .boundary import HERE


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
    def inside(self, warned: list[Warned | bytes], function: types.FunctionType) -> Iterator[None]:
        """Keep warnings and packed log records in `warned`, inside a `with` block, in this thread.

        The function may call as deep as it may in the kernel.

        Examples
        --------
        >>> import warnings
        >>> found = []
        >>> with Luggage(filters=[]).inside(found, lambda: None):
        ...     warnings.warn("slow", stacklevel=1)
        >>> [str(one.message) for one in found]
        ['slow']
        """
        room = recursion.room_for(function.__code__)
        with room, Keeping(self.filters, warned), Into(warned.append):
            yield
