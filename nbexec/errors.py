"""Exceptions of nbexec.  Few types; each message names the item, the line or the option."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes 10 ms to import, and this comes with the package
if TYPE_CHECKING:
    from typing import Any, Self


class NbexecError(Exception):
    """Base of all exceptions of nbexec.

    Attributes
    ----------
    partial_results : Results or None
        Results that were finished when a run stopped early; None where there was no run.
    """

    __module__ = "nbexec"

    partial_results: Any = None


class OptionError(NbexecError, ValueError):
    """An option or an argument that can't be used; the message says what to write instead."""

    __module__ = "nbexec"


class GraphError(OptionError):
    """A pipeline that can't be wired, or run with what it was given."""

    __module__ = "nbexec"


class BackendError(NbexecError, RuntimeError):
    """A backend is missing (the message says what to install) or could not be started."""

    __module__ = "nbexec"


class PickleError(NbexecError, TypeError):
    """A function, an item or a result can't cross to another process."""

    __module__ = "nbexec"


class ItemsError(NbexecError, RuntimeError):
    """The iterable of items raised; its own exception is the ``__cause__``."""

    __module__ = "nbexec"


class SerialError(NbexecError, RuntimeError):
    """With ``strict=True``, a loop of a cell can't be shown safe; the message says why."""

    __module__ = "nbexec"


class NotReady(NbexecError, NameError):
    """A name is read that a detached cell is still computing; the message says which."""

    __module__ = "nbexec"


class RunCancelled(NbexecError, RuntimeError):
    """The run was cancelled before its end; finished results are in `partial_results`."""

    __module__ = "nbexec"


class Cancelled(BaseException):
    """Raised inside a task that is not wanted any more, by `sleep` and `CancelToken`.

    A `BaseException`, as `asyncio.CancelledError` is: an ``except Exception`` that tries again
    does not catch it. Its item counts as cancelled, not as failed.
    """

    __module__ = "nbexec"


class ItemTimeout(NbexecError, TimeoutError):
    """An item took longer than ``timeout=``.

    Attributes
    ----------
    abandoned : bool
        Whether it may still be running, where it could not be stopped.
    """

    __module__ = "nbexec"

    abandoned = False


class DeadlineExceeded(NbexecError, TimeoutError):
    """The run took longer than ``deadline=``; finished results are in `partial_results`."""

    __module__ = "nbexec"


class BudgetExceeded(NbexecError):
    """The run would spend more than ``budget=``; finished results are in `partial_results`."""

    __module__ = "nbexec"


class QueueFull(NbexecError, RuntimeError):
    """An executor with ``max_queue=`` and ``on_full="reject"`` takes no more calls for now."""

    __module__ = "nbexec"


class JournalError(NbexecError):
    """A journal can't be used; the message names its file, the function, or the run using it."""

    __module__ = "nbexec"


class WorkerDied(NbexecError):
    """A worker process ended in the middle of an item."""

    __module__ = "nbexec"


class MemoryLimitExceeded(NbexecError, MemoryError):
    """The kernel and its workers use more than `memory_limit`, though nothing runs any more."""

    __module__ = "nbexec"

    def __new__(cls, *args: Any) -> Self:
        """Make one; tblib, which comes with Dask, asks here, and MemoryError's own refuses."""
        return Exception.__new__(cls, *args)
