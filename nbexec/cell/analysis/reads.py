"""Reads: attributes and entries of objects, and the code that reading them runs."""

from __future__ import annotations

import ast
import functools
import inspect
import types
import weakref
from collections import defaultdict, namedtuple
from typing import Any

from . import library_facts, method_facts, source
from .abstract_values import FROZEN, SHARED, UNKNOWN, Value, join, value_of
from .analysis import Analysis, makes_entries, refuse
from .arguments import ANYTHING, Args, Calling
from .heap import ITEMS
from .library_objects import LibraryObjects
from .new_values import NewValues
from .object_facts import defines, dotted, fields_of, frozen, read_once

_PLAIN = (
    *(types.FunctionType, types.BuiltinFunctionType, staticmethod, classmethod, type),
    *(types.MemberDescriptorType, types.GetSetDescriptorType),
    *(types.MethodDescriptorType, types.WrapperDescriptorType),
    type(vars(namedtuple("_Pair", "x"))["x"]),
)


# What may be put into a library, or be had from it, under a name of the notebook.
_DATA = {"builtins.list", "builtins.dict", "builtins.set", "builtins.bytearray", "numpy.ndarray"}
_DATA |= {"collections.deque", "collections.Counter", "collections.defaultdict"}
_DATA |= {"pandas.DataFrame", "pandas.Series"}
_DATA |= {"pandas.core.frame.DataFrame", "pandas.core.series.Series"}
_FUNCTIONS = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial),
    *(types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType),
)


# Harmless ones: they don't lead to anything unseen, such as the globals of a function.
_PLAIN_NAMES = {"__class__", "__module__", "__qualname__", "__annotations__", "__slots__"}
_PLAIN_NAMES |= {"__file__", "__version__", "__path__", "__package__", "__spec__", "__cause__"}
_PLAIN_NAMES |= {"__context__", "__notes__", "__traceback__"}


