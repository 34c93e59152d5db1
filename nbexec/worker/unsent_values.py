"""What modules hold and can't be sent: a lock, a connection, an open file.

A worker has its own, from its import of the module.  Where that can't be what the kernel has,
whoever uses it there gets an error that names it.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

from ..errors import PickleError
from ..serialize import live_modules
from ..system.bytecode import assigned
from ..system.user_code import is_library_module

DEPTH = 4  # of containers in containers

_assigned: dict[str, tuple[Any, frozenset[str] | None]] = {}  # by module


class Keep:
    """Stands in a value for a part that can't be sent: it is what it is there."""

    def __reduce__(self) -> str:
        return "KEEP"


KEEP = Keep()


def is_sendable(value: Any) -> bool:
    """Whether a value can be pickled.

    Examples
    --------
    >>> import threading
    >>> is_sendable([1, 2]), is_sendable([threading.Lock()])
    (True, False)
    """
    try:
        with io.BytesIO() as file:
            live_modules.pickler()(file, protocol=5, buffer_callback=lambda one: None).dump(value)
    except Exception:
        return False
    return True


def sendable_part(value: Any, made: dict[int, tuple[Any, Any]], depth: int = DEPTH) -> Any:
    """Give a copy of a value, with `KEEP` for what can't be sent.

    Of what is in `made`, by its id, there is one already: one object stays one.

    Examples
    --------
    >>> import threading
    >>> part = sendable_part({"rate": 2, "lock": threading.Lock()}, {})
    >>> part["rate"], part["lock"] is KEEP
    (2, True)
    """
    if id(value) in made:
        return made[id(value)][1]
    part = _part(value, made, depth)
    made[id(value)] = value, part
    return part


def _part(value: Any, made: dict[int, tuple[Any, Any]], depth: int) -> Any:
    kind = type(value)
    if is_sendable(value):
        return value
    if not depth:
        return KEEP
    if kind is dict:
        return {key: sendable_part(one, made, depth - 1) for key, one in value.items()}
    if kind is list or kind is tuple:
        return kind(sendable_part(one, made, depth - 1) for one in value)
    own = getattr(value, "__dict__", None)
    if type(own) is not dict or not _is_simple(kind):
        return KEEP
    with contextlib.suppress(Exception):
        copy = object.__new__(kind)
        parts = {key: sendable_part(one, made, depth - 1) for key, one in own.items()}
        vars(copy).update(parts)
        return copy if is_sendable(copy) else KEEP
    return KEEP


def _is_simple(kind: type) -> bool:
    """Whether an object of a class can be made without its `__init__`, and dropped again."""
    own = all(not is_library_module(one.__module__) for one in kind.__mro__[:-1])
    taken = ("__del__", "__getattr__", "__getattribute__", "__reduce__", "__reduce_ex__")
    return own and not any(name in vars(one) for one in kind.__mro__[:-1] for name in taken)


def is_assigned(module: str, path: str) -> bool:
    """Whether a module's own code assigns the first name of a path; True where nobody knows."""
    there = sys.modules.get(module)
    spec = getattr(there, "__spec__", None)
    known = _assigned.get(module)
    if known is None or known[0] is not spec:
        names = None
        with contextlib.suppress(Exception):
            code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
            names = assigned(code)
        known = _assigned[module] = spec, names
    return known[1] is None or path.partition(".")[0] in known[1]


class NotSent:
    """Stands in a module for what the kernel has there: it can't be used."""

    def __init__(self, where: str, kind: str) -> None:
        object.__setattr__(self, "_why", f"{where}, a {kind} that was set after the import")

    def _refuse(self, *given: Any, **named: Any) -> Any:
        raise PickleError(
            f"{object.__getattribute__(self, '_why')}, can't be sent to a worker. "
            "Make it inside the function or in setup=, or use backend='threads'."
        )

    __call__ = __iter__ = __len__ = __bool__ = __enter__ = __exit__ = _refuse
    __getitem__ = __setitem__ = __contains__ = __str__ = __setattr__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _refuse
    __int__ = __float__ = __index__ = __next__ = __await__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name[:2] == "__":  # Python itself asks
            raise AttributeError(name)
        return self._refuse()
