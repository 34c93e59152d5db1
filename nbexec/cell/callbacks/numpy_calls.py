"""Functions of NumPy that call a function for each element, or along an axis."""

from __future__ import annotations

import sys
from typing import Any

from .call import CallbackCall, is_own


def recognise(callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallbackCall | None:
    """Give what is known of the call of a function of NumPy; None where nothing is.

    Parameters
    ----------
    callee : callable
        The function.
    args, kwargs : tuple and dict
        Its arguments.
    """
    numpy = sys.modules["numpy"]
    if callee is numpy.apply_along_axis:
        return _along_axis(callee, args, kwargs)
    if type(callee) is numpy.vectorize:
        return _vectorized(callee, args, kwargs)
    return None


def _along_axis(callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallbackCall | None:
    if len(args) < 3 or not is_own(args[0]) or type(args[2]) is not sys.modules["numpy"].ndarray:
        return None
    axis, array = args[1], args[2]
    count = array.size // max(1, array.shape[axis])
    what = "`numpy.apply_along_axis`"
    return CallbackCall(callee, args, kwargs, 0, what, count, array, made=True, reused=True)


def _vectorized(callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallbackCall | None:
    function = callee.pyfunc
    plain = not (kwargs or callee.excluded or callee.signature is not None or callee.cache)
    if not args or not plain or not is_own(function):
        return None
    numpy = sys.modules["numpy"]
    arrays = [numpy.asarray(one) for one in args]
    count = numpy.broadcast(*arrays).size + (callee.otypes is None)

    def vectorized(function: Any, *args: Any) -> Any:
        made = numpy.vectorize(function, otypes=callee.otypes, doc=callee.__doc__)
        return made(*args)

    what, given = "`numpy.vectorize`", (function, *args)
    return CallbackCall(vectorized, given, {}, 0, what, count, arrays, varying=len(args))
