"""``row["x"] = slow(row["n"])``: items that a loop changes in place, each in its own iteration.

What is computed ahead of such a loop reads the items as they are before their iteration.  That
holds where no item leads to another, nor anything else that is read to one of them.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from ..analysis import aliases
from ..analysis.analysis import Analysis, Refusal
from ..analysis.object_facts import fields_of, immutable
from ..analysis.source import is_own_class
from .find import ItemLoop

_COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match)
_ABSTRACT = ("abc", "collections.abc", "enum", "typing")
_OF_SELF = ("changes `self", "calls `self.", "does `self.")
Place = tuple[int, int]


@dataclass
class ItemChanges:
    """How a loop changes what a name of its target is bound to.

    Attributes
    ----------
    first : tuple of int
        Line and column of the first statement that does.
    keys : set of str or None
        The keys that are set; None where one isn't a text in the source.
    """

    first: Place
    keys: set[str] | None = field(default_factory=set)


def changes_of_items(loop: ItemLoop) -> dict[str, ItemChanges]:
    """Give the names of the target whose entries or attributes the body sets, and how.

    Examples
    --------
    >>> from nbexec.cell.loops.find import find_loop
    >>> text = "for k, row in rows: row['x'] = k"
    >>> [*changes_of_items(find_loop(ast.parse(text).body[0], {}))]
    ['row']
    """
    found: dict[str, ItemChanges] = {}
    for stmt in _simple(loop.node.body if isinstance(loop.node, ast.For) else []):
        for name, key in _stores(stmt, loop.targets):
            change = found.setdefault(name, ItemChanges(_place(stmt)))
            change.first = min(change.first, _place(stmt))
            if key is None:
                change.keys = None
            elif change.keys is not None:
                change.keys.add(key)
    return found


def told_of_method(refusal: Refusal, loop: ItemLoop) -> Refusal:
    """Add what would do to a reason that a method of the items changes its own object.

    Examples
    --------
    >>> from nbexec.cell.loops.find import find_loop
    >>> loop = find_loop(ast.parse("for p in ps: p.step()").body[0], {})
    >>> told_of_method(Refusal(1, "calls `step`, which changes `self`"), loop).reason
    'calls `step`, which changes `self`: `p.x = p.f()` of an `f` that only computes would do'
    """
    for part in ast.walk(loop.node):
        match part:
            case ast.Call(ast.Attribute(ast.Name(name), method)) if name in loop.targets:
                begins = f"calls `{method}`, which "
                rest = refusal.reason.removeprefix(begins)
                if rest != refusal.reason and rest.startswith(_OF_SELF):
                    would = f"`{name}.x = {name}.f()` of an `f` that only computes would do"
                    return Refusal(refusal.line, f"{refusal.reason}: {would}")
    return refusal


def changes_one(stmt: ast.AST, targets: frozenset[str]) -> bool:
    """Whether a statement, or one in it, sets an entry or an attribute of an item."""
    return any(True for one in _simple([stmt]) for _ in _stores(one, targets))


def reads_unchanged(
    call: ast.expr, stmt: ast.stmt, loop: ItemLoop, changes: dict[str, ItemChanges]
) -> bool:
    """Whether a call of a statement reads of an item what its iteration has not changed by then."""
    for name, change in changes.items():
        if not any(_is_name(part, name) for part in ast.walk(call)):
            continue
        own = next((one for one in _simple([stmt]) if _has(one, call)), None)
        if own is None:
            return False
        earlier = _place(own) < change.first or (
            _place(own) == change.first
            and isinstance(own, ast.Assign | ast.AugAssign)
            and _has(own.value, call)
            and not any(_is_stored(part) for part in ast.walk(own.value))
        )
        if not earlier and not _other_keys(call, name, change.keys):
            return False
    return True


def by_key(call: ast.expr, changes: dict[str, ItemChanges]) -> bool:
    """Whether a call reads entries of an item that it may read although others were changed."""
    return any(_other_keys(call, name, change.keys) for name, change in changes.items())


class OwnItems(NamedTuple):
    """Items of a loop that are changed, each in its own iteration.

    Attributes
    ----------
    names : frozenset of str
        Names of the target that are bound to what is changed.
    items : list
        The items.
    by_keys : bool
        Whether entries of them are read when others may have been set: then they are plain dicts.
    """

    names: frozenset[str]
    items: list[Any]
    by_keys: bool

    def check(self, loop: ItemLoop, ahead: Analysis) -> None:
        """Raise a `Refusal` where what is computed ahead may read an item that another changes."""
        if not self.names:
            return
        changed: dict[int, Any] = {}
        roots = read_by(ahead)
        for item in self.items:
            for part, thing in _unpacked(item, loop.target):
                named = {one.id for one in ast.walk(part) if isinstance(one, ast.Name)}
                if named.isdisjoint(self.names):
                    roots.append(thing)
                elif isinstance(part, ast.Name):
                    roots += self._add(changed, thing, loop.line)
                else:
                    raise Refusal(loop.line, f"{self._what}, and unpacks what can't be looked into")
        try:
            for found in aliases.generations(roots):
                if not changed.keys().isdisjoint(found):
                    raise Refusal(loop.line, f"{self._what}, which others lead to as well")
        except aliases.TooLarge:
            reason = f"{self._what}, and there is too much to see whether others lead to it"
            raise Refusal(loop.line, reason) from None

    def numbers(self, loop: ItemLoop) -> frozenset[tuple[str, str]]:
        """Give names and keys of what ``row["n"] += v`` adds to, where that changes no object.

        That is an entry, or an attribute, that nothing else in the body stores, and that is a
        number, a text or the like in each of the items.
        """
        body = loop.node.body if isinstance(loop.node, ast.For) else []
        stored = Counter(
            (name, key) for stmt in _simple(body) for name, key in _stores(stmt, self.names)
        )
        found = set()
        for stmt in body:  # once at most: not in a loop inside
            if not isinstance(stmt, ast.AugAssign):
                continue
            for name, key in _stores(stmt, self.names):
                place = name, _key(stmt.target) if key is None else key
                alone = stored[name, key] == 1 and sum(
                    count for (one, other), count in stored.items() if one == name and other is None
                ) == (key is None)
                if alone and place[1] and all(map(immutable, self._kinds(loop, *place))):
                    found.add(place)
        return frozenset(found)

    def _kinds(self, loop: ItemLoop, name: str, key: str) -> set[type]:
        """Give the types of what the items have at a key, or as an attribute."""
        kinds: set[type] = set()
        for item in self.items:
            for part, thing in _unpacked(item, loop.target):
                if isinstance(part, ast.Name) and part.id == name:
                    held = thing if type(thing) is dict else fields_of(thing)
                    kinds.add(type(held[key]) if key in held else object)
        return kinds

    @property
    def _what(self) -> str:
        return f"changes `{min(self.names)}` in place"

    def _add(self, changed: dict[int, Any], thing: Any, line: int) -> list[Any]:
        """Take in an item that is changed, and give what it holds."""
        kind = type(thing)
        plain = kind is dict or (not self.by_keys and (kind is list or _is_plain_class(kind)))
        if not plain:  # an array, say, may share its memory with another
            raise Refusal(line, self._what)
        held = list(aliases.referents(thing))
        attributes = None if kind in (dict, list) else aliases.own_dict(thing)
        if attributes is not None:
            held = [*(one for one in held if one is not attributes), *attributes.values()]
        for one in (thing,) if attributes is None else (thing, attributes):
            if id(one) in changed:
                raise Refusal(line, f"{self._what}, which comes more than once")
            changed[id(one)] = one
        return held


NO_ITEMS = OwnItems(frozenset(), [], False)


def read_by(ahead: Analysis) -> list[Any]:
    """Give what the part that runs ahead reads beside its item."""
    names = [ahead.namespace[name] for name in ahead.reads if name in ahead.namespace]
    own = ahead.own_reads.found.values() if ahead.own_reads is not None else ()
    return [*names, *ahead.captured.values(), *(root for read in own for root in read.roots)]


def _is_plain_class(kind: type) -> bool:
    """Whether instances of a class of the user's keep what they have in themselves alone."""
    return is_own_class(kind) and all(
        one in (object, dict, list) or one.__module__ in _ABSTRACT or is_own_class(one)
        for one in kind.__mro__
    )


