"""Entry: one thing of a process that code can see without naming it, such as its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

# "process": all threads of a process have it in common; "thread": each thread, or context, has
# its own; "machine": as "process", and it means nothing on another machine.
# "interpreter": as "machine", but each sub-interpreter of a process has its own.
Extent = Literal["process", "thread", "machine", "interpreter"]


class Unset:
    """Stands for a value that isn't known."""


@dataclass(frozen=True)
class Entry:
    """One thing that workers take on.

    Attributes
    ----------
    name : str
        What it is, as the documentation lists it.
    read : callable
        Gives its value in this process: one that can be pickled, and compared with ``==``.
    write : callable
        Sets it.
    module : str
        The module that it belongs to: where that isn't loaded in the kernel there is nothing to
        take on, and a worker that hasn't loaded it sets the value when it does.
    extent : {"process", "thread", "machine", "interpreter"}
        Who has it in common.
    usual : object
        What it is in a process that has changed nothing; a worker sets it where the kernel
        hasn't loaded the module.  `Unset` where that isn't known.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    module: str = ""
    extent: Extent = "process"
    usual: Any = Unset

    def take_on(self, value: Any) -> None:
        """Set the value where it is another."""
        if not same(self.read(), value):
            self.write(value)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal; what can't be compared isn't.

    Examples
    --------
    >>> same({"a": 1}, {"a": 1}), same(1, 2)
    (True, False)
    """
    try:
        return bool(one == other)
    except Exception:
        return False
