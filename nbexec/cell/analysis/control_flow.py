"""Branches, loops, and what may end early: where execution can go."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import library_facts, source
from .accumulators import stored
from .arguments import Args
from .expressions import Expressions, merge
from .library_calls import names_of
from .values import SHARED, UNKNOWN, Env, Value, dotted, join, joined

_ENTERING = ("__enter__", "__exit__", "__aenter__", "__aexit__")


@dataclass(slots=True)
class Round:
    """Where ``continue`` and ``break`` of a loop lead."""

    again: Env | None = None
    out: Env | None = None


class Flow(Expressions):
    """The part of a scope that looks at compound statements."""

    loops: list[Round]
    bound: list[tuple[str, Value]]  # every binding so far

    def block(self, body: list[ast.stmt]) -> None:
        raise NotImplementedError

    def bind_name(self, node: ast.AST, name: str, value: Value) -> None:
        raise NotImplementedError

    def special(self, node: ast.AST, base: Value, names: tuple[str, ...], args: Args) -> Value:
        """Look into methods of the user's that a statement may call; give what they may give."""
        return joined(
            self.own_method(node, base, method, name, args)
            for name in names
            for _, method in self.analysis.methods_named(name)
        )

    def s_If(self, stmt: ast.If) -> None:
        self.expr(stmt.test)
        before = copied(self.env)
        self.block(stmt.body)
        after, self.env = self.env, before
        self.block(stmt.orelse)
        self.env = merge(after, self.env)

    def s_Match(self, stmt: ast.Match) -> None:
        subject = self.expr(stmt.subject)
        before, after = self.env, None
        for case in stmt.cases:
            self.env = copied(before)
            for name in stored([case.pattern]):
                self.bind_name(case.pattern, name, join(subject, self.contents(subject)))
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchValue):
                    self.expr(part.value)
                elif isinstance(part, ast.MatchClass):
                    self.expr(part.cls)
            if case.guard is not None:
                self.expr(case.guard)
            self.block(case.body)
            after = merge(after, self.env)
        self.env = merge(after, before)

    def s_For(self, stmt: ast.For) -> None:
        item = self.iterate(stmt.iter)
        self.repeat(stmt, lambda: self.bind(stmt.target, item), endless=False)

    def s_AsyncFor(self, stmt: Any) -> None:
        self.awaiting(stmt)
        self.s_For(stmt)

    def s_AsyncWith(self, stmt: Any) -> None:
        self.awaiting(stmt)
        self.s_With(stmt)

    def s_While(self, stmt: ast.While) -> None:
        endless = isinstance(stmt.test, ast.Constant) and bool(stmt.test.value)
        self.repeat(stmt, lambda: self.expr(stmt.test), endless)

    def repeat(self, stmt: Any, begin: Callable[[], object], endless: bool) -> None:
        """Look at a loop inside until another round adds nothing."""
        start = copied(self.env)
        while True:
            loop = Round()
            self.loops.append(loop)
            self.env = copied(start)
            begin()
            tested = copied(self.env)  # a while loop's test may bind names
            self.block(stmt.body)
            self.loops.pop()
            again = merge(merge(self.env, loop.again), start)
            if again == start:
                break
            start = again
        ended = tested if isinstance(stmt, ast.While) else start
        self.env = None if endless else ended
        self.block(stmt.orelse)
        self.env = merge(self.env, loop.out)

    def s_Break(self, stmt: ast.Break) -> None:
        if self.loops:  # else it ends the loop that is run item by item
            self.loops[-1].out = merge(self.loops[-1].out, self.env)
        self.env = None

    def s_Continue(self, stmt: ast.Continue) -> None:
        if self.loops:
            self.loops[-1].again = merge(self.loops[-1].again, self.env)
        self.env = None

    def interruptible(self) -> Callable[[], Env | None]:
        """Give a function that gives what is bound if execution ended anywhere since now."""
        before, since = copied(self.env), len(self.bound)

        def anywhere() -> Env | None:
            env = copied(before)
            for name, value in self.bound[since:]:
                if env is not None and name in env:
                    env[name] = join(env[name], value)
            return env

        return anywhere

    def s_Try(self, stmt: ast.Try) -> None:
        anywhere = self.interruptible()
        self.block(stmt.body)
        broken = anywhere()
        self.block(stmt.orelse)
        after = self.env
        for handler in stmt.handlers:
            self.env = copied(broken)
            if handler.type is not None:
                self.expr(handler.type)
            if handler.name:
                self.bind_name(handler, handler.name, SHARED)
            self.block(handler.body)
            if handler.name and self.env is not None:
                self.env.pop(handler.name, None)
            after = merge(after, self.env)
        if stmt.finalbody:
            self.env = anywhere()
            self.block(stmt.finalbody)  # on the way of an exception
        self.env = after
        self.block(stmt.finalbody)

    s_TryStar = s_Try

    def s_With(self, stmt: ast.With) -> None:
        anywhere = self.interruptible()
        swallows, shields = False, 0
        for item in stmt.items:
            if isinstance(stmt, ast.AsyncWith) and self.orders(item):
                continue
            manager = self.expr(item.context_expr)
            name = self.called(item.context_expr)
            if manager.known is not UNKNOWN or (manager.shared and not name):
                text = ast.unparse(item.context_expr)
                self.refuse(stmt, f"enters `{text}`, which may change it")
            entered = self.special(stmt, manager, _ENTERING, Args([], {}, starred=True))
            own = any(self.analysis.methods_named(one) for one in _ENTERING)
            swallows |= own or not name or name in library_facts.SUPPRESSORS
            shields += name == library_facts.CATCH_WARNINGS
            if item.optional_vars is not None:
                heap = self.analysis.heap
                inner = joined([heap.reach([manager]), entered, heap.reach([entered])])
                self.bind(item.optional_vars, inner)
        self.shielded += shields
        self.block(stmt.body)
        self.shielded -= shields
        if swallows:
            self.env = merge(self.env, anywhere())

    def orders(self, item: ast.withitem) -> bool:
        """Whether it is a lock or a semaphore, which is afterwards what it was before."""
        node = item.context_expr
        if not isinstance(node, ast.Name) or item.optional_vars is not None:
            return False
        if (self.env is not None and node.id in self.env) or node.id in self.local:
            return False
        thing = self.scope.get(node.id)
        if dotted(type(thing)) not in library_facts.ORDERING or self.captured(node.id) is not None:
            return False
        if self.scope is self.analysis.namespace:
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
            value = self.name(func)
        elif isinstance(func, ast.Attribute):
            value = self.attribute(func, self.expr(func.value), func.attr)
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


def copied(env: Env | None) -> Env | None:
    return None if env is None else dict(env)
