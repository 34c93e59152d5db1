"""recognise(): whether a call is one of those whose calls of the user's function are known."""

from __future__ import annotations

import sys
import types
from typing import Any

from ..analysis.source import is_own_code
from . import numpy_calls, pandas_calls
from .call import CallbackCall


def recognise(
    name: str, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> CallbackCall | None:
    """Give what is known of a call; None where nothing is.

    Parameters
    ----------
    name : str
        The name under which it is called: an attribute, or "" for none.
    callee : object
        What is called.
    args, kwargs : tuple and dict
        Its arguments.
    """
    owner = getattr(callee, "__self__", None)
    try:
        if isinstance(callee, types.MethodType):
            if "pandas" in sys.modules and _by_library(callee.__func__):
                return pandas_calls.recognise(name, callee, owner, args, kwargs)
            return None
        return numpy_calls.recognise(callee, args, kwargs) if "numpy" in sys.modules else None
    except Exception:  # the call itself says what is wrong with it
        return None


def _by_library(function: Any) -> bool:
    """Whether a method is the library's, not one that the user has put in its place."""
    return isinstance(function, types.FunctionType) and not is_own_code(function.__code__)
