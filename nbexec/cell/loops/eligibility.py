"""examine(): whether the items of a loop may run in parallel, or the reason why not."""

from __future__ import annotations

import ast
import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

from ..analysis import accumulators, aliases, arrays, bindings, orders
from ..analysis.abstract_values import SHARED, Value
from ..analysis.analysis import Analysis, Refusal, makes_entries, refuse
from ..analysis.functions import new_analysis
from ..analysis.memos import Memos
from ..analysis.object_facts import is_array
from ..analysis.own_reads import NotAlone, OwnReads
from ..analysis.statements import Scope
from .find import Comprehension, ItemLoop, named_handlers
from .own_entries import in_step, keys_of, own_places
from .own_items import told_of_method
from .own_keys import not_alone

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


@aliases.allowance()
def examine(
    loop: ItemLoop,
    namespace: dict[str, Any],
    item: Value,
    roots: list[Any],
    lazy: bool,
    sample: list[Any] | None = None,
    known: list[Any] | None = None,
    skipped: int = 0,
    apart: bool = True,
    ahead: bool = False,
    memos: bool = False,
    draws: dict[int, Any] | None = None,
) -> Analysis:
    """Analyse whether the items can run in parallel.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    namespace : dict
        The notebook's names, as they are when it begins.
    item : Value
        Describes every item.
    roots : list
        Objects from which the items can be reached, the iterable among them.
    lazy : bool
        Whether the items are made while the loop runs.
    sample : list or None
        Items that are known already.
    known : list or None
        All items, where they are known.
    skipped : int
        How many items have run before these.
    apart : bool
        Whether large containers may be left out of which each item reads its own entries alone.
    ahead : bool
        Whether the body runs ahead of statements of the loop: then it must not read a clock.
    memos : bool
        Whether it may store entries in dicts from outside: the analysis has them then.
    draws : dict or None
        Generators of random numbers, by id, that it may draw from: each item has its stream.

    Returns
    -------
    Analysis
        The names that it reads, and what else was found.

    Raises
    ------
    Refusal
        They can't, or it can't be shown that they can: the line and the reason.
    """
    more = skipped, ahead, memos, draws or {}
    given = _Given(loop, namespace, item, roots, lazy, sample, known, *more)
    whole: frozenset[int] = frozenset()
    while apart and known:
        keys = keys_of(loop, known)
        own = OwnReads(keys, len(known), whole) if keys else None
        try:
            analysis = _examined(given, own)
            others = not_alone(analysis, loop)
        except NotAlone as other:
            others = frozenset(other.args)
        except Refusal:
            if own is None or not own.found:
                raise
            break  # as a whole it may be another answer, or another reason
        if not others:
            return analysis
        whole |= others
    return _examined(given, None)


@dataclass(frozen=True, slots=True)
class _Given:
    """What is to be examined; see `examine`."""

    loop: ItemLoop
    namespace: dict[str, Any]
    item: Value
    roots: list[Any]
    lazy: bool
    sample: list[Any] | None
    known: list[Any] | None
    skipped: int
    ahead: bool
    memos: bool
    draws: dict[int, Any]


def _examined(given: _Given, own: OwnReads | None) -> Analysis:
    loop, namespace, known = given.loop, given.namespace, given.known
    item, roots, lazy = given.item, given.roots, given.lazy
    changed = loop.accumulators | loop.bound
    if isinstance(loop.node, ast.For):
        changed |= loop.targets
    analysis = new_analysis(namespace, changed, loop.sites, ahead=given.ahead)
    analysis.memos = Memos() if given.memos else None
    analysis.draws = given.draws
    if isinstance(loop.node, ast.For):
        handlers(loop, namespace)
        analysis.places = own_places(loop, namespace, known)
    analysis.awaits = loop.awaits
    elements = _elements(loop.node)
    analysis.rebound = _rebound(loop)
    if known is not None:
        every = keys_of(loop, known)
        analysis.keys = {one: every[one] for one in every if analysis.rebound[one] == 1}
    analysis.own_reads = own
    if not item.frozen:
        for root in roots:
            analysis.involve(type(root), loop.line, shared=True)
        analysis.involve_all(known if known is not None else given.sample or (), loop.line)
        if lazy:
            analysis.involve_every(loop.line)
    try:
        analysis.run(lambda: _look(analysis, loop, elements, item, lazy))
    except Refusal as refusal:
        raise told_of_method(refusal, loop) from None
    aliased(analysis, loop, namespace, roots, known, given.skipped)
    return analysis


