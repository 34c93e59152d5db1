"""What an item raised, as the run gets it: without our own frames, and with what it has left."""

from __future__ import annotations

import os
import threading
import traceback
from typing import Any, Literal

from ..errors import Cancelled, RunCancelled
from ..items.outcomes import stopped_error
from ..model import Error
from ..records.validators import is_validation_error
from ..system import subinterpreter
from . import exhausted, http_replies, thread_bound
from .stop_flag import StopFlag

_HERE = os.path.dirname(__file__)
_MODULES = ("execute", "item_calls", "blocks", "random_streams", "setup_once")
_OURS = {os.path.join(_HERE, f"{one}.py") for one in _MODULES}
_ABOVE = os.path.dirname(_HERE)
_OURS |= {os.path.join(_ABOVE, one) for one in ("api.py", "answers.py")}  # invoke and ensemble
_OURS.add(os.path.join(_ABOVE, "backends", "aio.py"))


class Partial(Exception):
    """Raised by a function that failed, and has a partial result.

    Attributes
    ----------
    left : object
        What `Failure.left` will be.
    error : BaseException
        Why it failed: the item's exception.
    """

    def __init__(self, left: Any, error: BaseException) -> None:
        super().__init__(left, error)
        self.left = left
        self.error = error


def parted(error: BaseException) -> tuple[BaseException, Any]:
    """Give an item's own exception, and its partial result."""
    return (error.error, error.left) if isinstance(error, Partial) else (error, None)


def interrupts(error: BaseException) -> bool:
    """Whether `error` is the user's Ctrl-C rather than something that an item raised."""
    in_main = threading.current_thread() is threading.main_thread()
    return isinstance(error, KeyboardInterrupt) and in_main


def failed(error: BaseException, unsent: Literal["", "item", "result"] = "") -> Error:
    """Describe an item's exception, or why something could not be sent, without our own frames."""
    if said := _verdict(error):
        return Error("error", error, said, unsent)
    from_users(error)
    subinterpreter.note(error)
    thread_bound.note(error)
    text = "".join(traceback.format_exception(error))
    return Error("error", error, text, unsent, http_replies.asked(error) or exhausted.asked(error))


def _verdict(error: BaseException) -> str:
    """Give the text of a model's verdict on a row, where no frame of the user's is in it.

    Of a million rows many are bad: to look for more in it would take longer than all else.
    """
    trace = error.__traceback__
    if trace is None or trace.tb_next or trace.tb_frame.f_code.co_filename not in _OURS:
        return ""
    if not is_validation_error(error) or error.__cause__ or error.__context__:
        return ""
    error.__traceback__ = None
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}: {error}\n"


def ended(error: BaseException, stop_flag: StopFlag) -> Error:
    """Describe an item's exception: one that stopped when it was not wanted any more is cancelled.

    So is one whose own run was stopped for that.
    """
    why = failed(error)
    if isinstance(error, Cancelled | RunCancelled) and not stop_flag.wanted():
        return stopped_error(why.traceback)
    return why


def from_users(error: BaseException) -> BaseException:
    """Give an exception whose traceback begins behind our own frames."""
    trace = error.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_code.co_filename in _OURS:
        trace = trace.tb_next
    error.__traceback__ = trace
    return error
