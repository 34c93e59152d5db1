"""Field errors: what a validation has against each field of a row."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..model import Failure
from .validators import is_validation_error

_PATH = re.compile(r"^(?P<said>.*) - at `(?P<key>key in )?\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")


class FieldError(NamedTuple):
    """What is wrong with one field of a row."""

    row: int  # its position in the input, from 0
    field: str  # a path of names and positions, "address.zip" or "tags.0"; "" for the whole row
    error: str
    input: Any  # what stood there


def field_errors(failure: Failure) -> list[FieldError]:
    """Give what is wrong with each field; of an error that names none, one about the whole row.

    Parameters
    ----------
    failure : Failure
        A row that failed, with the exception of pydantic, of msgspec, or any other.

    Returns
    -------
    list of FieldError
        In the order in which the model says so; never empty.

    Examples
    --------
    >>> field_errors(Failure(3, {"age": "old"}, TypeError("age must be a number")))[0].error
    'TypeError: age must be a number'
    """
    error, index = failure.exception, failure.index
    if is_validation_error(error):
        if hasattr(error, "errors"):
            found = error.errors(include_url=False, include_context=False)
            return [
                FieldError(index, ".".join(map(str, one["loc"])), one["msg"], one["input"])
                for one in found
            ]
        return [_of_msgspec(failure, str(error))]
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return [FieldError(index, "", said, failure.item)]


def _of_msgspec(failure: Failure, said: str) -> FieldError:
    """Give its one error: the path is in its text, and the input is found by that."""
    match = _PATH.match(said)
    if match is None:
        return FieldError(failure.index, "", said, failure.item)
    steps = [name or number for name, number in _STEP.findall(match["path"])]
    known = "".join(one.group() for one in _STEP.finditer(match["path"])) == match["path"]
    value = failure.item
    for step in steps if known and not match["key"] and all(steps) else ("",):
        try:
            value = value[int(step)] if isinstance(value, list | tuple) else value[step]
        except (LookupError, TypeError, ValueError):  # JSON, an object, or "each of a dict's"
            value = failure.item
            break
    return FieldError(failure.index, ".".join(one or "..." for one in steps), match["said"], value)
