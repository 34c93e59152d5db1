"""Which exceptions say that this machine has no room for so many items at once."""

from __future__ import annotations

import errno

import pytest

from nbexec.worker import exhausted

FULL = OSError(errno.EMFILE, "Too many open files")


def wrapped(error, how):
    """Give what a client of a service raises for it."""
    try:
        try:
            raise error
        except Exception as inner:
            if how == "cause":
                raise ConnectionError("all connection attempts failed") from inner
            if how == "group":
                raise ExceptionGroup("connecting", [ValueError(), inner]) from None
            raise ConnectionError("no reply")  # noqa: B904
    except Exception as outer:
        return outer


@pytest.mark.parametrize("how", ["cause", "context", "group"])
def test_what_another_exception_was_raised_for(how):
    assert exhausted.asked(wrapped(FULL, how)).lacking == "open files"


def test_what_says_so_itself():
    assert exhausted.asked(OSError(errno.ENFILE, "File table overflow")).lacking == "open files"
    assert exhausted.asked(RuntimeError("can't start new thread")).lacking == "threads"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "no file"), RuntimeError("no thread"), KeyboardInterrupt()]
)
def test_what_says_nothing_of_it(error):
    assert exhausted.asked(error) is None


def test_exceptions_in_a_circle():
    error = ValueError()
    error.__context__ = other = KeyError()
    other.__context__ = error
    assert exhausted.asked(error) is None
