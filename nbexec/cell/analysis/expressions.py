"""Expressions: the values of expressions, and the effects of evaluating them."""

from __future__ import annotations

import ast
import types
import weakref
from dataclasses import replace
from typing import Any, Protocol

from . import orders, own_reads
from .abstract_values import FROZEN, SHARED, UNKNOWN, Value, join, joined, value_of
from .analysis import refuse
from .arguments import Args
from .calls import CallAnalysis
from .heap import ITEMS, KEYS
from .library_kinds import is_kind
from .names import Names, merge
from .object_facts import is_plain
from .source import is_own_class, is_own_code

_KINDS: dict[type, type] = {ast.ListComp: list, ast.SetComp: set}


class Enclosing(Protocol):
    """The scope that expressions and compound statements are in, as these see it."""

    def block(self, body: list[ast.stmt]) -> None:
        """Look at statements one after the other."""

    def bind(self, target: ast.AST, value: Value) -> None:
        """Take in that something is assigned."""

    def bind_name(self, node: ast.AST, name: str, value: Value) -> None:
        """Take in that a name is bound."""

    def nested(self, node: Any, body: list[ast.stmt]) -> Value:
        """Look into a function that is made here; give what it returns."""

    def unbound(self, node: ast.Name) -> Value:
        """Describe a local name that is not bound here."""

    def own_entry(self, node: ast.Subscript) -> Value | None:
        """Describe an entry that only this iteration uses; None for any other."""

    def makes_entry(self, node: ast.Subscript, base: Value) -> bool:
        """Whether looking up an entry of something from outside may make one."""

    def awaiting(self, node: ast.AST) -> None:
        """Take in that something is awaited here."""

    def yielded(self, value: Value) -> None:
        """Take in that the function yields a value."""


