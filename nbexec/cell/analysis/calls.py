"""CallAnalysis: what is called, and into the user's own functions and classes."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...serialize import by_value, cached_functions
from . import library_facts, orders
from .abstract_values import FROZEN, SHARED, UNKNOWN, Value, join, joined, value_of
from .aliases import TooLarge, reachable
from .analysis import Analysis, Refusal, refuse
from .arguments import ANYTHING, Args
from .heap import ANY, ITEMS, KEYS
from .library_calls import CONTAINERS, LibraryCalls, listed
from .library_kinds import Array, loose
from .new_values import NewValues, site_inside
from .object_facts import defines, dotted, fields_of, immutable
from .reads import Reads
from .source import by_dataclass, generated, is_own_class, is_own_code

_CONTAINERS = (*CONTAINERS, tuple, frozenset, bytearray)
_ITERATORS = (enumerate, zip, reversed, map, filter)


class CallAnalysis:
    """Analyses calls of any value; it owns the parts for library code and attributes.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    new : NewValues
        Describes what a call makes.
    first : Value
        The first argument of the function that the calls are in, for ``super()``.
    """

    def __init__(self, analysis: Analysis, new: NewValues, first: Value) -> None:
        self.analysis = analysis
        self.new = new
        self.first = first
        self.library = LibraryCalls(analysis, new, self)
        self.reads = Reads(analysis, new, self, self.library.objects)

    # ------------------------------------------------------------ what is called

    def apply(self, node: ast.AST, callee: Value, args: Args) -> Value:
        """Look at the call of a value that is no attribute."""
        known = callee.known
        if callee.checked:
            return callee.gives or SHARED
        if callee.options:
            return joined([self.apply(node, value_of(one), args) for one in callee.options])
        if known is UNKNOWN:
            text = ast.unparse(node.func) if isinstance(node, ast.Call) else "something"
            refuse(node, f"calls `{text}`, which can't be looked into")
        if callee.path:
            self.library.hidden_state(node, [callee.path])
        match known:
            case functools.partial():
                bound = [value_of(one) for one in known.args]
                named = {name: value_of(one) for name, one in known.keywords.items()}
                more = Args(bound + args.positional, named | args.keywords, args.starred)
                return self.apply(node, value_of(known.func), more)
            case types.MethodType() if not (
                isinstance(known.__func__, types.FunctionType) or isinstance(known.__self__, type)
            ):  # of a compiled class
                return self.method(node, value_of(known.__self__), known.__name__, args)
            case types.MethodType():
                bound = [value_of(known.__self__)]
                more = replace(args, positional=bound + args.positional)
                return self.apply(node, value_of(known.__func__), more)
            case types.FunctionType():
                return self.function(node, known, args, callee.path)
            case type():
                return self.class_call(node, known, args, callee.path)
            case types.MethodDescriptorType() | types.WrapperDescriptorType():
                rest = replace(args, positional=args.positional[1:])
                base = Value(shared=True, type=known.__objclass__)
                if args.positional:
                    base = args.positional[0]
                return self.method(node, base, known.__name__, rest)
            case types.BuiltinFunctionType() | types.MethodWrapperType():
                owner = known.__self__
                if owner is not None and not isinstance(owner, types.ModuleType | type):
                    return self.method(node, value_of(owner), known.__name__, args)
                return self.builtin(node, known, args, callee.path)
        return self.callable_object(node, callee, args)

    def callable_object(self, node: ast.AST, callee: Value, args: Args) -> Value:
        kind = type(callee.known)
        compiled = kind.__name__ == "cython_function_or_method"
        if compiled and _is_method(callee.known, args):
            rest = replace(args, positional=args.positional[1:])
            return self.method(node, args.positional[0], callee.known.__name__, rest)
        if is_own_class(kind):
            return self.method(node, callee, "__call__", args)
        wrapped = inspect.getattr_static(callee.known, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType) and is_own_code(wrapped.__code__):
            if id(callee.known) in self.analysis.caches:  # what it gives is in the cache, too
                return join(SHARED, self.function(node, wrapped, args))
            refuse(node, f"calls `{wrapped.__name__}`, which keeps what it has computed")
        if kind is cached_functions.KIND and not by_value.is_importable(callee.known):
            name = getattr(wrapped, "__name__", "a function")  # a class, or a library's function
            refuse(node, f"calls `{name}`, which keeps what it has computed")
        outputs = args.positional[callee.known.nin :] if dotted(kind) == "numpy.ufunc" else []
        if any(one.shared for one in outputs):
            refuse(node, "gives a function an array to write to, from outside")
        if dotted(kind) == "numpy.vectorize":
            gives = self.called(node, value_of(fields_of(callee.known).get("pyfunc")))
            self.library.given(node, args)
            return self.new.library.fresh(node, Array, gives or SHARED)
        pure = listed([dotted(kind)], library_facts.PURE_CALLABLES) is not None
        if pure or wrapped is not None or compiled:
            return self.library.library(node, callee.known, args, callee.path)
        if not callable(callee.known):
            return SHARED  # a TypeError, when it comes to that
        return refuse(node, f"calls an object, a {dotted(kind)}, which may change it")

    def builtin(self, node: ast.AST, known: Any, args: Args, path: str) -> Value:
        """Look at the call of a built-in function."""
        if known is getattr:
            return self.getattr(node, args)
        return self.library.builtin(node, known, args, path)

    def getattr(self, node: ast.AST, args: Args) -> Value:
        name, base = args.constant(1), args.at(0) or SHARED
        if isinstance(name, str):
            found = self.reads.read(node, base, name)
        else:
            for attribute in self.analysis.attributes():
                self.reads.properties(node, base, attribute)
            found = self.analysis.heap.everything(base)
        return joined([found, *args.positional[2:]])

    # ------------------------------------------------------------ functions

    def function(
        self, node: ast.AST, function: types.FunctionType, args: Args, path: str = ""
    ) -> Value:
        """Look at the call of a Python function."""
        changes = function.__name__ in ("__init__", "__setattr__", "__delattr__")
        if changes and by_dataclass(function) and (args.starred or (args.at(0) or SHARED).shared):
            refuse(node, f"calls `{function.__qualname__}`, which changes its object")
        if is_own_code(function.__code__) and not generated(function):
            try:
                return self.analysis.enter(self.analysis, function, args)
            except Refusal as refusal:
                reason = f"calls `{function.__name__}`, which {refusal.reason}"
                raise Refusal(getattr(node, "lineno", 0), reason) from None
        if _is_method(function, args):
            rest = replace(args, positional=args.positional[1:])
            return self.method(node, args.positional[0], function.__name__, rest)
        for inner in (getattr(function, "__wrapped__", None), *_cells(function)):
            if inner is not None:
                self.library.given(node, Args([value_of(inner)], {}))
        return self.library.library(node, function, args, path)

    def callback(self, node: ast.AST, value: Value) -> Value | None:
        """Look into a function that library code is given to call; None for anything else."""
        known = value.known
        if value.checked:
            return value.gives or SHARED
        if value.options:
            given = [self.callback(node, value_of(one)) for one in value.options]
            return joined(SHARED if one is None else one for one in given)
        own = known.__func__ if isinstance(known, types.MethodType) else known
        if isinstance(own, types.FunctionType):
            is_own = is_own_code(own.__code__)
        elif isinstance(known, functools.partial):
            is_own = True
        elif isinstance(known, type):
            is_own = is_own_class(known)
        else:
            is_own = known is not UNKNOWN and callable(known) and is_own_class(type(known))
        if is_own:
            return self.apply(node, value, ANYTHING)
        for function in _inside(known):
            self.apply(node, value_of(function), ANYTHING)
        return None

    def called(self, node: ast.AST, value: Value) -> Value | None:
        """Look into what library code calls; see `callback`.

        Raises
        ------
        Refusal
            It may be any function.
        """
        gives = self.callback(node, value)
        kind = value.type
        unknown = gives is None and value.known is UNKNOWN and not value.frozen
        if unknown and (kind is None or defines(kind, "__call__")):
            refuse(node, "gives library code a function to call that isn't known before")
        return gives

    # ------------------------------------------------------------ classes

    def class_call(self, node: ast.AST, kind: type, args: Args, path: str = "") -> Value:
        """Look at the making of an instance."""
        if immutable(kind):
            if kind is str:
                self.in_order(node, args)
            return Value(type=kind if kind.__module__ == "builtins" else None)
        if kind is type:
            if len(args.positional) != 1:
                refuse(node, "makes a class")
            return SHARED
        if kind in _CONTAINERS:
            return self.container(node, kind, args)
        if kind is functools.partial and args.positional:
            more = Args(args.positional[1:], args.keywords, starred=True)
            return Value(checked=True, gives=self.apply(node, args.positional[0], more))
        if kind in _ITERATORS:
            return self.iterator(node, kind, args)
        if not is_own_class(kind):
            return self.library.library(node, kind, args, path)
        return self.own_class(node, kind, args)

    def container(self, node: ast.AST, kind: type, args: Args) -> Value:
        """Describe a built-in container made of other ones."""
        heap, values = self.analysis.heap, args.all()
        if kind not in orders.SETS:
            self.in_order(node, args)
        if not issubclass(kind, dict):
            held = [self.new.contents(one) for one in values]
            frozen = kind in (tuple, frozenset) and all(one.frozen for one in held)
            frozen = frozen and not (kind is frozenset and any(one.type for one in held))
            return Value(type=kind) if frozen else self.new.made(node, held, kind)
        made = self.new.made(node, [heap.get(one, ITEMS) for one in values], kind)
        for one in values:
            heap.put(made, KEYS, heap.get(one, KEYS))
            for part in (ITEMS, KEYS):  # pairs
                heap.put(made, part, self.new.contents(heap.get(one, ITEMS)))
        if kind is defaultdict and args.positional:
            factory = args.positional[0]
            if factory.known is not None:
                site = site_inside(node)
                heap.put(made, ITEMS, self.apply(site, factory, Args([], {})))
        return made

    def iterator(self, node: ast.AST, kind: type, args: Args) -> Value:
        """Describe ``enumerate(...)``, ``zip(...)`` and the like."""
        self.in_order(node, args)
        calls = kind in (map, filter)
        given = [
            self.called(node, one) if calls and at == 0 else self.callback(node, one)
            for at, one in enumerate(args.all())
        ]
        held = [self.new.contents(one) for one in args.all()]
        if kind is map:
            return self.new.made(node, held[1:] if given[:1] == [None] else [given[0] or SHARED])
        if kind is filter:
            return self.new.made(node, held[1:])
        if kind is enumerate and held:
            held = [FROZEN, held[0]]
        if kind in (enumerate, zip) and not args.starred:
            return self.new.made(node, [self.new.tuple_of(node, tuple(held))])
        return self.new.made(node, held)

    def in_order(self, node: ast.AST, args: Args) -> None:
        """Take in that the arguments' items are seen in their order."""
        for one in args.all():
            orders.seen(self.analysis, node, one)

    def own_class(self, node: ast.AST, kind: type, args: Args) -> Value:
        """Look at the making of an instance of a class of the user's."""
        self.analysis.involve(kind, getattr(node, "lineno", 0), shared=False)
        if is_own_class(type(kind)):
            refuse(node, f"makes a `{kind.__name__}`, which has a metaclass")
        if isinstance(vars(kind).get("_member_map_"), dict):  # an enumeration
            return replace(SHARED, type=kind)
        made = self.new.made(node, [], kind)
        makers = {"__new__", "__init__", "__post_init__"}
        for name in sorted(makers):
            method = inspect.getattr_static(kind, name, None)
            method = getattr(method, "__func__", method)
            if not isinstance(method, types.FunctionType):
                continue
            if name == "__init__":
                self.hooks(node, kind, made)
            if not is_own_code(method.__code__):
                continue
            if generated(method, kind):
                for one in getattr(kind, "__dataclass_fields__", {}).values():
                    gives = self.callback(node, value_of(one.default_factory))
                    if gives is not None:
                        self.analysis.heap.put(made, ANY, gives)
                continue
            makers.discard(name)
            if name == "__post_init__":
                args = Args([], {}, starred=bool(args.all()))
            self.function(node, method, replace(args, positional=[made, *args.positional]))
            if name == "__new__":
                made = SHARED
        if "__init__" in makers:  # not of the user's: it may keep what it is given
            self.analysis.heap.mix([made, *self.library.given(node, args)])
        return made

    def hooks(self, node: ast.AST, kind: type, made: Value) -> None:
        """Look into what the `__init__` that attrs wrote for a class calls."""
        for field in getattr(kind, "__attrs_attrs__", ()):
            given = [field.converter, field.validator, getattr(field.default, "factory", None)]
            for one in given:
                known = value_of(one)
                every = [known] if isinstance(one, type) else map(value_of, _functions(one))
                for function in every:
                    gives = self.callback(node, function)
                    if gives is not None:
                        self.analysis.heap.put(made, ANY, gives)

    # ------------------------------------------------------------ methods

    def method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value:
        """Look at a call of an attribute."""
        if name == "__hash__" and not self.analysis.hashing:
            refuse(node, f"calls `.__hash__()`, which {library_facts.STATEFUL['builtins.hash']}")
        known = base.known
        direct = isinstance(known, types.ModuleType | type)
        if direct or (known is not UNKNOWN and name in fields_of(known)):
            return self.apply(node, self.reads.attribute(node, base, name), args)
        if base.type is not None and is_own_class(base.type):
            found = inspect.getattr_static(base.type, name, None)
            if found is None:
                return self.apply(node, self.reads.attribute(node, base, name), args)
            return self.own_method(node, base, found, name, args)
        if loose(base) and self.analysis.methods_named(name):
            base = replace(base, type=None)  # it may be an object of that class
        if base.type is not None:
            return self.library.library_method(node, base, name, args)
        own = [
            self.own_method(node, base, found, name, args)
            for _, found in self.analysis.methods_named(name)
        ]
        return joined([*own, self.library.library_method(node, base, name, args)])

    def own_method(self, node: ast.AST, base: Value, found: Any, name: str, args: Args) -> Value:
        """Look at a method that a class of the user's has, which may be inherited."""
        if isinstance(found, staticmethod):
            return self.apply(node, value_of(found.__func__), args)
        if isinstance(found, classmethod):
            owner = value_of(base.type) if base.type else SHARED
            more = replace(args, positional=[owner, *args.positional])
            return self.apply(node, value_of(found.__func__), more)
        if isinstance(found, types.FunctionType) and is_own_code(found.__code__):
            if generated(found, base.type):
                return self.generated_method(node, base, name, args)
            more = replace(args, positional=[base, *args.positional])
            return self.function(node, found, more)
        if isinstance(found, types.FunctionType | types.MethodDescriptorType):
            self.library.handed_over(node, base)
            return self.library.library_method(node, base, name, args)
        if isinstance(found, types.WrapperDescriptorType) and not base.shared:
            self.analysis.heap.mix([base, *args.all()])
            return SHARED
        return refuse(node, f"calls `.{name}`, which can't be looked into")

    def generated_method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value:
        """Look at a method that `dataclasses` wrote."""
        if name in ("__init__", "__setattr__", "__delattr__"):
            if base.shared:
                refuse(node, f"calls `.{name}`, which changes its object")
            self.analysis.heap.mix([base, *args.all()])
        return SHARED

    def super_method(self, node: ast.AST, name: str, args: Args) -> Value:
        """Look at ``super().name(...)``: what any of the classes above may have."""
        base = self.first
        above = base.type.__mro__[1:] if base.type else ()
        found = [vars(kind)[name] for kind in above if name in vars(kind) and is_own_class(kind)]
        if base.type is None:
            found = [one for _, one in self.analysis.methods_named(name)]
        own = [self.own_method(node, base, one, name, args) for one in found]
        if name.startswith("__") and not base.shared:
            self.analysis.heap.mix([base, *self.library.given(node, args)])
            return SHARED
        return joined(
            [*own, self.library.library_method(node, replace(base, type=None), name, args)]
        )

    def special(self, node: ast.AST, base: Value, names: tuple[str, ...], args: Args) -> Value:
        """Look into methods of the user's that a statement may call; give what they may give."""
        return joined(
            self.own_method(node, base, method, name, args)
            for name in names
            for kind, method in self.analysis.methods_named(name)
            if base.type is None or kind in base.type.__mro__
        )


