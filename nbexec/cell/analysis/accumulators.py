"""Site: a statement of a body that accumulates into an outer name, or prints."""

from __future__ import annotations

import ast
import builtins
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from typing import Any

from .bindings import inside, stored
from .object_facts import is_array

DICTS: tuple[type, ...] = (dict, OrderedDict, defaultdict)
_NUMBERS = (int, float, complex, bool)
_KNOWN = {*_NUMBERS, str, tuple, list, set, *DICTS, Counter, deque}

# The name of a method's effect in the log, by the type of the accumulator.
_METHODS: dict[tuple[type, str], str] = {
    (list, "append"): "append",
    (list, "extend"): "extend",
    (set, "add"): "add",
    (set, "update"): "update_set",
    (Counter, "update"): "update_counter",
    (deque, "append"): "append",
    (deque, "extend"): "extend",
    **{(kind, "update"): "update_dict" for kind in DICTS},
}


@dataclass(frozen=True, slots=True)
class Site:
    """A statement with an effect outside its iteration.

    Attributes
    ----------
    index : int
        Its number in entries of the log.
    kind : str
        The effect: a method of `effect_log.Log`.
    name : str
        The accumulator; "" for a print.
    operator : str
        The name of the operator of an augmented assignment, as in `operator.iadd`.
    """

    index: int
    kind: str
    name: str
    operator: str = ""


def find(loop: ast.For, namespace: dict[str, Any]) -> dict[ast.stmt, Site]:
    """Give the statements of a loop's body that accumulate or print, with these values."""
    body = loop.body
    shadowed = {*stored([loop.target, *body]), *namespace} & {"len", "list", "set", "max", "min"}
    augmented = []
    for stmt in inside(body):
        found = _accumulation(stmt)
        if found is not None and found[0] in ("+=", "=+", "pick"):
            augmented.append(found[1])
    bound = Counter(stored([loop.target, *body]))
    bound.subtract(augmented)
    local = {name for name, count in bound.items() if count > 0}
    sites: dict[ast.stmt, Site] = {}
    for stmt in inside(body):
        found = _print(stmt, namespace, local) or _accumulation(stmt)
        if found is None:
            continue
        kind, name, operator = found
        if kind != "print":
            if name in local or name not in namespace:
                continue
            fresh = kind == "=+"
            kind = _allowed(namespace[name], kind, operator, shadowed)
            if fresh:  # of an array that isn't the same
                operator = _NEW.get(operator, operator)
        if kind:
            sites[stmt] = Site(len(sites), kind, name, operator)
    return _compatible(sites)


def _compatible(sites: dict[ast.stmt, Site]) -> dict[ast.stmt, Site]:
    """Leave out stores in lists whose length the same loop changes."""
    kinds: dict[str, set[str]] = {}
    for site in sites.values():
        kinds.setdefault(site.name, set()).add(site.kind)
    return {
        stmt: site
        for stmt, site in sites.items()
        if not ("setindex" in kinds[site.name] and kinds[site.name] & {"append", "extend"})
    }


def _print(stmt: ast.stmt, namespace: dict[str, Any], local: set[str]) -> Any:
    if not (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call)):
        return None
    call = stmt.value
    if not (isinstance(call.func, ast.Name) and call.func.id == "print" and "print" not in local):
        return None
    if namespace.get("print", builtins.print) is not builtins.print:
        return None
    ordinary = all(one.arg in ("sep", "end", "flush") for one in call.keywords)
    return ("print", "", "") if ordinary else None


def _accumulation(stmt: ast.stmt) -> tuple[str, str, str] | None:
    """Give what a statement does, to which name, with which operator, if it accumulates."""
    match stmt:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), method), args, keywords)):
            if method == "insert" and _at_the_end(name, args) and not keywords:
                return ("insert", name, "")
            plain = len(args) == 1 and not keywords and not isinstance(args[0], ast.Starred)
            return (method, name, "") if plain or method == "update" else None
        case ast.Expr(ast.Call(ast.Attribute(inner, method), [value], [])) if not isinstance(
            value, ast.Starred
        ):
            match inner:
                case ast.Subscript(ast.Name(name), _):
                    return (f"[].{method}", name, "")
                case ast.Call(ast.Attribute(ast.Name(name), "setdefault"), [_, default], []):
                    return (f"[].{method}", name, "setdefault") if _empty(default, method) else None
        case ast.Assign([ast.Subscript(ast.Name(name), _)], _):
            return ("[]=", name, "")
        case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(left), operator, _)) if left == name:
            return ("=+", name, f"i{_OPERATORS.get(type(operator), '')}")
        case ast.Assign([ast.Name(name)], ast.Call(ast.Name(which), [one, other], [])) if which in (
            "max",
            "min",
        ):
            for first, place in ((one, ""), (other, "r")):
                if isinstance(first, ast.Name) and first.id == name:
                    return ("pick", name, place + which)
        case ast.AugAssign(ast.Name(name), operator, _):
            return ("+=", name, f"i{_OPERATORS.get(type(operator), '')}")
        case ast.AugAssign(ast.Subscript(ast.Name(name), _), operator, _):
            return ("[]+=", name, f"i{_OPERATORS.get(type(operator), '')}")
    return None


