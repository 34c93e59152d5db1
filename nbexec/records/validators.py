"""Validators: the method of a model that validates a row, without the Python around it.

``Model.model_validate`` and the methods of a ``TypeAdapter`` check their options and call a
validator in Rust.  A worker calls that one, row by row: it is the same validation with the same
errors, each validator of the user's is called once a row, in order, and a row takes as long as
in a list that ``TypeAdapter(list[Model])`` validates as one: the records-list benchmark.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any

_METHODS = {
    **{"model_validate": "validate_python", "model_validate_json": "validate_json"},
    **{"validate_python": "validate_python", "validate_json": "validate_json"},
}
_OPTIONS = {"strict", "context", "from_attributes", "extra"}  # that go on as they are


def direct(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give what `fn` of one row comes down to, where it is a method of pydantic; else `fn`.

    Examples
    --------
    >>> direct(len)
    <built-in function len>
    """
    if "pydantic" not in sys.modules:
        return fn
    if type(fn) is functools.partial:
        if fn.args or not _OPTIONS.issuperset(fn.keywords):
            return fn
        method = _method(fn.func)
        return fn if method is None else functools.partial(method, **fn.keywords)
    return _method(fn) or fn


def _method(fn: Any) -> Callable[..., Any] | None:
    """Give the method of a validator in Rust that a bound method calls; None for any other."""
    if type(fn) is not types.MethodType or fn.__name__ not in _METHODS:
        return None
    import pydantic
    from pydantic_core import SchemaValidator

    owner: Any = fn.__self__
    of_class = isinstance(owner, type)
    within = owner if of_class else type(owner)
    kind = pydantic.BaseModel if of_class else pydantic.TypeAdapter
    inherited = vars(kind).get(fn.__name__) if issubclass(within, kind) else None
    method, own = getattr(inherited, "__func__", inherited), fn.__func__
    # That of a class method is sent by value: a worker has a copy.
    if own is not method and getattr(own, "__code__", own) != getattr(method, "__code__", None):
        return None  # somebody's own
    validator = getattr(owner, "__pydantic_validator__" if of_class else "validator", None)
    if type(validator) is not SchemaValidator:  # it is still to be built, or plugins see calls
        return None
    found: Callable[..., Any] = getattr(validator, _METHODS[fn.__name__])
    return found


def model_of(fn: Any) -> str:
    """Give the name of the model that a bound method is of, or of the class; "" for others.

    Examples
    --------
    >>> model_of(dict.fromkeys), model_of(len)
    ('builtins.dict', '')
    """
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}"
    found = _method(fn) if "pydantic" in sys.modules else None
    return "" if found is None else str(found.__self__.title)  # type: ignore[attr-defined]


def is_validation_error(error: BaseException) -> bool:
    """Whether a model raised it about a row: its text says all, and its frames are no one's.

    Examples
    --------
    >>> is_validation_error(ValueError("no model's"))
    False
    """
    kind = type(error)
    return kind.__name__ == "ValidationError" and kind.__module__.partition(".")[0] in (
        "pydantic_core",
        "msgspec",
    )