class Expressions:
    """Analyses expressions, node by node.

    Parameters
    ----------
    names : Names
        The names of the scope, which an expression reads and may bind.
    calls : CallAnalysis
        Analyses calls, and reads from objects.
    around : Enclosing
        The scope that the expressions are in.
    """

    def __init__(self, names: Names, calls: CallAnalysis, around: Enclosing) -> None:
        self.names = names
        self.calls = calls
        self.reads = calls.reads
        self.new = calls.new
        self.analysis = calls.analysis
        self.around: Enclosing = weakref.proxy(around)  # the owner; see `Scope`

    def expr(self, node: ast.AST) -> Value:
        """Look at an expression; describe its value."""
        look = getattr(self, f"e_{type(node).__name__}", None)
        if look is None:
            refuse(node, f"has a {type(node).__name__}, which isn't understood")
        value: Value = look(node)
        if self.analysis.memos is not None:
            self.analysis.memos.look(node, value)
        return value

    # ------------------------------------------------------------ names, attributes and items

    def e_Name(self, node: ast.Name) -> Value:
        return self.reads.escaping(node, self.name(node))

    def name(self, node: ast.Name) -> Value:
        """Look up a name, wherever it is used."""
        name = node.id
        if self.names.env is not None and name in self.names.env:
            value = self.names.env[name]  # what it holds, or what is made of it, is no key
            return value if value.key is None else replace(value, key=None)
        if name in self.names.local:
            return self.around.unbound(node)
        found = self.names.captured(name)
        if found is None:
            found = self.analysis.lookup(name, self.names.globals, node.lineno)
        return self.reads.usable(node, found, name)

    def e_Attribute(self, node: ast.Attribute) -> Value:
        return self.reads.read(node, self.expr(node.value), node.attr)

    def e_Subscript(self, node: ast.Subscript) -> Value:
        own = self.around.own_entry(node)
        if own is None:
            own = self.own_read(node.value, node.slice)
        if own is not None:
            return own
        base = self.expr(node.value)
        key = self.expr(node.slice)
        if isinstance(base.known, type):  # list[int], or a member of an enumeration
            return SHARED if is_own_class(base.known) else FROZEN
        if base.shared and self.around.makes_entry(node, base):
            refuse(node, "looks up an entry of a `defaultdict`, which may make one")
        found = self.reads.known_entry(base, key)
        if found is not None:
            return found
        found = self.reads.entry(base, key)
        if not isinstance(node.slice, ast.Slice) or base.frozen or is_kind(found):
            return found
        if base.type in (list, tuple):
            return self.new.made(node, [found], base.type)
        return join(replace(base, type=None, known=UNKNOWN), found)  # an array's is a view

    def own_read(self, container: ast.expr, key: ast.expr, perhaps: bool = False) -> Value | None:
        """Describe an entry of a global at the item's own key; None for any other."""
        env, own = self.names.env, self.analysis.own_reads
        if own is None or not env or not isinstance(container, ast.Name):
            return None
        name = container.id
        tuple_of = isinstance(key, ast.Tuple) and bool(key.elts)
        of_row = tuple_of and is_plain(self.names.globals.get(name))
        first = key.elts[0] if isinstance(key, ast.Tuple) and of_row else key
        found = own_reads.key_of(first, env)
        if found is None or name in env or name in self.names.local or self.names.captured(name):
            return None
        if not self.analysis.steady(name, self.names.globals):
            return None
        if id(self.names.globals[name]) in self.analysis.captured:
            return None
        read = own.read(container, self.names.globals[name], found, perhaps)
        if read is None:
            return None
        place = self.expr(key)
        self.analysis.take_in_entries(read, container.lineno)
        if of_row:
            return self.reads.entry(value_of(read.container), place)
        return own_reads.described(read)

    def e_Slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.expr(part)
        return Value(type=slice)

    # ------------------------------------------------------------ calls

    def e_Call(self, node: ast.Call) -> Value:
        """Look at a call."""
        func = node.func
        if isinstance(func, ast.Attribute) and _is_super(func.value):
            return self.calls.super_method(node, func.attr, self.arguments(node))
        if isinstance(func, ast.Attribute):
            got = self.own_get(node)
            if got is not None:
                return got
            base = self.expr(func.value)
            args = self.arguments(node)
            if func.attr == "setdefault" and self.analysis.keeps(func, base, args.at(1) or SHARED):
                return joined([self.reads.entry(base, args.at(0) or SHARED), *args.positional[1:]])
            return self.calls.method(node, base, func.attr, args)
        callee = self.name(func) if isinstance(func, ast.Name) else self.expr(func)
        if self.analysis.memos is not None:
            self.analysis.memos.look(func, callee)
        in_order = bool(node.keywords) or not any(callee.known is one for one in orders.ANY_ORDER)
        args = self.arguments(node, in_order)
        if self.analysis.own_reads is not None and _is_own(callee.known):
            args = self.with_keys(node, args)
        return self.calls.apply(node, callee, args)

    def own_get(self, node: ast.Call) -> Value | None:
        """Describe what ``big.get(key)`` gives, for the item's own key; None for any other."""
        match node:
            case ast.Call(ast.Attribute(ast.Name() as base, "get"), [key, *given], []) if len(
                given
            ) < 2 and not any(isinstance(one, ast.Starred) for one in node.args):
                if type(self.names.globals.get(base.id)) is dict:
                    found = self.own_read(base, key, perhaps=True)
                    if found is not None:
                        default = self.expr(given[0]) if given else value_of(None)
                        return join(found, default)
        return None

    def with_keys(self, node: ast.Call, args: Args) -> Args:
        """Say of the arguments of a function of the user's which are keys of the item."""
        env = self.names.env or {}
        if args.starred or not env:
            return args
        positional = [
            replace(value, key=own_reads.key_of(one, env))
            for one, value in zip(node.args, args.positional, strict=True)
        ]
        keywords = {
            str(one.arg): replace(args.keywords[str(one.arg)], key=own_reads.key_of(one.value, env))
            for one in node.keywords
        }
        return Args(positional, keywords)

    def arguments(self, node: ast.Call, in_order: bool = True) -> Args:
        args = Args([], {})
        for one in node.args:
            if isinstance(one, ast.Starred):
                orders.seen(self.analysis, one, self.expr(one.value))
                args.starred = True
            elif isinstance(one, ast.GeneratorExp):
                args.positional.append(self.comprehension(one, in_order))  # consumed at once
            else:
                args.positional.append(self.expr(one))
        for keyword in node.keywords:
            value = self.expr(keyword.value)
            if keyword.arg is None:
                args.starred = True
            else:
                args.keywords[keyword.arg] = value
        return args

    # ------------------------------------------------------------ new values

    def e_Constant(self, node: ast.Constant) -> Value:
        return value_of(node.value)

    def e_JoinedStr(self, node: ast.JoinedStr) -> Value:
        for part in node.values:
            self.expr(part)
        return Value(type=str)

    def e_FormattedValue(self, node: ast.FormattedValue) -> Value:
        orders.seen(self.analysis, node, self.expr(node.value))
        if node.format_spec is not None:
            self.expr(node.format_spec)
        return FROZEN

    def e_List(self, node: ast.List) -> Value:
        return self.new.made(node, [self.expr(one) for one in node.elts], list)

    def e_Set(self, node: ast.Set) -> Value:
        return self.new.made(node, [self.expr(one) for one in node.elts], set)

    def e_Tuple(self, node: ast.Tuple) -> Value:
        parts = tuple(self.expr(one) for one in node.elts)
        if any(isinstance(one, ast.Starred) for one in node.elts):
            return self.new.made(node, list(parts), tuple)
        if all(part.frozen for part in parts):
            return Value(type=tuple, parts=parts)
        return replace(self.new.made(node, list(parts), tuple), parts=parts)

    def e_Dict(self, node: ast.Dict) -> Value:
        heap = self.analysis.heap
        made = self.new.made(node, [], dict)
        for key, one in zip(node.keys, node.values, strict=True):
            given = self.expr(key) if key is not None else None
            value = self.expr(one)
            if given is None:  # **value
                heap.put(made, KEYS, heap.get(value, KEYS))
                value = heap.get(value, ITEMS)
            else:
                heap.put(made, KEYS, given)
            heap.put(made, ITEMS, value)
        return made

    def e_Starred(self, node: ast.Starred) -> Value:
        value = self.expr(node.value)
        orders.seen(self.analysis, node, value)
        return self.new.contents(value)

    def e_BinOp(self, node: ast.BinOp) -> Value:
        left, right = self.expr(node.left), self.expr(node.right)
        if isinstance(node.op, ast.Mod) and left.type is str:
            orders.seen(self.analysis, node, right)
        return self.new.computed(node, [left, right])

    def e_UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.expr(node.operand)
        return FROZEN if isinstance(node.op, ast.Not) else self.new.computed(node, [value])

    def e_Compare(self, node: ast.Compare) -> Value:
        match node:
            case ast.Compare(key, [ast.In() | ast.NotIn()], [ast.Name(base) as container]):
                plain = type(self.names.globals.get(base)) is dict
                if plain and self.own_read(container, key, perhaps=True) is not None:
                    return FROZEN
        values = [self.expr(one) for one in (node.left, *node.comparators)]
        if all(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in node.ops):
            return FROZEN
        if all(one.frozen for one in values):
            return FROZEN
        kind = self.new.library.computed(values)
        return self.new.perhaps(self.new.made(node, [], kind), values)

    def e_BoolOp(self, node: ast.BoolOp) -> Value:
        first, *rest = node.values
        result = self.expr(first)
        for one in rest:
            result = join(result, self.maybe(one))
        return result

    def e_IfExp(self, node: ast.IfExp) -> Value:
        self.expr(node.test)
        return join(self.maybe(node.body), self.maybe(node.orelse))

    def maybe(self, node: ast.expr) -> Value:
        """Look at an expression that may not be evaluated: its bindings are not certain."""
        before = dict(self.names.env or {})
        value = self.expr(node)
        self.names.env = merge(self.names.env, before)
        return value

    def e_NamedExpr(self, node: ast.NamedExpr) -> Value:
        value = self.expr(node.value)
        self.around.bind(node.target, value)
        return value

    # ------------------------------------------------------------ scopes inside

    def comprehension(self, node: Any, in_order: bool = True) -> Value:
        """Look at a comprehension, or at a generator expression that is consumed at once.

        `in_order` says whether it makes a difference in which order its elements come.
        """
        in_order = in_order and not isinstance(node, ast.SetComp)
        if any(generator.is_async for generator in node.generators):
            self.around.awaiting(node)
        outer = dict(self.names.env or {})
        targets = {
            part.id
            for generator in node.generators
            for part in ast.walk(generator.target)
            if isinstance(part, ast.Name)
        }
        hidden_local = targets - self.names.local
        self.names.local |= hidden_local
        for generator in node.generators:
            item = self.iterate(generator.iter, in_order)
            self.around.bind(generator.target, item)
            for condition in generator.ifs:
                self.expr(condition)
        if isinstance(node, ast.DictComp):
            key, value = self.expr(node.key), self.expr(node.value)
            made = self.new.made(node, [value], dict)
            self.analysis.heap.put(made, KEYS, key)
        else:
            made = self.new.made(node, [self.expr(node.elt)], _KINDS.get(type(node)))
        self.names.local -= hidden_local
        inner = self.names.env or {}
        after = {name: value for name, value in inner.items() if name not in targets}
        after |= {name: outer[name] for name in targets if name in outer}
        self.names.env = merge(after, outer)  # it may have had no item
        return made

    e_ListComp = e_SetComp = e_DictComp = comprehension

    def e_GeneratorExp(self, node: ast.GeneratorExp) -> Value:
        """Look at a generator expression that may be consumed later, when names have changed."""
        before = self.names.env
        self.names.env = {name: loosened(value) for name, value in (before or {}).items()}
        self.comprehension(node)
        self.names.env = before
        return SHARED

    def e_Lambda(self, node: ast.Lambda) -> Value:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.expr(default)
        gives = self.around.nested(node, [ast.Return(node.body, lineno=node.lineno)])
        return Value(checked=True, gives=gives)

    def iterate(self, node: ast.expr, in_order: bool = True) -> Value:
        """Look at an iterable, and describe an item."""
        if isinstance(node, ast.GeneratorExp):
            return self.new.contents(self.comprehension(node))
        value = self.expr(node)
        if in_order:
            orders.seen(self.analysis, node, value)
        return self.new.contents(value)

    def e_Await(self, node: ast.Await) -> Value:
        self.around.awaiting(node)
        return self.new.contents(self.expr(node.value))

    def e_Yield(self, node: ast.Yield) -> Value:
        self.around.yielded(self.expr(node.value) if node.value else FROZEN)
        return SHARED

    def e_YieldFrom(self, node: ast.YieldFrom) -> Value:
        self.around.yielded(self.iterate(node.value))
        return SHARED


def loosened(value: Value) -> Value:
    """Describe a variable that a nested function reads: it may be bound again before that runs."""
    return SHARED


def _is_own(thing: Any) -> bool:
    return isinstance(thing, types.FunctionType) and is_own_code(thing.__code__)


def _is_super(node: ast.AST) -> bool:
    """Whether this is ``super()``; if that is shadowed, nothing is lost."""
    match node:
        case ast.Call(ast.Name("super")):
            return True
    return False
