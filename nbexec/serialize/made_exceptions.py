"""Pickling of exceptions: as what they are, not as a call of their class.

Python's own way is ``type(error)(*error.args)``.  It raises, or makes another exception, where
the class has an ``__init__`` that takes something else than its message.  Here the exception
is made without calling it, and given its arguments and attributes.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import types
from collections.abc import Mapping
from typing import Any

from .trial import is_sendable, is_small

NEWOBJ: Any = vars(copyreg)["__newobj__"]  # pickle takes it for the object's own class alone
# What is tried in turn: whether what an exception came from is left out, and what can't be pickled.
WAYS = ((False, False), (False, True), (True, True))
_HEAP = 1 << 9  # the flag of classes that were made by a `class` statement, or like one
_MEMBERS = (types.MemberDescriptorType, types.GetSetDescriptorType)
# Members that `__new__` sets, from the arguments.
_FROM_ARGUMENTS = ("args", "message", "exceptions")
_AS_PYTHON_DOES = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__new__")


def reduced(
    error: BaseException,
    kind: type[BaseException],
    pickler: Any,
    lossy: bool = False,
    left_out: tuple[str, ...] = (),
) -> Any:
    """Give the reduction of an exception; NotImplemented where pickle's own is right.

    Parameters
    ----------
    error : BaseException
        The exception.
    kind : type
        Its class.
    pickler : type
        The class of the pickler that is at work.
    lossy : bool
        Whether what can't be pickled is left out.
    left_out : tuple of str
        Attributes that are then left out, too, without a note.

    Examples
    --------
    >>> import pickle
    >>> class HttpError(Exception):
    ...     def __init__(self, response):
    ...         super().__init__(f"status {response['status']}")
    >>> make, arguments, state = reduced(HttpError({"status": 503}), HttpError, pickle.Pickler)
    >>> make(*arguments)
    HttpError('status 503')
    """
    if lossy:
        return _reduced_to_sendable(error, kind, pickler, left_out)
    found = _reduced(error, kind, pickler)
    registered = copyreg.dispatch_table.get(kind)
    if found is NotImplemented and getattr(registered, "__module__", "").startswith("tblib."):
        # Dask has tblib register a way that loses the arguments of a UnicodeDecodeError.
        return error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    return found


def _reduced(error: BaseException, kind: type[BaseException], pickler: Any) -> Any:
    base = _built_in(kind)
    if any(getattr(kind, name) is not getattr(base, name) for name in _AS_PYTHON_DOES):
        return NotImplemented  # the class says itself how it is pickled
    state = _state(error, kind, base, pickler)
    if not _own_init(kind) and state.keys() <= getattr(error, "__dict__", {}).keys():
        return NotImplemented
    arguments = (kind, *error.args)
    if kind.__setattr__ is not BaseException.__setattr__:
        return NEWOBJ, arguments, state, None, None, set_state
    return NEWOBJ, arguments, state or None


def _reduced_to_sendable(
    error: BaseException, kind: type[BaseException], pickler: Any, without: tuple[str, ...]
) -> Any:
    """Give the reduction of an exception that can't be pickled as it is.

    Arguments that can't be become their text, and attributes that are not are left
    out; a note on the exception names them.
    """
    base = _built_in(kind)
    left_out: list[str] = []
    arguments = []
    for value in error.args:
        if _of_exceptions(value) or is_sendable(value, pickler):
            arguments.append(value)
        elif (plain := _plain(value)) is not value and is_sendable(plain, pickler):
            arguments.append(plain)
        else:
            arguments.append(_text(value))
            left_out.append(f"an argument, {_sort(value)}, whose text is here")
    state: dict[str, Any] = {}
    for name, value in _state(error, kind, base, pickler).items():
        if name in without:
            continue
        if name == "args" or _of_exceptions(value) or is_sendable(value, pickler):
            state[name] = value
        elif (plain := _plain(value)) is not value and is_sendable(plain, pickler):
            state[name] = plain
        else:
            left_out.append(f"attribute `{name}`, {_sort(value)}")
    if "args" in state:
        state["args"] = tuple(arguments)
    if left_out:
        said = "left out, since it can't be pickled: " + "; ".join(left_out)
        state["__notes__"] = [*state.get("__notes__", ()), said]
    return made, (kind, base, *arguments), state, None, None, set_state


def _plain(value: Any) -> Any:
    """Give what says the same and may be sendable: the headers of a reply as a dict."""
    if isinstance(value, Mapping) and type(value) is not dict:
        return dict(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [_plain(part) for part in value]
        if any(part is not before for part, before in zip(parts, value, strict=True)):
            return tuple.__new__(type(value), parts)
    return value


def alike(copy: BaseException, error: BaseException) -> bool:
    """Whether a copy of an exception is of its class, and says what it says."""
    return type(copy) is type(error) and str(copy) == str(error)


def made(kind: type[BaseException], base: type[BaseException], *arguments: Any) -> BaseException:
    """Make an exception of `kind` as its `base` does, without calling `__init__`."""
    return base.__new__(kind, *arguments)


def set_state(error: BaseException, state: dict[str, Any]) -> None:
    """Set the attributes of an exception whose class has a say in that."""
    own = getattr(error, "__dict__", None)
    for name, value in state.items():
        if own is None or hasattr(type(error), name):  # a slot, or what Python keeps elsewhere
            object.__setattr__(error, name, value)
        else:
            own[name] = value


def _built_in(kind: type[BaseException]) -> type[BaseException]:
    """Give the nearest class that is Python's own, or an extension module's."""
    return next(one for one in kind.__mro__ if not one.__flags__ & _HEAP)


@functools.cache
def _members(base: Any) -> tuple[str, ...]:
    """Give the names of what a built-in exception keeps beside its attributes."""
    found = {
        name: None
        for one in base.__mro__
        for name, what in vars(one).items()
        if isinstance(what, _MEMBERS) and name[:2] != "__" and name not in _FROM_ARGUMENTS
    }
    # An OSError with an `__init__` of its own takes nothing from the arguments, not even them.
    return (*found, "args") if issubclass(base, OSError) else (*found,)


def _own_init(kind: type[BaseException]) -> bool:
    """Whether a class has an `__init__` that is written in Python."""
    return not isinstance(kind.__init__, types.WrapperDescriptorType)


def _state(
    error: BaseException, kind: type[BaseException], base: Any, pickler: Any
) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if _own_init(kind) or issubclass(base, AttributeError | NameError):
        for name in _members(base):
            value = getattr(error, name, None)
            if value is not None and (name != "obj" or is_small(value, pickler)):
                state[name] = value
    for name in copyreg._slotnames(kind):  # type: ignore[attr-defined]  # as pickle does
        if hasattr(error, name):
            state[name] = getattr(error, name)
    return {**state, **getattr(error, "__dict__", {})}


def _of_exceptions(value: Any) -> bool:
    """Whether a value is an exception, or several, each of which is reduced by itself."""
    if isinstance(value, list | tuple):
        return all(isinstance(one, BaseException) for one in value)
    return isinstance(value, BaseException)


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)


def _sort(value: Any) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace(" builtins.", " ")
