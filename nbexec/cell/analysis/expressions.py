"""What expressions give, and what evaluating them does."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from .analysis import Refusal
from .heap import ITEMS, KEYS
from .reads import Reading
from .values import FROZEN, SHARED, Env, Value, join, value_of

_KINDS: dict[type, type] = {ast.ListComp: list, ast.SetComp: set}


class Expressions(Reading):
    """The part of a scope that looks at expressions."""

    # ------------------------------------------------------------ new values

    def e_Constant(self, node: ast.Constant) -> Value:
        return value_of(node.value)

    def e_JoinedStr(self, node: ast.JoinedStr) -> Value:
        for part in node.values:
            self.expr(part)
        return Value(type=str)

    def e_FormattedValue(self, node: ast.FormattedValue) -> Value:
        self.expr(node.value)
        if node.format_spec is not None:
            self.expr(node.format_spec)
        return FROZEN

    def e_List(self, node: ast.List) -> Value:
        return self.made(node, [self.expr(one) for one in node.elts], list)

    def e_Set(self, node: ast.Set) -> Value:
        return self.made(node, [self.expr(one) for one in node.elts], set)

    def e_Tuple(self, node: ast.Tuple) -> Value:
        parts = tuple(self.expr(one) for one in node.elts)
        if any(isinstance(one, ast.Starred) for one in node.elts):
            return self.made(node, list(parts), tuple)
        if all(part.frozen for part in parts):
            return Value(type=tuple, parts=parts)
        return replace(self.made(node, list(parts), tuple), parts=parts)

    def e_Dict(self, node: ast.Dict) -> Value:
        heap = self.analysis.heap
        made = self.made(node, [], dict)
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
        return self.contents(self.expr(node.value))

    def e_BinOp(self, node: ast.BinOp) -> Value:
        return self.computed(node, [self.expr(node.left), self.expr(node.right)])

    def e_UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.expr(node.operand)
        return FROZEN if isinstance(node.op, ast.Not) else self.computed(node, [value])

    def e_Compare(self, node: ast.Compare) -> Value:
        values = [self.expr(one) for one in (node.left, *node.comparators)]
        if all(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in node.ops):
            return FROZEN
        if all(one.frozen for one in values):
            return FROZEN
        return self.perhaps(self.made(node, []), values)

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
        """Look at what may or may not be evaluated: what it binds is not surely bound."""
        before = dict(self.env or {})
        value = self.expr(node)
        self.env = merge(self.env, before)
        return value

    def e_NamedExpr(self, node: ast.NamedExpr) -> Value:
        value = self.expr(node.value)
        self.bind(node.target, value)
        return value

    def bind(self, target: ast.AST, value: Value) -> None:
        raise NotImplementedError

    def e_Call(self, node: ast.Call) -> Value:
        return self.call(node)

    # ------------------------------------------------------------ scopes inside

    def comprehension(self, node: Any) -> Value:
        """Look at a comprehension, or at a generator expression that is consumed at once."""
        if any(generator.is_async for generator in node.generators):
            self.awaiting(node)
        outer = dict(self.env or {})
        targets = {
            part.id
            for generator in node.generators
            for part in ast.walk(generator.target)
            if isinstance(part, ast.Name)
        }
        hidden_local = targets - self.local
        self.local |= hidden_local
        for generator in node.generators:
            item = self.iterate(generator.iter)
            self.bind(generator.target, item)
            for condition in generator.ifs:
                self.expr(condition)
        if isinstance(node, ast.DictComp):
            key, value = self.expr(node.key), self.expr(node.value)
            made = self.made(node, [value], dict)
            self.analysis.heap.put(made, KEYS, key)
        else:
            made = self.made(node, [self.expr(node.elt)], _KINDS.get(type(node)))
        self.local -= hidden_local
        inner = self.env or {}
        after = {name: value for name, value in inner.items() if name not in targets}
        after |= {name: outer[name] for name in targets if name in outer}
        self.env = merge(after, outer)  # it may have had no item
        return made

    e_ListComp = e_SetComp = e_DictComp = comprehension

    def e_GeneratorExp(self, node: ast.GeneratorExp) -> Value:
        """Look at a generator expression that may be consumed later, when names have changed."""
        before = self.env
        self.env = {name: loosened(value) for name, value in (before or {}).items()}
        self.comprehension(node)
        self.env = before
        return SHARED

    def e_Lambda(self, node: ast.Lambda) -> Value:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.expr(default)
        gives = self.nested(node, [ast.Return(node.body, lineno=node.lineno)])
        return Value(checked=True, gives=gives)

    def nested(self, node: Any, body: list[ast.stmt]) -> Value:
        raise NotImplementedError

    def iterate(self, node: ast.expr) -> Value:
        """Look at what an iteration takes its items from, and describe an item."""
        if isinstance(node, ast.GeneratorExp):
            return self.contents(self.comprehension(node))
        return self.contents(self.expr(node))

    def e_Await(self, node: ast.Await) -> Value:
        self.awaiting(node)
        return self.contents(self.expr(node.value))

    def awaiting(self, node: ast.AST) -> None:
        """Take in that something is awaited here."""

    def e_Yield(self, node: ast.Yield) -> Value:
        self.yielded(self.expr(node.value) if node.value else FROZEN)
        return SHARED

    def e_YieldFrom(self, node: ast.YieldFrom) -> Value:
        self.yielded(self.iterate(node.value))
        return SHARED

    def yielded(self, value: Value) -> None:
        raise Refusal(0, "yields")


def merge(one: Env | None, other: Env | None) -> Env | None:
    """Give what is bound after either of two ways; None is a way that doesn't come here."""
    if one is None or other is None:
        return other if one is None else one
    return {name: join(one[name], other[name]) for name in one if name in other}


def loosened(value: Value) -> Value:
    """Describe a variable that a nested function sees, which may be bound anew before it runs."""
    return SHARED
