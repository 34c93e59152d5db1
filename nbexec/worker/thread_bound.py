"""Thread-bound: errors of items that a plain loop would not have, since it is in another thread.

Some calls work in the main thread of a process alone, and some objects only in the thread that
made them.  Such an item ends by an error at once, which a note explains.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..serialize import tracebacks

Place = Literal["", "main", "own"]  # where it would work: the main thread, the object's own


class _Sign(NamedTuple):
    """What such an error is known by, and what to say of it."""

    type: str
    text: str  # a part of its message
    place: Place
    what: str


_ELSEWHERE = (
    "With backend='processes' items run in the main thread of their process, with 'serial' in "
    "the thread that waits for them."
)
_SIGNALS = f"signal handlers can be set in the main thread of a process alone. {_ELSEWHERE}"
_SIGNS = (
    _Sign("ValueError", "signal only works in main thread", "main", _SIGNALS),
    _Sign("ValueError", "set_wakeup_fd only works in main thread", "main", _SIGNALS),
    _Sign("RuntimeError", "set_wakeup_fd only works in main thread", "main", _SIGNALS),
    _Sign(
        "RuntimeError",
        "There is no current event loop in thread 'nbexec-",
        "main",
        "asyncio.get_event_loop() makes an event loop in the main thread alone. Use "
        f"asyncio.run() or asyncio.new_event_loop(). {_ELSEWHERE}",
    ),
    _Sign(
        "ProgrammingError",
        "SQLite objects created in a thread can only be used in that same thread",
        "own",
        "an SQLite connection, with its cursors, belongs to the thread that made it. Make one in "
        "each worker, in setup=, or one for all with check_same_thread=False, or use "
        "backend='serial'.",
    ),
    _Sign(
        "RuntimeError",
        "main thread is not in main loop",
        "own",
        "a Tk window belongs to the thread that made it. Have items give values, and show these "
        "after the run, or use backend='serial'.",
    ),
    _Sign(
        "error",
        "annot switch to a different thread",  # of greenlets, as in Playwright's sync API
        "own",
        "what this object is made of runs in the thread that made it. Make one in each worker, "
        "in setup=, or use backend='serial'.",
    ),
)


def place(error: BaseException) -> Place:
    """Say in which thread an item that ended by `error` would work; "" where it isn't that.

    Examples
    --------
    >>> place(ValueError("signal only works in main thread of the main interpreter"))
    'main'
    >>> place(ValueError("something else"))
    ''
    """
    found = _find(error)
    return "" if found is None else found.place


def note(error: BaseException) -> None:
    """Have `error` say what it means, and what to do."""
    found = _find(error)
    if found is not None and found.what not in "\n".join(getattr(error, "__notes__", ())):
        error.add_note(f"nbexec: {found.what}")


def _find(error: BaseException) -> _Sign | None:
    for one in tracebacks.chain(error):
        kinds = {kind.__name__ for kind in type(one).__mro__}
        for sign in _SIGNS:
            if sign.type in kinds and sign.text in str(one):
                return sign
    return None
