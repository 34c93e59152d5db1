"""``self.n += v``: attributes of an instance that a loop accumulates into, as names of their own.

Where a loop uses an instance for the sake of its attributes alone, each of these is a name for
the rest of what is done: it is analysed, recorded and applied as any other accumulator.
"""

from __future__ import annotations

import ast
import copy
import inspect
import types
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from ..analysis import accumulators
from ..analysis.aliases import TooLarge, generations, own_dict
from ..analysis.analysis import Refusal
from ..analysis.bindings import stored
from ..analysis.object_facts import fields_of
from ..analysis.source import is_own_class

_HOOKS = ("__getattribute__", "__setattr__", "__getattr__", "__delattr__")


@dataclass(frozen=True)
class Lifted:
    """A for loop in which attributes are names.

    Attributes
    ----------
    stmt : ast.For
        The loop.
    attributes : dict
        By the names: the instance, and its attribute.
    """

    stmt: ast.For
    attributes: dict[str, tuple[Any, str]]

    def put(self, namespace: MutableMapping[str, Any]) -> None:
        """Bind the names."""
        for name, (owner, attribute) in self.attributes.items():
            namespace[name] = fields_of(owner)[attribute]

    def write_back(self, namespace: MutableMapping[str, Any]) -> None:
        """Set the attributes to what the names are bound to now, and unbind these."""
        for name, (owner, attribute) in self.attributes.items():
            value = namespace.pop(name)
            if fields_of(owner).get(attribute, self) is not value:
                setattr(owner, attribute, value)

    def forget(self, namespace: MutableMapping[str, Any]) -> None:
        """Unbind the names: nothing was done with them."""
        for name in self.attributes:
            namespace.pop(name, None)

    def check(self, things: Iterable[Any]) -> None:
        """Raise a `Refusal` where an instance can be reached from what the loop reads."""
        owners = {id(owner): name for name, (owner, _) in self.attributes.items()}
        # What has the dict of an instance, such as by `vars`, leads to the attributes alone.
        for name, (owner, _) in self.attributes.items():
            owners[id(own_dict(owner))] = name
        owners.pop(id(None), None)
        try:
            for found in generations(things):
                for at in found.keys() & owners.keys():
                    name = owners[at].partition(".")[0]
                    raise Refusal(
                        self.stmt.lineno, f"changes `{name}`, which what it reads leads to as well"
                    )
        except TooLarge:
            reason = "changes an instance, which may be part of what it reads: there is too much"
            raise Refusal(self.stmt.lineno, reason) from None


def lifted(stmt: ast.stmt, namespace: dict[str, Any]) -> Lifted | None:
    """Give a for loop in which attributes that it accumulates into are names; None if it has none.

    Parameters
    ----------
    stmt : ast.stmt
        The statement.
    namespace : dict
        The names, as they are when it begins.

    Examples
    --------
    >>> class Box:
    ...     def __init__(self): self.n = 0
    >>> loop = ast.parse("for x in xs: box.n += x").body[0]
    >>> ast.unparse(lifted(loop, {"box": Box()}).stmt.body[0])
    'box.n += x'
    >>> lifted(loop, {"box": Box()}).stmt.body[0].target.id
    'box.n'
    """
    if not isinstance(stmt, ast.For) or stmt.orelse:
        return None
    owners = sorted(set(_stored_in(stmt)) & namespace.keys())
    bound = set(stored([stmt.target, *stmt.body]))
    attributes: dict[str, tuple[Any, str]] = {}
    for name in owners:
        if name in bound or not _plain(namespace[name]):
            return None
        for node in _uses(stmt, name):
            if not isinstance(node, ast.Attribute) or not _is_field(namespace[name], node.attr):
                return None
            if isinstance(node.ctx, ast.Del):
                return None
            attributes[f"{name}.{node.attr}"] = namespace[name], node.attr
    instances = [namespace[name] for name in owners]
    dicts = [own_dict(one) for one in instances]
    things = {id(one if own is None else own) for one, own in zip(instances, dicts, strict=True)}
    if not owners or len(things) < len(owners):
        return None
    made = _Names(set(attributes)).visit(copy.deepcopy(stmt))
    found = Lifted(made, attributes)
    names = dict(namespace)
    found.put(names)
    sites = accumulators.find(made, names).values()
    return found if any(site.name in attributes for site in sites) else None


def _stored_in(stmt: ast.For) -> Iterator[str]:
    """Give names whose attributes the loop seems to change."""
    for part in ast.walk(stmt):
        match part:
            case ast.AugAssign(ast.Attribute(ast.Name(name))):
                yield name
            case ast.AugAssign(ast.Subscript(ast.Attribute(ast.Name(name)))):
                yield name
            case ast.Assign([ast.Subscript(ast.Attribute(ast.Name(name)))]):
                yield name
            case ast.Assign([ast.Attribute(ast.Name(name))], ast.BinOp() | ast.Call()):
                yield name
            case ast.Expr(ast.Call(ast.Attribute(ast.Attribute(ast.Name(name))))):
                yield name
            case ast.Expr(ast.Call(ast.Attribute(ast.Subscript(ast.Attribute(ast.Name(name)))))):
                yield name
            case ast.Expr(
                ast.Call(
                    ast.Attribute(
                        ast.Call(ast.Attribute(ast.Attribute(ast.Name(name)), "setdefault"))
                    )
                )
            ):
                yield name


def _plain(thing: Any) -> bool:
    """Whether reading and setting attributes of a thing runs no code of the user's."""
    kind = type(thing)
    if isinstance(thing, type | types.ModuleType) or not is_own_class(kind):
        return False
    static = [inspect.getattr_static(kind, name, None) for name in _HOOKS]
    return not any(isinstance(one, types.FunctionType) for one in static)


def _is_field(thing: Any, name: str) -> bool:
    """Whether an attribute is the instance's own, and the class has nothing to do with it."""
    raw = inspect.getattr_static(type(thing), name, None)
    described = any(hasattr(type(raw), one) for one in ("__set__", "__delete__"))
    return name in fields_of(thing) and not described and not name.startswith("__")


def _uses(stmt: ast.For, name: str) -> Iterator[ast.AST]:
    """Give what a name is used for: an attribute of it, or the name itself for anything else."""
    inside = set()
    for part in ast.walk(stmt):
        if isinstance(part, ast.Attribute) and _is_name(part.value, name):
            inside.add(id(part.value))
            yield part
    for part in ast.walk(stmt):
        if _is_name(part, name) and id(part) not in inside:
            yield part


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


class _Names(ast.NodeTransformer):
    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        match node.value:
            case ast.Name(name) if f"{name}.{node.attr}" in self._names:
                return ast.copy_location(ast.Name(f"{name}.{node.attr}", node.ctx), node)
        self.generic_visit(node)
        return node
