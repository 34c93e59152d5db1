"""Pickling of what modules hold, for the same modules in another process.

A function of a module that has no name there, such as a `lambda` in a table, is sent by
value.  Its globals are those of the module there, not copies of what they are here.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..system.user_code import is_library_module
from . import cloud_pickler

_NOT = ("__main__", "__mp_main__")
_STATE = (
    "__name__",
    "__qualname__",
    "__kwdefaults__",
    "__defaults__",
    "__module__",
    "__doc__",
    "__closure__",
)
_CACHED = functools._lru_cache_wrapper


def module_of(function: FunctionType) -> str | None:
    """Give the module whose globals a function has; None for one of the notebook.

    Examples
    --------
    >>> import textwrap
    >>> module_of(textwrap.dedent)
    'textwrap'
    """
    name = function.__globals__.get("__name__")
    if not isinstance(name, str) or name in _NOT:
        return None
    module = sys.modules.get(name)
    if not isinstance(module, ModuleType) or module.__dict__ is not function.__globals__:
        return None
    return name


def unchanged_code(function: FunctionType) -> CodeType:
    """Give a function's code, but for what stands in for it for a while."""
    return cloud_pickler.stands_for.get(function.__code__, function.__code__)


def is_defined(function: FunctionType) -> bool:
    """Whether a function is as its `def` in a module made it: no wrapper, and no `lambda`.

    Examples
    --------
    >>> import textwrap
    >>> is_defined(textwrap.dedent)
    True
    """
    code = unchanged_code(function)
    if code.co_filename[:1] == "<":  # a dataclass's
        return True
    named = function.__qualname__.rpartition(".")[2] == code.co_name
    bound = function.__closure__ and code.co_freevars != ("__class__",)
    return named and "<" not in function.__qualname__ and not bound


def cached_again(function: Any, how: dict[str, Any]) -> Any:
    """Give a function with a cache, as `functools.lru_cache` does."""
    return functools.lru_cache(**how)(function)


class GlobalsOf:
    """Stands for the globals of a module, in a pickle."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __reduce__(self) -> Any:
        return globals_of, (self._module,)


def globals_of(module: str) -> dict[str, Any]:
    """Give the globals of a module, which is imported."""
    __import__(module)
    return vars(sys.modules[module])


@functools.cache
def pickler() -> Any:
    """Give the pickler.

    Its attribute `whole` is the name of a module that is pickled as a whole, with its own
    functions and classes.
    """
    from cloudpickle import cloudpickle

    class Pickler(cloud_pickler.pickler()):  # type: ignore[misc]  # cloudpickle has no types
        whole = ""

        def reducer_override(self, thing: Any) -> Any:
            if type(thing) is FunctionType:
                name = module_of(thing)
                if name and (name == self.whole or not _is_there(thing, name)):
                    return self._live(thing, name)
                if self.whole and _has_name(thing, self.whole):  # a dataclass's `__eq__`
                    return self._dynamic_function_reduce(thing)
                if name:  # also where another pickler is to send it by value
                    return NotImplemented
            elif type(thing) is _CACHED and self.whole and thing.__module__ == self.whole:
                return cached_again, (thing.__wrapped__, thing.cache_parameters())
            elif isinstance(thing, type) and self.whole and thing.__module__ == self.whole:
                return cloudpickle._dynamic_class_reduce(thing)
            elif isinstance(thing, type) and thing.__module__ != "__main__" and _has_name(thing):
                return NotImplemented
            elif type(thing) is ModuleType and sys.modules.get(thing.__name__) is thing:
                return cloudpickle.subimport, (thing.__name__,)
            return super().reducer_override(thing)

        def _live(self, thing: FunctionType, name: str) -> Any:
            code = unchanged_code(thing)
            sent = thing if code is thing.__code__ else cloud_pickler.with_code(thing, code)
            code, _, *others = self._function_getnewargs(sent)
            slots = {one: getattr(thing, one) for one in _STATE}
            slots.update(__globals__={}, _cloudpickle_submodules=[])
            with contextlib.suppress(NameError):  # of what is only there for a type checker
                slots["__annotations__"] = thing.__annotations__
            state = {**vars(thing)}, slots
            make, done = cloudpickle._make_function, cloudpickle._function_setstate
            return make, (code, GlobalsOf(name), *others), state, None, None, done

    def _is_there(thing: FunctionType, module: str) -> bool:
        return _has_name(thing) and (is_defined(thing) or is_library_module(module))

    def _has_name(thing: Any, module: str = "") -> bool:
        found = cloudpickle._lookup_module_and_qualname(thing)
        return found is not None and (not module or found[0] is sys.modules.get(module))

    return Pickler
