"""Flow: branches, loops, and blocks that may end early: the paths of execution."""

from __future__ import annotations

import ast
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import library_facts, source
from .abstract_values import SHARED, UNKNOWN, Env, join, joined
from .analysis import refuse
from .arguments import Args
from .bindings import stored
from .expressions import Enclosing, Expressions
from .library_calls import names_of
from .names import Names, copied, merge
from .object_facts import dotted

_ENTERING = ("__enter__", "__exit__", "__aenter__", "__aexit__")


@dataclass(slots=True)
class Round:
    """Where ``continue`` and ``break`` of a loop lead."""

    again: Env | None = None
    out: Env | None = None


class Flow:
    """Analyses compound statements: each branch, and loops until nothing is added.

    Parameters
    ----------
    names : Names
        The names of the scope, and their values at the current statement.
    expressions : Expressions
        Analyses tests, items and context managers.
    around : Enclosing
        The scope that the statements are in.
    """

    def __init__(self, names: Names, expressions: Expressions, around: Enclosing) -> None:
        self.names = names
        self.expressions = expressions
        self.calls = expressions.calls
        self.new = expressions.new
        self.analysis = expressions.analysis
        self.around: Enclosing = weakref.proxy(around)  # the owner; see `Scope`
        self.loops: list[Round] = []

    def s_If(self, stmt: ast.If) -> None:
        self.expressions.expr(stmt.test)
        before = copied(self.names.env)
        self.around.block(stmt.body)
        after, self.names.env = self.names.env, before
        self.around.block(stmt.orelse)
        self.names.env = merge(after, self.names.env)

    def s_Match(self, stmt: ast.Match) -> None:
        subject = self.expressions.expr(stmt.subject)
        before, after = self.names.env, None
        parts = join(subject, self.new.contents(subject))
        for case in stmt.cases:
            self.names.env = copied(before)
            for name in stored([case.pattern]):
                self.around.bind_name(case.pattern, name, parts)
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchValue):
                    self.expressions.expr(part.value)
                elif isinstance(part, ast.MatchClass):
                    self.expressions.expr(part.cls)
            if case.guard is not None:
                self.expressions.expr(case.guard)
            self.around.block(case.body)
            after = merge(after, self.names.env)
        self.names.env = merge(after, before)

    def s_For(self, stmt: ast.For) -> None:
        item = self.expressions.iterate(stmt.iter)
        self.repeat(stmt, lambda: self.around.bind(stmt.target, item), endless=False)

    def s_AsyncFor(self, stmt: Any) -> None:
        self.around.awaiting(stmt)
        self.s_For(stmt)

    def s_AsyncWith(self, stmt: Any) -> None:
        self.around.awaiting(stmt)
        self.s_With(stmt)

    def s_While(self, stmt: ast.While) -> None:
        endless = isinstance(stmt.test, ast.Constant) and bool(stmt.test.value)
        self.repeat(stmt, lambda: self.expressions.expr(stmt.test), endless)

    def repeat(self, stmt: Any, begin: Callable[[], object], endless: bool) -> None:
        """Look at a loop inside until another round adds nothing."""
        start = copied(self.names.env)
        while True:
            loop = Round()
            self.loops.append(loop)
            self.names.env = copied(start)
            begin()
            tested = copied(self.names.env)  # a while loop's test may bind names
            self.around.block(stmt.body)
            self.loops.pop()
            again = merge(merge(self.names.env, loop.again), start)
            if again == start:
                break
            start = again
        ended = tested if isinstance(stmt, ast.While) else start
        self.names.env = None if endless else ended
        self.around.block(stmt.orelse)
        self.names.env = merge(self.names.env, loop.out)

    def s_Break(self, stmt: ast.Break) -> None:
        if self.loops:  # else it ends the loop that is run item by item
            self.loops[-1].out = merge(self.loops[-1].out, self.names.env)
        self.names.env = None

    def s_Continue(self, stmt: ast.Continue) -> None:
        if self.loops:
            self.loops[-1].again = merge(self.loops[-1].again, self.names.env)
        self.names.env = None

    def interruptible(self) -> Callable[[], Env | None]:
        """Give a function that gives the names bound if execution ends anywhere from now on."""
        before, since = copied(self.names.env), len(self.names.bound)

        def anywhere() -> Env | None:
            env = copied(before)
            for name, value in self.names.bound[since:]:
                if env is not None and name in env:
                    env[name] = join(env[name], value)
            return env

        return anywhere

    def s_Try(self, stmt: ast.Try) -> None:
        anywhere = self.interruptible()
        self.around.block(stmt.body)
        broken = anywhere()
        self.around.block(stmt.orelse)
        after = self.names.env
        for handler in stmt.handlers:
            self.names.env = copied(broken)
            if handler.type is not None:
                self.expressions.expr(handler.type)
            if handler.name:
                self.around.bind_name(handler, handler.name, SHARED)
            self.around.block(handler.body)
            if handler.name and self.names.env is not None:
                self.names.env.pop(handler.name, None)
            after = merge(after, self.names.env)
        if stmt.finalbody:
            self.names.env = anywhere()
            self.around.block(stmt.finalbody)  # as an exception passes
        self.names.env = after
        self.around.block(stmt.finalbody)

    s_TryStar = s_Try

    def s_With(self, stmt: ast.With) -> None:
        anywhere = self.interruptible()
        swallows, shields = False, 0
        for item in stmt.items:
            if isinstance(stmt, ast.AsyncWith) and self.orders(item):
                continue
            manager = self.expressions.expr(item.context_expr)
            name = self.called(item.context_expr)
            if manager.known is not UNKNOWN or (manager.shared and not name):
                text = ast.unparse(item.context_expr)
                refuse(stmt, f"enters `{text}`, which may change it")
            entered = self.calls.special(stmt, manager, _ENTERING, Args([], {}, starred=True))
            own = any(self.analysis.methods_named(one) for one in _ENTERING)
            swallows |= own or not name or name in library_facts.SUPPRESSORS
            shields += name == library_facts.CATCH_WARNINGS
            if item.optional_vars is not None:
                heap = self.analysis.heap
                inner = joined([heap.reach([manager]), entered, heap.reach([entered])])
                self.around.bind(item.optional_vars, inner)
        self.calls.library.shielded += shields
        self.around.block(stmt.body)
        self.calls.library.shielded -= shields
        if swallows:
            self.names.env = merge(self.names.env, anywhere())

    def orders(self, item: ast.withitem) -> bool:
        """Whether it is a lock or a semaphore, which is unchanged after the block."""
        node = item.context_expr
        if not isinstance(node, ast.Name) or item.optional_vars is not None:
            return False
        if (
            self.names.env is not None and node.id in self.names.env
        ) or node.id in self.names.local:
            return False
        thing = self.names.globals.get(node.id)
        if (
            dotted(type(thing)) not in library_facts.ORDERING
            or self.names.captured(node.id) is not None
        ):
            return False
        if self.names.globals is self.analysis.namespace:
            if node.id in self.analysis.changed | self.analysis.unknown:
                return False
            self.analysis.reads.setdefault(node.id, node.lineno)
        return True

    def called(self, node: ast.expr) -> str:
        """Name the library function or class that an expression calls; "" for another."""
        if not isinstance(node, ast.Call):
            return ""
        func = node.func
        if isinstance(func, ast.Name):
            value = self.expressions.name(func)
        elif isinstance(func, ast.Attribute):
            value = self.calls.reads.attribute(func, self.expressions.expr(func.value), func.attr)
        else:
            return ""
        known = value.known
        if known is UNKNOWN:
            return "a method" if isinstance(func, ast.Attribute) else ""
        if source.is_own_class(type(known)):
            return ""
        code = getattr(getattr(known, "__wrapped__", known), "__code__", None)
        if code is not None and source.is_own_code(code):
            return ""
        if isinstance(known, type) and source.is_own_class(known):
            return ""
        return names_of(known, value.path)[-1]
