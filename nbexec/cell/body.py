"""Whether a loop may run item by item at once: what `Loop` does, seen from outside it."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

from . import aliases, sites
from .analysis import Analysis, Refusal
from .loops import Comprehension, Loop, named_handlers
from .scope import Scope
from .values import Value

_REFUSED: dict[type[ast.AST], str] = {
    ast.AnnAssign: "annotates a name",
    ast.AsyncFor: "awaits",
    ast.AsyncFunctionDef: "defines a function",
    ast.AsyncWith: "awaits",
    ast.ClassDef: "defines a class",
    ast.Delete: "deletes",
    ast.FunctionDef: "defines a function",
    ast.Global: "declares a name global",
    ast.Return: "returns",
}


class Body(Scope):
    """The body of the loop: its names are the notebook's."""

    def statement(self, stmt: ast.stmt) -> None:
        if stmt in self.analysis.sites:
            self.effect(stmt)
        elif type(stmt) in _REFUSED:
            self.refuse(stmt, _REFUSED[type(stmt)])
        else:
            super().statement(stmt)

    def effect(self, stmt: Any) -> None:
        """Look at what is accumulated or printed; doing so is not the iteration's affair."""
        match stmt:
            case ast.Expr(ast.Call() as call):
                values = self.arguments(call).all()
                kept = self.analysis.sites[stmt].kind in ("append", "add")
                if kept and isinstance(call.args[0], ast.GeneratorExp):
                    self.refuse(stmt, "keeps a generator that was made in the loop")
            case ast.Assign([ast.Subscript(_, key)], what):
                values = [self.expr(what), self.expr(key)]
            case ast.AugAssign(ast.Subscript(_, key), _, what):
                values = [self.expr(key), self.expr(what)]
            case _:
                values = [self.expr(stmt.value)]
        for one in values:
            self.keep(stmt, one)

    def keep(self, node: ast.AST, value: Value) -> None:
        if value.checked:
            self.refuse(node, "keeps a function that was made in the loop")

    def bind_name(self, node: ast.AST, name: str, value: Value) -> None:
        self.keep(node, value)
        super().bind_name(node, name, value)

    def unbound(self, node: ast.Name) -> Value:
        self.refuse(
            node,
            f"reads `{node.id}` before it is assigned in the same iteration: "
            "it would carry a value from one to the next",
        )

    def e_Await(self, node: ast.Await) -> Value:
        return self.refuse(node, "awaits")

    def yielded(self, value: Value) -> None:
        raise Refusal(0, "yields")

    def s_ImportFrom(self, stmt: ast.ImportFrom) -> None:
        if any(alias.name == "*" for alias in stmt.names):
            self.refuse(stmt, "imports every name of a module")
        super().s_ImportFrom(stmt)


def examine(
    loop: Loop,
    namespace: dict[str, Any],
    item: Value,
    roots: list[Any],
    lazy: bool,
    sample: list[Any] | None = None,
) -> Analysis:
    """See whether the items can be run at once.

    Parameters
    ----------
    loop : Loop
        What is to be run.
    namespace : dict
        The notebook's names, as they are when it begins.
    item : Value
        What is known of every item.
    roots : list
        Objects from which the items can be reached, what is iterated over among them.
    lazy : bool
        Whether the items are made while the loop runs.
    sample : list or None
        Items that are there already.

    Returns
    -------
    Analysis
        What it reads, and what is special about it.

    Raises
    ------
    Refusal
        They can't, or it can't be shown: the line and the reason.
    """
    changed = loop.accumulators | loop.bound | loop.targets
    analysis = Analysis(namespace, changed if isinstance(loop.node, ast.For) else (), loop.sites)
    if isinstance(loop.node, ast.For):
        _names(loop, namespace)
    elements = _elements(loop.node)
    if not item.frozen:
        analysis.involve_all([*roots, *(sample or ())], loop.line)
        if lazy:
            analysis.involve_every(loop.line)
    analysis.run(lambda: _look(analysis, loop, elements, item, lazy))
    aliased(analysis, loop, namespace, roots)
    return analysis


def _elements(node: ast.AST) -> list[ast.expr]:
    """Give what a comprehension evaluates for an item, its inner loops included."""
    if not isinstance(node, Comprehension):
        return []
    elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    for element in elements:
        if isinstance(element, ast.GeneratorExp):
            raise Refusal(element.lineno, "keeps a generator that was made in the loop")
        if isinstance(element, ast.Lambda):
            raise Refusal(element.lineno, "keeps a function that was made in the loop")
    others = node.generators[1:]
    if not others:
        return elements
    return [ast.copy_location(ast.ListComp(element, others), node) for element in elements]


def _look(
    analysis: Analysis, loop: Loop, elements: list[ast.expr], item: Value, lazy: bool
) -> None:
    node, namespace = loop.node, analysis.namespace
    local = set(loop.bound | loop.targets)
    if lazy:
        scope = Body(analysis, namespace, set(), {})
        scope.iterate(loop.iter)
    scope = Body(analysis, namespace, local, {})
    scope.bind(loop.target, item)
    if isinstance(node, ast.For):
        scope.block(node.body)
        return
    for condition in node.generators[0].ifs:
        scope.expr(condition)
    for element in elements:
        scope.keep(element, scope.expr(element))
    if loop.consumer is not None:
        for one in (*loop.consumer.args[1:], *(k.value for k in loop.consumer.keywords)):
            scope.callback(one, scope.expr(one))


def _names(loop: Loop, namespace: dict[str, Any]) -> None:
    """Refuse names that ``except ... as name`` would delete."""
    assert isinstance(loop.node, ast.For)
    handlers = list(named_handlers(loop.node.body))
    counts = Counter(sites.stored(loop.node.body))
    counts.subtract(str(handler.name) for handler in handlers)
    used = {name for name, count in counts.items() if count > 0}
    used |= {*namespace, *loop.targets}
    for handler in (one for one in handlers if one.name in used):
        raise Refusal(
            handler.lineno, f"`except ... as {handler.name}` would delete `{handler.name}`"
        )


def aliased(analysis: Analysis, loop: Loop, namespace: dict[str, Any], items: list[Any]) -> None:
    """Refuse accumulators that the body can reach by another way."""
    lines: dict[str, int] = {}
    for stmt, site in loop.sites.items():
        if site.kind not in ("print", "augment"):
            lines.setdefault(site.name, stmt.lineno)
    shared = [name for name in lines if not aliases.only_name(namespace, name)]
    for name in shared:
        thing = namespace[name]
        for other in lines:
            if other != name and namespace[other] is thing:
                raise Refusal(lines[name], f"`{name}` and `{other}` are the same object")
        roots = {read: [namespace[read]] for read in analysis.reads if read in namespace}
        roots.setdefault(ast.unparse(loop.iter), []).extend(items)
        roots["what it calls"] = list(analysis.captured.values())
        for text, root in roots.items():
            try:
                found = any(one is thing for one in aliases.reachable(root))
            except aliases.TooLarge:
                reason = f"`{name}` may be part of `{text}`, which is too large to look through"
                raise Refusal(lines[name], reason) from None
            if found:
                raise Refusal(lines[name], f"`{name}` can also be reached through `{text}`")