def _is_method(function: Any, args: Args) -> bool:
    """Whether a function of library code is called as a method, with its object first."""
    owner, _, name = function.__qualname__.rpartition(".")
    first = args.at(0)
    if not owner or "<" in owner or first is None or not args.positional:
        return False
    if isinstance(first.known, type) or (first.type is not None and is_own_class(first.type)):
        return False
    found: Any = sys.modules.get(function.__module__)
    for part in owner.split("."):
        found = getattr(found, part, None)
    raw = inspect.getattr_static(found, name, None) if isinstance(found, type) else None
    return raw is function


def _inside(known: Any) -> list[types.FunctionType]:
    """Give functions of the user's that an object of library code calls when it is called."""
    plain = (type, types.BuiltinFunctionType, types.FunctionType, types.ModuleType)
    if known is UNKNOWN or not callable(known) or isinstance(known, plain):
        return []
    return _functions(known)


def _functions(known: Any) -> list[types.FunctionType]:
    """Give functions of the user's that an object is, or holds."""
    try:
        found = [one for one in reachable([known]) if isinstance(one, types.FunctionType)]
    except TooLarge:
        raise Refusal(0, "gives a function that holds too much to be looked through") from None
    return [one for one in found if is_own_code(one.__code__)]


def _cells(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty
            continue
