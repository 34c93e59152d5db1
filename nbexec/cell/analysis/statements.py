"""Scope: one function, or a loop's body, interpreted statement by statement.

Names are followed in the order of execution, along every branch.  That shows where each
value may come from, and whether a name is bound in this very iteration.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from . import orders, source
from .abstract_values import FROZEN, SHARED, Env, Value, join, value_of
from .analysis import Analysis, refuse
from .arguments import Args
from .bindings import declared, parameters, stored
from .calls import CallAnalysis
from .control_flow import Flow
from .expressions import Expressions, loosened
from .heap import ITEMS, KEYS
from .names import Names
from .new_values import NewValues
from .object_facts import defines


@dataclass(slots=True)
class _Result:
    """What a function returns and yields: None where it never does."""

    returned: Value | None = None
    yields: Value | None = None


_STORING = {ast.Subscript: ("__setitem__", "__delitem__"), ast.Attribute: ("__setattr__",)}
_IN_PLACE = (
    *("__iadd__", "__isub__", "__imul__", "__imatmul__", "__itruediv__", "__ifloordiv__"),
    *("__imod__", "__ipow__", "__iand__", "__ior__", "__ixor__", "__ilshift__", "__irshift__"),
)


def _nothing(name: str) -> Value | None:
    return None


class Scope:
    """One function, or the body of the loop itself: it owns the parts that look at its code.

    Parts refer to their owner weakly.  A cycle would keep objects of the notebook, which
    values refer to, until the next garbage collection.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    scope : dict
        The globals.
    local : set of str
        Names that it binds anywhere.
    env : dict
        Names that are bound at its beginning.
    captured : callable
        Describes a name of the functions around; gives None for any other.
    first : Value
        The first argument, for ``super()``.
    """

    def __init__(
        self,
        analysis: Analysis,
        scope: dict[str, Any],
        local: set[str],
        env: Env,
        captured: Callable[[str], Value | None] = _nothing,
        first: Value = SHARED,
    ) -> None:
        self.analysis = analysis
        self.names = Names(scope, local, env, captured)
        self.new = NewValues(analysis)
        self.calls = CallAnalysis(analysis, self.new, first)
        self.expressions = Expressions(self.names, self.calls, self)
        self.flow = Flow(self.names, self.expressions, self)
        self.result = _Result()

    def expr(self, node: ast.AST) -> Value:
        """Look at an expression; describe its value."""
        return self.expressions.expr(node)

    def iterate(self, node: ast.expr) -> Value:
        """Look at what an iteration takes its items from, and describe an item."""
        return self.expressions.iterate(node)

    def returned(self) -> Value:
        """Describe what the function returns."""
        found = self.result.returned
        if self.names.env is not None or found is None:
            return FROZEN if found is None else join(found, FROZEN)
        return found

    def block(self, body: list[ast.stmt]) -> None:
        for stmt in body:
            if self.names.env is None:
                return
            self.statement(stmt)

    def statement(self, stmt: ast.stmt) -> None:
        name = f"s_{type(stmt).__name__}"
        look = getattr(self, name, None) or getattr(self.flow, name, None)
        if look is None:
            refuse(stmt, f"has `{type(stmt).__name__.lower()}`, which isn't understood")
        look(stmt)

    # ------------------------------------------------------------ binding

    def bind(self, target: ast.AST, value: Value) -> None:
        """Take in that something is assigned."""
        match target:
            case ast.Name(name):
                self.bind_name(target, name, value)
            case ast.Starred(inner):
                self.bind(inner, self.new.made(target, [value], list))
            case ast.Tuple(parts) | ast.List(parts):
                starred = any(isinstance(part, ast.Starred) for part in parts)
                known = value.parts if value.parts and not starred else None
                if known is None or len(known) != len(parts):
                    orders.seen(self.analysis, target, value)
                    known = (self.new.contents(value),) * len(parts)
                for part, one in zip(parts, known, strict=True):
                    self.bind(part, one)
            case ast.Subscript(base, key):
                into = self.expr(base)
                self.analysis.heap.put(into, KEYS, self.expr(key))
                self.store(target, into, value)
            case ast.Attribute(base, _):
                self.store(target, self.expr(base), value)

    def bind_name(self, node: ast.AST, name: str, value: Value) -> None:
        if name not in self.names.local:
            refuse(node, f"changes the global `{name}`")
        if name in self.names.volatile:
            value = SHARED
        if value.key is not None:
            value = replace(value, key=None)
        if self.names.env is not None:
            self.names.env[name] = value
        self.names.bound.append((name, value))

    def store(self, target: Any, into: Value, value: Value) -> None:
        """Take in that something is stored in an object."""
        known = isinstance(into.known, type | types.ModuleType)
        if isinstance(target, ast.Subscript) and self.analysis.keeps(target, into, value):
            return
        if known or (into.shared and not self.changes_own(target)):
            refuse(target, f"changes `{ast.unparse(target.value)}` in place")
        if into.type is None or source.is_own_class(into.type):
            self.calls.special(target, into, _STORING[type(target)], Args([SHARED, value], {}))
            if isinstance(target, ast.Attribute):
                self.setter(target, into, value)
        field = ITEMS if isinstance(target, ast.Subscript) else f".{target.attr}"
        self.analysis.heap.put(into, field, value)

    def changes_own(self, target: Any) -> bool:
        """Whether what is stored into is the iteration's own, although it was there before."""
        return False

    def adds_to_own(self, target: Any) -> bool:
        """Whether what is added to is the iteration's own, and can't be changed itself."""
        return False

    def setter(self, node: ast.Attribute, base: Value, value: Value) -> None:
        for _, raw in self.analysis.methods_named(node.attr):
            if isinstance(getattr(raw, "fset", None), types.FunctionType):
                self.calls.function(node, raw.fset, Args([base, value], {}))
            elif defines(type(raw), "__set__") and not isinstance(raw, types.MemberDescriptorType):
                refuse(node, f"stores `.{node.attr}`, which can't be looked into")

    def s_Assign(self, stmt: ast.Assign) -> None:
        value = self.expr(stmt.value)
        for target in stmt.targets:
            self.bind(target, value)

    def s_AnnAssign(self, stmt: ast.AnnAssign) -> None:
        if stmt.value is not None:
            self.bind(stmt.target, self.expr(stmt.value))

    def s_AugAssign(self, stmt: ast.AugAssign) -> None:
        target = stmt.target
        before = self.expr(_loaded(target))
        if self.adds_to_own(target):
            before = FROZEN
        value = self.expr(stmt.value)
        if isinstance(target, ast.Subscript | ast.Attribute):
            self.store(target, self.expr(target.value), FROZEN)
        if before.shared:
            text = ast.unparse(stmt)
            refuse(stmt, f"does `{text}`, which may change something from outside in place")
        result = self.new.computed(stmt, [before, value])
        if not before.frozen:
            result = join(result, self.in_place(stmt, before, value))
        if isinstance(target, ast.Name):
            self.bind(target, result)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            self.store(target, self.expr(target.value), result)

    def in_place(self, stmt: ast.AugAssign, before: Value, value: Value) -> Value:
        heap = self.analysis.heap
        if before.type is list:
            orders.seen(self.analysis, stmt, value)
        if before.type in (list, set):
            heap.put(before, ITEMS, self.new.contents(value))
        elif not value.frozen:
            heap.mix([before, value])
        return join(before, self.calls.special(stmt, before, _IN_PLACE, Args([value], {})))

    def s_Delete(self, stmt: ast.Delete) -> None:
        for target in stmt.targets:
            if isinstance(target, ast.Name):
                if target.id not in self.names.local:
                    refuse(stmt, f"deletes the global `{target.id}`")
                if self.names.env is not None:
                    self.names.env.pop(target.id, None)
            elif isinstance(target, ast.Subscript | ast.Attribute):
                self.store(target, self.expr(target.value), FROZEN)

    def s_Import(self, stmt: ast.Import) -> None:
        for alias in stmt.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            self.bind_name(stmt, alias.asname or name, self.module(stmt, name))

    def s_ImportFrom(self, stmt: ast.ImportFrom) -> None:
        module = self.module(stmt, stmt.module or "") if not stmt.level else SHARED
        for alias in stmt.names:
            found = SHARED
            if isinstance(module.known, types.ModuleType):
                found = self.calls.reads.module_attribute(stmt, module.known, alias.name)
            self.bind_name(stmt, alias.asname or alias.name, found)

    def module(self, stmt: ast.AST, name: str) -> Value:
        found = sys.modules.get(name)
        if found is None:
            refuse(stmt, f"imports `{name}`, which isn't imported yet")
        return value_of(found)

    # ------------------------------------------------------------ one after the other

    def s_Expr(self, stmt: ast.Expr) -> None:
        self.expr(stmt.value)

    def s_Pass(self, stmt: ast.Pass) -> None:
        pass

    def s_Assert(self, stmt: ast.Assert) -> None:
        self.expr(stmt.test)
        if stmt.msg is not None:
            self.expressions.maybe(stmt.msg)

    def s_Raise(self, stmt: ast.Raise) -> None:
        for part in (stmt.exc, stmt.cause):
            if part is not None:
                value = self.expr(part)
                if isinstance(value.known, type):
                    self.calls.class_call(stmt, value.known, Args([], {}))
        self.names.env = None

    def s_Return(self, stmt: ast.Return) -> None:
        value = self.expr(stmt.value) if stmt.value is not None else FROZEN
        before = self.result.returned
        self.result.returned = value if before is None else join(before, value)
        self.names.env = None

    def yielded(self, value: Value) -> None:
        before = self.result.yields
        self.result.yields = value if before is None else join(before, value)

    def unbound(self, node: ast.Name) -> Value:
        """Describe a local name that is not bound here."""
        return SHARED

    def own_entry(self, node: ast.Subscript) -> Value | None:
        """Describe an entry that only this iteration uses; None for any other."""
        return None

    def makes_entry(self, node: ast.Subscript, base: Value) -> bool:
        """Whether looking up an entry of something from outside may make one."""
        return self.calls.reads.makes_entry(base)

    def awaiting(self, node: ast.AST) -> None:
        """Take in that something is awaited here."""

    # ------------------------------------------------------------ functions inside

    def s_FunctionDef(self, stmt: Any) -> None:
        for default in (*stmt.args.defaults, *stmt.args.kw_defaults):
            if default is not None:
                self.expr(default)
        for decorator in stmt.decorator_list:
            self.expr(decorator)
        made = SHARED if stmt.decorator_list else Value(checked=True)
        self.bind_name(stmt, stmt.name, made)  # it may call itself
        gives = self.nested(stmt, stmt.body)
        self.bind_name(stmt, stmt.name, replace(made, gives=gives))

    s_AsyncFunctionDef = s_FunctionDef

    def nested(self, node: Any, body: list[ast.stmt]) -> Value:
        """Look into a function that is made here, whatever it will be called with."""
        names = parameters(node.args)
        outer = [name for part in body for name in declared(part, ast.Nonlocal)]
        for name in outer:
            if name in self.names.local:
                self.names.volatile.add(name)
                self.bind_name(node, name, SHARED)
        others = {name for part in body for name in declared(part, ast.Global)}
        inner = (set(names) | set(stored(body))) - others

        def captured(name: str) -> Value | None:
            if self.names.env is not None and name in self.names.env:
                value = self.names.env[name]
                return value if value.checked else loosened(value)
            if name in self.names.local:
                return self.unbound(ast.Name(name, lineno=node.lineno))
            return self.names.captured(name)

        env = dict.fromkeys(names, SHARED)
        scope = Scope(self.analysis, self.names.globals, inner | set(outer), env, captured)
        scope.block(body)
        return scope.returned()

    def s_Nonlocal(self, stmt: ast.Nonlocal) -> None:
        pass  # handled where the function was made

    def s_Global(self, stmt: ast.Global) -> None:
        pass  # binding a name that isn't local is refused


def _loaded(target: Any) -> ast.expr:
    """Give the expression that reads a target: the same one each time, as sites must be."""
    if not hasattr(target, "_nbexec_loaded"):
        fields = {name: getattr(target, name) for name in target._fields if name != "ctx"}
        target._nbexec_loaded = ast.copy_location(type(target)(**fields, ctx=ast.Load()), target)
    loaded: ast.expr = target._nbexec_loaded
    return loaded