class Reads:
    """Analyses what is read from an object.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    new : NewValues
        Describes what reading makes.
    calls : Calling
        The way into properties, and into functions that are used as values.
    objects : LibraryObjects
        Tells what attributes of objects of libraries are.
    """

    def __init__(
        self, analysis: Analysis, new: NewValues, calls: Calling, objects: LibraryObjects
    ) -> None:
        self.analysis = analysis
        self.new = new
        self.objects = objects
        self.calls: Calling = weakref.proxy(calls)  # the owner; see `Scope`

    def usable(self, node: ast.AST, value: Value, name: str) -> Value:
        """Refuse objects that any use changes; give all others as they are."""
        known = value.known
        if known is UNKNOWN or isinstance(known, type | types.ModuleType | types.FunctionType):
            return value
        if id(known) in self.analysis.draws:
            return value
        for base in type(known).__mro__:
            if dotted(base) in library_facts.STATEFUL_TYPES:
                refuse(node, f"uses `{name}`: {library_facts.STATEFUL_TYPES[dotted(base)]}")
        if read_once(type(known)):
            refuse(node, f"uses `{name}`, an iterator, which reading changes")
        return value

    def read(self, node: ast.AST, base: Value, name: str) -> Value:
        """Look at an attribute that is not called at once."""
        found = self.method_value(node, base, name)
        return self.escaping(node, self.attribute(node, base, name)) if found is None else found

    def escaping(self, node: ast.AST, value: Value) -> Value:
        """Look into a function that is used as a value: whoever gets it may call it."""
        if isinstance(value.known, _FUNCTIONS):
            self.calls.apply(node, value, ANYTHING)
        return value

    def method_value(self, node: ast.AST, base: Value, name: str) -> Value | None:
        """Look into a bound method that is used as a value; None where it is no method."""
        if isinstance(base.known, types.ModuleType | type) or (
            base.known is not UNKNOWN and name in fields_of(base.known)
        ):
            return None
        if base.type is not None:
            raw = inspect.getattr_static(base.type, name, None)
            if isinstance(raw, (*_FUNCTIONS, staticmethod, classmethod)):
                return Value(checked=True, gives=self.calls.method(node, base, name, ANYTHING))
            return None
        if base.shared and name in method_facts.CHANGING:
            refuse(node, f"uses `.{name}`, which may change what it is called on")
        for _, raw in self.analysis.methods_named(name):
            if isinstance(raw, types.FunctionType):
                self.calls.own_method(node, base, raw, name, ANYTHING)
        return None

    def attribute(self, node: ast.AST, base: Value, name: str) -> Value:
        known = base.known
        if isinstance(known, types.ModuleType):
            return self.module_attribute(node, known, name)
        if isinstance(known, type):
            return self.class_attribute(node, known, name, base.path)
        told = self.objects.attribute(base, name)
        if told is not None:
            return told
        found = self.properties(node, base, name)
        if found is not None:
            return found
        if known is not UNKNOWN and name in fields_of(known):
            return self.usable(node, value_of(fields_of(known)[name]), name)
        if name == "__dict__" and not base.frozen:
            return self.new.unknown(node, [base])
        if name.startswith("__") and name not in ("__name__", "__doc__", "__dict__"):
            if name not in _PLAIN_NAMES:
                refuse(node, f"reads `.{name}`, which may lead anywhere")
            return SHARED
        return self.of_class(node, base, name)

    def of_class(self, node: ast.AST, base: Value, name: str) -> Value:
        """Describe an attribute that may be its class's, where instances share it."""
        heap = self.analysis.heap
        if base.frozen:
            found = FROZEN
        elif any(map(self.analysis.methods_named, ("__getattr__", "__getattribute__"))):
            found = self.new.perhaps(heap.everything(base), [base])
        elif base.type is None:
            found = heap.everything(base)
        else:
            found = heap.get(base, f".{name}")
        if base.type is None:
            shared = [raw for _, raw in self.analysis.methods_named(name)]
        elif source.is_own_class(base.type):
            shared = [inspect.getattr_static(base.type, name, None)]
        else:
            shared = []
        for raw in shared:
            slot = isinstance(raw, types.MemberDescriptorType | types.GetSetDescriptorType)
            if not (slot or frozen(raw)):
                self.analysis.capture(raw, getattr(node, "lineno", 0))
                known = base.known is not UNKNOWN and type(raw) is dict
                return value_of(raw) if known else SHARED
        return found

    def module_attribute(self, node: ast.AST, module: types.ModuleType, name: str) -> Value:
        if vars(module) is self.analysis.namespace:
            return self.analysis.lookup(name, vars(module), getattr(node, "lineno", 0))
        path = f"{module.__name__}.{name}"
        if name not in vars(module) and not source.is_library_module(module.__name__):
            refuse(node, f"reads `{path}`, which isn't there")  # or is made when it is read
        try:
            thing = getattr(module, name)
        except Exception:  # raised again, where it belongs, when the cell runs
            return SHARED
        own = not source.is_library_module(module.__name__)
        if own:
            self.analysis.modules.add(module)
        if own or self._is_named(thing):
            self.analysis.capture(thing, getattr(node, "lineno", 0))
        return self.usable(node, value_of(thing, path), path)

    def _is_named(self, thing: Any) -> bool:
        """Whether data in a library have a name of the notebook, by which they may be changed."""
        named = self.analysis.namespace.values()
        return dotted(type(thing)) in _DATA and any(one is thing for one in named)

    def class_attribute(self, node: ast.AST, kind: type, name: str, path: str) -> Value:
        if source.is_own_class(type(kind)):
            refuse(node, f"uses `{kind.__name__}`, which has a metaclass")
        raw = inspect.getattr_static(kind, name, UNKNOWN)
        path = f"{path or dotted(kind)}.{name}"
        if isinstance(raw, staticmethod):
            return value_of(raw.__func__, path)
        if isinstance(raw, classmethod):
            return value_of(types.MethodType(raw.__func__, kind), path)
        if isinstance(raw, types.ClassMethodDescriptorType):
            return value_of(getattr(kind, name), path)
        if source.is_own_class(type(raw)) and defines(type(raw), "__get__"):
            refuse(node, f"reads `{kind.__name__}.{name}`, which can't be looked into")
        if raw is UNKNOWN:
            return SHARED
        self.analysis.capture(raw, getattr(node, "lineno", 0))
        return self.usable(node, value_of(raw, path), name)

    def properties(self, node: ast.AST, base: Value, name: str) -> Value | None:
        """Look into a property of the user's classes; None where there is none."""
        if base.type is not None:
            raw = inspect.getattr_static(base.type, name, None)
            found = [raw] if source.is_own_class(base.type) else []
        else:
            found = [raw for _, raw in self.analysis.methods_named(name)]
        result: Value | None = None
        for raw in found:
            getter = getattr(raw, "fget", None)
            if isinstance(raw, functools.cached_property):
                getter = raw.func
                if base.shared:
                    refuse(node, f"reads `.{name}`, which is kept once it is computed")
            elif raw is not None and not isinstance(raw, property) and _descriptor(raw):
                refuse(node, f"reads `.{name}`, which can't be looked into")
            if isinstance(getter, types.FunctionType):
                value = self.calls.function(node, getter, Args([base], {}))
                result = value if result is None else join(result, value)
        if result is not None and base.type is None:
            result = join(result, self.analysis.heap.everything(base))
        return result

    def known_entry(self, base: Value, key: Value) -> Value | None:
        """Describe an entry of a dict or a tuple, where both it and the key are known."""
        memos = self.analysis.memos
        if memos is not None and memos.has(base.known):
            return None  # the loop stores entries in it
        if type(base.known) is dict and key.known is not UNKNOWN and frozen(key.known):
            return value_of(base.known[key.known]) if key.known in base.known else SHARED
        if type(base.known) is list and type(key.known) is int:
            items = base.known
            return value_of(items[key.known]) if -len(items) <= key.known < len(items) else FROZEN
        if base.parts is not None and type(key.known) is int and -len(base.parts) <= key.known:
            return base.parts[key.known] if key.known < len(base.parts) else FROZEN
        return None

    def entry(self, base: Value, key: Value) -> Value:
        """Describe what an entry may be."""
        memos = self.analysis.memos
        if memos is not None and memos.has(base.known):
            return memos.entry(base.known)
        told = self.new.library.part(base, key)
        if told is not None:
            return told
        heap = self.analysis.heap
        if base.type is None or base.shared or base.frozen:
            found = heap.items(base)
        else:
            found = heap.get(base, ITEMS)
        return self.new.perhaps(found, [base])

    def makes_entry(self, base: Value) -> bool:
        """Whether looking up an entry of something from outside may make one."""
        if base.known is not UNKNOWN:
            return makes_entries(base.known)
        return self.analysis.entries and (base.type is None or issubclass(base.type, defaultdict))


def _descriptor(raw: Any) -> bool:
    """Whether reading an attribute calls something that can't be looked into."""
    return defines(type(raw), "__get__") and not isinstance(raw, _PLAIN)