def _rebound(loop: ItemLoop) -> Counter[str]:
    """Count where each name is bound: in the target, the body, and scopes inside it."""
    found: Counter[str] = Counter()
    for part in ast.walk(loop.node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found[part.id] += 1
        elif isinstance(part, ast.arg):
            found[part.arg] += 1
    return found


def _elements(node: ast.AST) -> list[ast.expr]:
    """Give the expressions that a comprehension evaluates for an item, inner loops included."""
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
    analysis: Analysis, loop: ItemLoop, elements: list[ast.expr], item: Value, lazy: bool
) -> None:
    node, namespace = loop.node, analysis.namespace
    local = set(loop.bound | loop.targets)
    if lazy:
        scope = Body(analysis, namespace, set(), {})
        scope.iterate(loop.iter)
    scope = Body(analysis, namespace, local, {})
    scope.bind(loop.target, item)
    if analysis.own_reads is not None and scope.names.env is not None:
        for name in analysis.own_reads.names:
            scope.names.env[name] = replace(scope.names.env[name], key=("name", name))
    if isinstance(node, ast.For):
        scope.own = own_names(loop)
        scope.block(node.body)
        return
    for condition in node.generators[0].ifs:
        scope.expr(condition)
    for element in elements:
        scope.keep(element, scope.expr(element))
    if loop.consumed is not None:
        for one in loop.consumed.others:
            scope.calls.callback(one, scope.expr(one))


def own_names(loop: ItemLoop) -> frozenset[str]:
    """Give names of the body that may be deleted, or be a function's."""
    assert isinstance(loop.node, ast.For)
    counts = Counter(bindings.stored(loop.node.body))
    several = {name for name in loop.defs if counts[name] > 1}
    return loop.bound - loop.targets - several


def handlers(loop: ItemLoop, namespace: dict[str, Any]) -> None:
    """Refuse names that ``except ... as name`` would delete."""
    assert isinstance(loop.node, ast.For)
    named = list(named_handlers(loop.node.body))
    counts = Counter(bindings.stored(loop.node.body))
    counts.subtract(str(handler.name) for handler in named)
    used = {name for name, count in counts.items() if count > 0}
    used |= {*namespace, *loop.targets}
    for handler in (one for one in named if one.name in used):
        raise Refusal(
            handler.lineno, f"`except ... as {handler.name}` would delete `{handler.name}`"
        )


def aliased(
    analysis: Analysis,
    loop: ItemLoop,
    namespace: dict[str, Any],
    items: list[Any],
    known: list[Any] | None = None,
    skipped: int = 0,
) -> None:
    """Refuse accumulators that the body can also reach under another name."""
    sites = loop.sites.items()
    changed = [(stmt, one) for stmt, one in sites if one.kind not in _BY_VALUE]
    lines: dict[str, int] = {}  # where first
    for stmt, one in changed:
        lines.setdefault(one.name, stmt.lineno)
    deep = {one.name for _, one in changed if one.kind in _ENTRIES}
    for name, line in lines.items():
        alone = aliases.only_name(namespace, name)
        things = [] if alone else [namespace[name]]
        if name in deep:
            things += _held(name, namespace[name], line)
        if not things:  # nothing leads to what is changed
            continue
        for other in lines:
            if other != name and namespace[other] is namespace[name]:
                raise Refusal(line, f"`{name}` and `{other}` are the same object")
        for text, root in _roots(analysis, loop, namespace, name, items, known, skipped).items():
            _apart(things, name, text, root, line)
        for read in analysis.own_reads.found.values() if analysis.own_reads else ():
            itself = any(one is read.container for one in things)
            _apart(things, name, read.name, things if itself else read.roots, line)


_BY_VALUE = ("print", "augment", "pick", "ahead")  # nothing is changed in place
_ENTRIES = ("count", "grow", "grow_many", "grow_add")  # effects that change entries too


def _held(name: str, container: Any, line: int) -> list[Any]:
    """Give the entries of a container that can be changed, and that something else refers to."""
    try:
        return aliases.held_elsewhere(container)
    except aliases.TooLarge:
        raise Refusal(line, f"`{name}` has too many entries to look through") from None


def _roots(
    analysis: Analysis,
    loop: ItemLoop,
    namespace: dict[str, Any],
    name: str,
    items: list[Any],
    known: list[Any] | None,
    skipped: int,
) -> dict[str, list[Any]]:
    """Give the objects, by a text for the reason, through which the body may reach `name`."""
    thing, own = namespace[name], name in analysis.places
    reads = [read for read in analysis.reads if read in namespace and not (own and read == name)]
    roots = {read: [namespace[read]] for read in reads}
    if not (own and known is not None and items and in_step(thing, items[0], known, skipped)):
        roots.setdefault(ast.unparse(loop.iter), []).extend(items)
    captured = analysis.captured.values()
    roots["what it calls"] = [one for one in captured if not (own and one is thing)]
    return roots


def _apart(things: list[Any], name: str, text: str, root: list[Any], line: int) -> None:
    changed = {id(thing) for thing in things}
    array = things[0] if is_array(things[0]) else None
    try:
        for found in aliases.generations(root):
            hidden = array is not None and arrays.hidden_among(array, found.values())
            if hidden or not changed.isdisjoint(found):
                raise Refusal(line, f"`{name}` can also be reached through `{text}`")
    except aliases.TooLarge:
        reason = f"`{name}` may be part of `{text}`, which is too large to look through"
        raise Refusal(line, reason) from None