def _unpacked(item: Any, target: ast.AST) -> Iterator[tuple[ast.AST, Any]]:
    """Give what each name of the target is bound to, and a part of it that isn't unpacked here."""
    match target:
        case ast.Tuple(parts) | ast.List(parts) if _is_row(item) and len(item) == len(parts):
            for one, part in zip(item, parts, strict=True):
                yield from _unpacked(one, part)
        case _:
            yield target, item


def _is_row(item: Any) -> bool:
    """Whether to go through an item gives what it holds, as of a tuple, also with names."""
    kind = type(item)
    base = tuple if issubclass(kind, tuple) else list
    return issubclass(kind, base) and (kind.__iter__, kind.__len__) == (
        base.__iter__,
        base.__len__,
    )


def _simple(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Give the statements that are not made of others, and of those that are what they bind."""
    for stmt in body:
        if isinstance(stmt, _COMPOUND):
            yield from _heads(stmt)
            for part in ast.iter_child_nodes(stmt):
                if isinstance(part, ast.stmt):
                    yield from _simple([part])
                elif isinstance(part, ast.ExceptHandler | ast.match_case):
                    yield from _simple(part.body)
        elif isinstance(stmt, ast.stmt):
            yield stmt


def _heads(stmt: ast.stmt) -> Iterator[ast.stmt]:
    """Give what leads a statement, as one: ``for row["n"] in xs`` sets an entry too."""
    heads: list[ast.expr] = [one for one in ast.iter_child_nodes(stmt) if isinstance(one, ast.expr)]
    for item in stmt.items if isinstance(stmt, ast.With) else ():
        heads += [item.context_expr, *([item.optional_vars] if item.optional_vars else [])]
    stored = [cast(ast.expr, one) for head in heads for one in ast.walk(head) if _is_stored(one)]
    if stored:
        yield ast.copy_location(ast.Delete(stored), stmt)


def _is_stored(part: ast.AST) -> bool:
    kinds = ast.Subscript | ast.Attribute
    return isinstance(part, kinds) and isinstance(part.ctx, ast.Store | ast.Del)


def _stores(stmt: ast.stmt, targets: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    """Give the names that a simple statement sets or deletes entries or attributes of, and keys."""
    for part in ast.walk(stmt):
        match part:
            case ast.Subscript(ast.Name(name), ast.Constant(str(key)), ast.Store() | ast.Del()):
                if name in targets:
                    yield name, key
            case ast.Subscript(ast.Name(name), _, ast.Store() | ast.Del()):
                if name in targets:
                    yield name, None
            case ast.Attribute(ast.Name(name), _, ast.Store() | ast.Del()):
                if name in targets:
                    yield name, None


def _key(target: ast.expr) -> str:
    """Give the attribute that a target is; "" for another target."""
    return target.attr if isinstance(target, ast.Attribute) else ""


def _other_keys(call: ast.expr, name: str, keys: set[str] | None) -> bool:
    """Whether a call reads entries of a name by texts in the source that are none of `keys`."""
    if keys is None:
        return False
    read = 0
    for part in ast.walk(call):
        match part:
            case ast.Subscript(ast.Name(one), ast.Constant(str(key)), ast.Load()) if one == name:
                if key in keys:
                    return False
                read += 1
    return read > 0 and read == sum(_is_name(part, name) for part in ast.walk(call))


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _has(node: ast.AST, inner: ast.AST) -> bool:
    return any(part is inner for part in ast.walk(node))


def _place(node: ast.stmt) -> Place:
    return node.lineno, node.col_offset
