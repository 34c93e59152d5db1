"""What to say of a function that can't be pickled: which of its values is to blame."""

from __future__ import annotations

import traceback as traceback_module
from collections.abc import Callable
from types import CellType
from typing import Any

from ..errors import PickleError
from .cloud_pickler import Sent
from .pickling import dumps_apart


def explain(fn: Callable[..., Any], error: BaseException) -> PickleError:
    """Give an error that names which captured value of `fn` can't be pickled."""
    name = getattr(fn, "__qualname__", repr(fn))
    culprit = _culprit(fn)
    what = f"{culprit} in {name}()" if culprit else f"{name}()"
    failure = PickleError(
        f"{what} can't be sent to another process: {_first_line(error)}. "
        "Make it inside the function or in setup=, or use backend='threads'."
    )
    failure.__cause__ = error
    return failure


def _culprit(fn: Callable[..., Any]) -> str:
    import inspect

    plain = inspect.unwrap(getattr(fn, "func", fn))  # functools.partial has .func
    code = getattr(plain, "__code__", None)
    if code is None:
        return ""
    cells: tuple[CellType, ...] = plain.__closure__ or ()
    captured = dict(zip(code.co_freevars, (_content(cell) for cell in cells), strict=True))
    names = inspect.getclosurevars(plain).globals if cells is not None else {}
    for name, value in {**captured, **names}.items():
        try:
            dumps_apart(value, Sent("trial"))
        except Exception:
            return f"{name!r} ({type(value).__module__}.{type(value).__qualname__})"
    return ""


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _first_line(error: BaseException) -> str:
    lines = traceback_module.format_exception_only(error)
    return lines[-1].strip().splitlines()[0] if lines else type(error).__name__
