"""WorkerOptions: what a run wants of the workers that are its own, and the checks of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import OptionError

Environment = tuple[tuple[str, str], ...]  # names and values, sorted


class WorkerOptions(NamedTuple):
    """The options of a run that are about its workers."""

    pin: bool = False  # whether each has a core of its own
    env: Environment = ()  # variables of theirs, beside the kernel's
    name: str = ""  # what they are called, before a hyphen and a number
    recycle_after: int | None = None  # items
    recycle_above: int | None = None  # bytes

    @property
    def recycles(self) -> bool:
        """Whether a worker may be replaced while the run goes on."""
        return self.recycle_after is not None or self.recycle_above is not None

    def named(self, number: int) -> str:
        """Give the name of a worker; "" where they have their usual ones.

        Examples
        --------
        >>> WorkerOptions(name="resize").named(2)
        'resize-2'
        """
        return f"{self.name}-{number}" if self.name else ""

    def worn(self, items: int, coming: int, memory: int = 0) -> bool:
        """Whether a worker is to be replaced before it is given more.

        Parameters
        ----------
        items, coming : int
            How many it has had, and is to be given.
        memory : int
            Bytes that it uses.

        Examples
        --------
        >>> limited = WorkerOptions(recycle_after=7)
        >>> limited.worn(6, 1), limited.worn(6, 2)
        (False, True)
        """
        if not items:  # it has begun as it is
            return False
        if self.recycle_after is not None and items + coming > self.recycle_after:
            return True
        return self.recycle_above is not None and memory > self.recycle_above


def environment(name: str, value: Any) -> Environment:
    """Give the variables of an option: a mapping, or pairs in a string.

    Examples
    --------
    >>> environment("env", "OMP_NUM_THREADS=1, STAGE=test")
    (('OMP_NUM_THREADS', '1'), ('STAGE', 'test'))
    """
    if isinstance(value, str):
        pairs = [one.strip().partition("=") for one in value.split(",") if one.strip()]
        if all(variable and equals for variable, equals, _ in pairs):
            value = {variable.strip(): text.strip() for variable, _, text in pairs}
    if not isinstance(value, Mapping):
        raise OptionError(
            f"{name} must be a dict of environment variables, as {{'OMP_NUM_THREADS': '1'}}, or "
            f"'OMP_NUM_THREADS=1, STAGE=test', not {value!r}"
        )
    for variable, text in value.items():
        wrong = not isinstance(variable, str) or not variable or set(variable) & {"=", "\0"}
        if wrong or not isinstance(text, str) or "\0" in text:
            raise OptionError(
                f"{name} must have strings as names and values, not {variable!r}: {text!r}"
            )
    return tuple(sorted(value.items()))


def check_environment(name: str, value: Any) -> None:
    environment(name, value)


def switch(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, not {value!r}")


def together(options: Any) -> None:
    """Check those of `Options` that need one another."""
    most = options.recycle_after
    if most is not None and options.chunk is not None and options.chunk > most:
        raise OptionError(
            f"chunk={options.chunk} is more than recycle_after={most}: a chunk's items go to one "
            "worker"
        )
