"""Arithmetic: what it tells beside its results, which goes to the kernel as log records do.

That is the signals of `decimal` that items raised, and what NumPy writes of floating-point errors
to an object of the user's.  A function that NumPy calls is another matter: it may raise.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ..serialize import pickling
from .issuing import Receiver, receiver

T = TypeVar("T")
_own_log: Any = None  # what NumPy writes to in this process, where it is no worker


class Told(NamedTuple):
    """Something that arithmetic told in a worker.

    Attributes
    ----------
    flags : tuple of str
        Signals of `decimal` that were raised.
    text : str
        What NumPy wrote.
    """

    flags: tuple[str, ...] = ()
    text: str = ""

    def packed(self) -> bytes:
        """Give it as `issued.unpack` takes it."""
        return pickle.dumps(("arithmetic", self), 5)

    def take(self) -> None:
        """Do to this thread's arithmetic what an item would have done."""
        if self.flags:
            import decimal

            for name in self.flags:
                decimal.getcontext().flags[getattr(decimal, name)] = True
        log: Any = sys.modules["numpy"].geterrcall() if self.text else None
        if hasattr(log, "write"):
            log.write(self.text)


class ErrorLog:
    """Stands in a worker for the object that NumPy writes floating-point errors to."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ErrorLog)

    __hash__ = None  # type: ignore[assignment]

    def write(self, text: str) -> None:
        """Have the kernel's object write it, in the item's turn."""
        found = receiver()
        if found is not None:
            found.send(Told(text=text).packed())
        elif _own_log is not None:  # a worker that is a thread of the kernel
            _own_log.write(text)


class ErrorCall:
    """The function that NumPy calls, on its way: what it holds may be another each time.

    Attributes
    ----------
    function : callable
        The function.
    needed : bool
        Whether a run can't do without it.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self.needed = calls_back()

    def __reduce__(self) -> Any:
        return _called, (pickling.dumps(self.function),)

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False


def _called(packed: bytes) -> ErrorCall:
    return ErrorCall(pickling.loads(packed))


def error_handler() -> Any:
    """Give what NumPy hands floating-point errors to, as it can be sent; None for nothing."""
    global _own_log
    found = sys.modules["numpy"].geterrcall()
    if hasattr(found, "write"):
        if not isinstance(found, ErrorLog):
            _own_log = found
        return ErrorLog()
    return None if found is None else ErrorCall(found)


def set_error_handler(wanted: Any) -> None:
    """Have NumPy hand floating-point errors to what was sent."""
    function = wanted.function if isinstance(wanted, ErrorCall) else wanted
    sys.modules["numpy"].seterrcall(function)


def calls_back() -> bool:
    """Whether NumPy calls a function of the user's on floating-point errors, in this thread."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "geterrcall"):  # it is being imported
        return False
    return numpy.geterrcall() is not None and "call" in numpy.geterr().values()


def raised(context: Any) -> frozenset[str]:
    """Give the names of the signals that a context of `decimal` has as raised."""
    return frozenset(one.__name__ for one, flag in context.flags.items() if flag)


def telling(into: Receiver, before: Any, run: Callable[[], T]) -> Callable[[], T]:
    """Give a function that tells the kernel which signals of `decimal` its items raised.

    Parameters
    ----------
    into : Receiver
        Takes it.
    before : object
        The kernel's context of `decimal`; None where it has none.
    run : callable
        Runs the items.
    """

    def told() -> T:
        try:
            return run()
        finally:
            decimal: Any = sys.modules.get("decimal")
            if hasattr(decimal, "getcontext"):
                known = raised(before.context) if before is not None else frozenset()
                found = raised(decimal.getcontext()) - known
                if found:
                    into.send(Told(flags=tuple(sorted(found))).packed())

    return told
