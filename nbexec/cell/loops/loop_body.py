"""Body: the statements of a loop's body, whose names are the notebook's, as they are analysed."""

from __future__ import annotations

import ast
import contextlib
from collections import defaultdict
from dataclasses import replace
from typing import Any

from ..analysis import accumulators, orders
from ..analysis.abstract_values import SHARED, Value
from ..analysis.analysis import Refusal, makes_entries, refuse
from ..analysis.statements import Scope

_REFUSED: dict[type[ast.AST], str] = {
    ast.AnnAssign: "annotates a name",
    ast.AsyncFunctionDef: "defines a function",
    ast.ClassDef: "defines a class",
    ast.Global: "declares a name global",
    ast.Return: "returns",
}


_KEEPING = {"ahead", "append", "add", "setitem", "setindex", "grow", "grow_add"}


class Body(Scope):
    """The body of the loop: its names are the notebook's."""

    storing = ""  # the accumulator whose statement is looked at
    noting = False  # whether it is noted what is computed ahead
    making = ""  # the function whose definition is looked at
    own: frozenset[str] = frozenset()  # names that may be deleted, or be a function's
    own_items: frozenset[str] = frozenset()  # names of the target whose entries may be set
    own_numbers: frozenset[tuple[str, str]] = frozenset()  # entries of them that are added to
    tables: frozenset[ast.expr] = frozenset()  # what is stored into in order, such as `df.loc`

    def statement(self, stmt: ast.stmt) -> None:
        if stmt in self.analysis.sites:
            self.effect(stmt)
        elif type(stmt) in _REFUSED:
            refuse(stmt, _REFUSED[type(stmt)])
        else:
            super().statement(stmt)

    def changes_own(self, target: Any) -> bool:
        base = target.value
        return base in self.tables or (isinstance(base, ast.Name) and base.id in self.own_items)

    def adds_to_own(self, target: Any) -> bool:
        match target:
            case ast.Subscript(ast.Name(name), ast.Constant(str(key))) | ast.Attribute(
                ast.Name(name), key
            ):
                return (name, key) in self.own_numbers
        return False

    def effect(self, stmt: Any) -> None:
        """Analyse the operands of an accumulation or a print; the effect itself goes to the log."""
        args, keywords, _ = accumulators.operands(stmt)
        site = self.analysis.sites[stmt]
        if site.kind in _KEEPING and any(isinstance(one, ast.GeneratorExp) for one in args):
            refuse(stmt, "keeps a generator that was made in the loop")
        self.storing, self.noting = site.name, site.kind == "ahead"
        if self.noting and self.names.env is not None:
            # What leads the body is given to the loop as it was before the calls that follow.
            env = self.names.env
            env.update({name: replace(env[name], shared=True) for name in env if env[name].sites})
        given = self.expressions.arguments(ast.Call(stmt, args, keywords))
        self.storing, self.noting = "", False
        for value in given.all():
            self.keep(stmt, value)
            if site.kind in ("print", "extend", "update_dict", "update_counter", "grow_many"):
                orders.seen(self.analysis, stmt, value)

    def own_entry(self, node: ast.Subscript) -> Value | None:
        match node:
            case ast.Subscript(ast.Name(name), ast.Name(key)) if (
                name == self.storing and self.analysis.places.get(name) == key
            ):
                thing = self.analysis.namespace[name]
                if makes_entries(thing):
                    refuse(node, f"looks up `{name}[{key}]`, which may make an entry")
                self.analysis.reads.setdefault(name, node.lineno)
                self.analysis.capture(self.analysis.namespace[name], node.lineno)
                return SHARED  # its own entry: no other iteration writes it
        return None

    def makes_entry(self, node: ast.Subscript, base: Value) -> bool:
        match node.slice:
            case ast.Name(key) if key in self.analysis.keys and type(base.known) is defaultdict:
                with contextlib.suppress(TypeError):
                    if all(one in base.known for one in self.analysis.keys[key]):
                        return False
        return super().makes_entry(node, base)

    def keep(self, node: ast.AST, value: Value) -> None:
        if value.checked:
            refuse(node, "keeps a function that was made in the loop")

    def s_Delete(self, stmt: ast.Delete) -> None:
        for target in stmt.targets:
            if isinstance(target, ast.Name):
                if target.id not in self.own or target.id not in (self.names.env or {}):
                    reason = "which may not be bound in the same iteration"
                    refuse(stmt, f"deletes `{target.id}`, {reason}")
            elif not isinstance(target, ast.Subscript | ast.Attribute):
                refuse(stmt, f"deletes `{ast.unparse(target)}`")
        super().s_Delete(stmt)

    def s_FunctionDef(self, stmt: Any) -> None:
        """Analyse a function of the body: it is made again in the kernel, at the end."""
        given = [*stmt.args.defaults, *stmt.args.kw_defaults]
        every = [*stmt.args.posonlyargs, *stmt.args.args, *stmt.args.kwonlyargs]
        every += [one for one in (stmt.args.vararg, stmt.args.kwarg) if one is not None]
        plain = all(one is None or isinstance(one, ast.Constant) for one in given)
        plain = plain and not stmt.decorator_list and stmt.returns is None
        plain = plain and not any(one.annotation for one in every)
        if not plain or stmt.name not in self.own:
            refuse(stmt, f"defines `{stmt.name}`, and not only by its body")
        self.making = stmt.name
        super().s_FunctionDef(stmt)
        self.making = ""

    def bind_name(self, node: ast.AST, name: str, value: Value) -> None:
        if name != self.making or not isinstance(node, ast.FunctionDef):
            self.keep(node, value)
        super().bind_name(node, name, value)

    def unbound(self, node: ast.Name) -> Value:
        if not self.noting:  # else nothing is noted if it is not bound
            refuse(
                node,
                f"reads `{node.id}` before it is assigned in the same iteration: "
                "it would carry a value from one to the next",
            )
        return SHARED

    def awaiting(self, node: ast.AST) -> None:
        if not self.analysis.awaits:
            refuse(node, "awaits")

    def yielded(self, value: Value) -> None:
        raise Refusal(0, "yields")

    def s_ImportFrom(self, stmt: ast.ImportFrom) -> None:
        if any(alias.name == "*" for alias in stmt.names):
            refuse(stmt, "imports every name of a module")
        super().s_ImportFrom(stmt)