def _at_the_end(name: str, args: list[ast.expr]) -> bool:
    """Whether these are the arguments of ``xs.insert(len(xs), value)``."""
    match args:
        case [ast.Call(ast.Name("len"), [ast.Name(other)], []), value]:
            return other == name and not isinstance(value, ast.Starred)
    return False


def _empty(node: ast.expr, method: str) -> bool:
    """Whether an expression makes the empty list or set that has the method."""
    match node:
        case ast.List([]) | ast.Call(ast.Name("list"), [], []):
            return method in ("append", "extend")
        case ast.Call(ast.Name("set"), [], []):
            return method == "add"
    return False


def operands(stmt: Any) -> tuple[list[ast.expr], list[ast.keyword], Any]:
    """Give the expressions that a site evaluates, in order, its keywords, and its position."""
    match stmt:
        case ast.Expr(ast.Call(ast.Attribute(ast.Subscript(_, key), _), [value]) as call):
            return [key, value], [], call
        case ast.Expr(ast.Call(ast.Attribute(ast.Call(_, [key, _]), _), [value]) as call):
            return [key, value], [], call
        case ast.Expr(ast.Call(ast.Attribute(_, "insert"), [_, value]) as call):
            return [value], [], call
        case ast.Expr(ast.Call() as call):
            return call.args, call.keywords, call
        case ast.Assign([ast.Subscript(_, key) as place], value):
            return [value, key], [], place
        case ast.Assign([ast.Name()], ast.BinOp(_, _, value)):
            return [value], [], stmt
        case ast.Assign([ast.Name(name)], ast.Call(_, [one, other])):
            first = isinstance(one, ast.Name) and one.id == name
            return [other if first else one], [], stmt
        case ast.AugAssign(ast.Subscript(_, key), _, value):
            return [key, value], [], stmt
    return [stmt.value], [], stmt


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitOr: "or",
    ast.BitAnd: "and",
    ast.BitXor: "xor",
}


_NEW = {"iadd": "add", "isub": "sub", "imul": "mul"}
_NEW |= {"ior": "or_", "iand": "and_", "ixor": "xor"}


def _allowed(thing: Any, what: str, operator: str, names: set[str]) -> str:
    """Give the name of the effect on an accumulator; "" for none."""
    kind = type(thing)
    if kind not in _KNOWN and is_array(thing):
        return _on_array(what, operator)
    if what == "[]=":
        return "setindex" if kind is list else "setitem" if kind in (*DICTS, Counter) else ""
    if what == "[]+=":
        return "count" if kind in (*DICTS, Counter, list) and operator != "i" else ""
    if what.startswith("[]."):
        return _on_entry(kind, what[3:], operator, names)
    if what == "pick":
        return "pick" if kind in _NUMBERS and not names & {"max", "min"} else ""
    if what == "insert":
        return "append" if kind is list and "len" not in names else ""
    if what in ("+=", "=+"):
        return _augmented(kind, operator, in_place=what == "+=")
    return _METHODS.get((kind, what), "")


def _on_array(what: str, operator: str) -> str:
    if what != "[]=" and operator == "i":  # an operator that isn't known
        return ""
    return {"[]=": "store", "[]+=": "store_into", "+=": "array"}.get(what, "")


def _on_entry(kind: type, method: str, operator: str, names: set[str]) -> str:
    """Give the name of the effect of ``xs[key].method(value)``."""
    if operator and (kind not in DICTS or names & {"list", "set"}):
        return ""
    grows = {"append": "grow", "extend": "grow_many", "add": "grow_add"}
    return grows.get(method, "") if kind in (*DICTS, list) else ""


def _augmented(kind: type, operator: str, in_place: bool) -> str:
    """Give the name of the effect of ``x += value`` and the like."""
    bits = operator in ("ior", "iand", "ixor")
    if kind in _NUMBERS:
        fit = kind in (int, bool) if bits else operator in ("iadd", "isub", "imul")
        return "augment" if fit else ""
    if operator == "iadd" and kind in (str, tuple):
        return "augment"
    if not in_place:
        return ""
    if operator == "iadd" and kind is list:
        return "extend"
    if kind is set:
        return "merge_set" if bits or operator == "isub" else ""
    return "merge_dict" if kind is dict and operator == "ior" else ""
