"""Consumers: expressions that take what a function gives for many items, one after the other.

`Consumed` says which part of such an expression stands for those values: a generator, a `map`,
or a `key=`.  The rest of the expression runs as it stands, over values that may come from
workers; so one mechanism serves ``sum(...)``, ``next(...)`` and ``sorted(xs, key=...)``.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..analysis.library_calls import names_of
from ..analysis.object_facts import read_once
from ..analysis.source import is_own_class, is_own_code
from .evaluated_first import resolve, there
from .folds import fold_of

EACH = "_nbexec_each"
# Functions that go through an iterable to its end, and where among the arguments it is.
CONSUMERS = {
    **dict.fromkeys(
        (
            *("builtins.sum", "builtins.min", "builtins.max", "builtins.any", "builtins.all"),
            *("builtins.sorted", "builtins.list", "builtins.tuple", "builtins.set"),
            *("builtins.dict", "builtins.frozenset", "builtins.next", "collections.Counter"),
            *("collections.OrderedDict", "collections.deque", "math.fsum", "math.prod"),
            *("statistics.fmean", "statistics.mean", "statistics.median", "statistics.stdev"),
            *("statistics.variance", "str.join"),
        ),
        0,
    ),
    **dict.fromkeys(("functools.reduce", "heapq.nlargest", "heapq.nsmallest"), 1),
}
# Those that may stop early, at a value that is true, that is false, or at the first.
STOPPERS = {"builtins.any": "true", "builtins.all": "false", "builtins.next": "first"}
# Functions that call their `key=` once for each item, in order.
KEYED = {"builtins.max", "builtins.min", "builtins.sorted", "heapq.nlargest", "heapq.nsmallest"}
LISTING = {"builtins.sorted", "list.sort"}  # they take all items before they call it
# Iterators that pass on what they take from another one.
_PASSING = {
    *("builtins.zip", "builtins.enumerate", "itertools.accumulate", "itertools.chain"),
    *("itertools.chain.from_iterable", "itertools.pairwise"),
}
_MAPPING = {"builtins.map", "builtins.filter", "itertools.starmap"}
_QUICK = {
    *("len", "abs", "min", "max", "int", "str", "float", "bool", "ord", "chr", "isinstance"),
    *("tuple", "round", "divmod"),
}


@dataclass(frozen=True, eq=False)
class Consumed:
    """A function's values for many items, inside an expression that consumes them.

    Attributes
    ----------
    node : ast.GeneratorExp
        The values, written as a generator expression.
    place : ast.expr
        The part of the expression that stands for them, or for the function, as a `key=`.
    what : str
        What it is, for messages.
    others : tuple of ast.expr
        What is used between the items: it is evaluated before the first of them.
    ends : str
        At which value the consumer stops: "true", "false", "first", "equal" to the first of
        `others`; "some" where that isn't known, "" where at none.
    sources : tuple of ast.expr
        The iterables, where there are several of which each gives an argument.
    key : str
        The name of what calls a `key=`; "" where there is none.
    folds : ast.Lambda or None
        What is called with each value and what it gave for those before, in order.
    """

    node: ast.GeneratorExp
    place: ast.expr
    what: str
    others: tuple[ast.expr, ...] = ()
    ends: str = ""
    sources: tuple[ast.expr, ...] = ()
    key: str = ""
    folds: ast.Lambda | None = None


def known_name(node: ast.expr, namespace: Mapping[str, Any]) -> str:
    """Give the documented name of a library function that an expression stands for.

    Examples
    --------
    >>> import itertools
    >>> node = ast.parse("itertools.chain.from_iterable", mode="eval").body
    >>> known_name(node, {"itertools": itertools})
    'itertools.chain.from_iterable'
    """
    match node:
        case ast.Attribute(ast.Constant(str()), "join"):
            return "str.join"
        case ast.Attribute(owner, "from_iterable"):
            inner = known_name(owner, namespace)
            return f"{inner}.from_iterable" if inner == "itertools.chain" else ""
    known = resolve(node, namespace)
    return names_of(known, "")[0] if known is not None else ""


def consumed(node: ast.expr, namespace: Mapping[str, Any]) -> Consumed | None:
    """Give the values that an expression consumes one after the other; None where it has none.

    Examples
    --------
    >>> def text_of(text):
    ...     found = consumed(ast.parse(text, mode="eval").body, {"f": text_of, "xs": [1]})
    ...     return found and (found.what, ast.unparse(found.place))
    >>> text_of("max(xs, key=f)"), text_of("dict(zip(xs, map(f, xs)))")
    (('`max` with a key', 'f'), ('`dict` over a map', 'map(f, xs)'))
    """
    match node:
        case ast.Starred(value):
            return _of_stream(value, "`*`", (), "", namespace)
        case ast.Compare(left, [ast.In() | ast.NotIn()], [right]) if there(left, namespace):
            return _of_stream(right, "`in`", (left,), "equal", namespace)
        case ast.Call(ast.Attribute(ast.Name(name) as items, "sort"), [], keywords):
            if type(namespace.get(name)) is list:
                return _keyed(node, items, "list.sort", keywords, (), namespace)
            return None
        case ast.Call(func, args, keywords) if args:
            name = known_name(func, namespace)
            at = CONSUMERS.get(name)
            if at is None or at >= len(args) or any(isinstance(a, ast.Starred) for a in args):
                return None
            others = (*args[:at], *args[at + 1 :])
            if name in KEYED and len(args) == at + 1:
                found = _keyed(node, args[at], name, keywords, others, namespace)
                if found is not None:
                    return found
            if name == "functools.reduce":
                folds = fold_of(node, namespace)
                if folds is not None:
                    return _folded(node, folds)
            others += tuple(one.value for one in keywords)
            text = f"`{ast.unparse(func)}`"
            return _of_stream(args[at], text, others, STOPPERS.get(name, ""), namespace)
    return None


def _folded(call: ast.Call, folds: ast.Lambda) -> Consumed:
    """Give the items of a fold, which are the values that it consumes."""
    items = call.args[1]
    target = ast.comprehension(ast.Name(EACH, ast.Store()), items, [], 0)
    made = ast.GeneratorExp(_load(), [target])
    for part in _new_parts(made, (items,)):
        ast.copy_location(part, items)
    return Consumed(made, items, f"`{ast.unparse(call.func)}`", folds=folds)


def _keyed(
    call: ast.Call,
    items: ast.expr,
    name: str,
    keywords: list[ast.keyword],
    others: tuple[ast.expr, ...],
    namespace: Mapping[str, Any],
) -> Consumed | None:
    """Give the values of a `key=` that is worth a look."""
    key = next((one.value for one in keywords if one.arg == "key"), None)
    if key is None or isinstance(items, ast.GeneratorExp) or not _lasts(key, namespace):
        return None
    others += tuple(one.value for one in keywords if one.value is not key)
    if not all(calm(one, namespace) for one in (call.func, *others)):
        return None
    what = f"`{ast.unparse(call.func)}` with a key"
    return Consumed(_applied(key, [_load()], items, key), key, what, others, key=name)


def _lasts(key: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether a `key=` is a function of the user's, and more than a look at a part of the item."""
    if isinstance(key, ast.Lambda):
        calls = [one.func for one in ast.walk(key.body) if isinstance(one, ast.Call)]
        quick = [isinstance(one, ast.Name) and one.id in _QUICK for one in calls]
        return not all(quick) and there(key, namespace)
    return is_own(key, namespace)


def is_own(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether an expression stands for a function of the user's."""
    thing = resolve(node, namespace)
    return isinstance(thing, types.FunctionType) and is_own_code(thing.__code__)


def _of_stream(
    node: ast.expr,
    what: str,
    others: tuple[ast.expr, ...],
    ends: str,
    namespace: Mapping[str, Any],
) -> Consumed | None:
    found = _stream(node, namespace)
    if found is None:
        return None
    stream, place, sources, more = found
    kind = "a generator" if place is stream else "a map"
    if place is not node and (ends or _shortens(node)):  # it is another value that it stops at
        ends = "some"
    return Consumed(stream, place, f"{what} over {kind}", others + more, ends, sources)


Stream = tuple[ast.GeneratorExp, ast.expr, tuple[ast.expr, ...], tuple[ast.expr, ...]]


def _stream(node: ast.expr, namespace: Mapping[str, Any]) -> Stream | None:
    """Find a stream of values, perhaps inside iterators that pass its values on."""
    if isinstance(node, ast.GeneratorExp):
        return node, node, (), ()
    if not isinstance(node, ast.Call) or any(isinstance(one, ast.Starred) for one in node.args):
        return None
    name = known_name(node.func, namespace)
    if name in _MAPPING:
        function = node.args[0] if node.args else None
        of_library = isinstance(function, ast.Name | ast.Attribute) and not is_own(
            function, namespace
        )
        found = _passed(node, namespace) if of_library else None
        return found or _mapped(node, name, namespace)
    if name not in _PASSING:
        return None
    return _passed(node, namespace)


def _passed(node: ast.Call, namespace: Mapping[str, Any]) -> Stream | None:
    """Find the stream among the arguments of an iterator; the others must be there already."""
    given = [*node.args, *(one.value for one in node.keywords)]
    for at, one in enumerate(given):
        if calm(one, namespace):
            continue
        found = _stream(one, namespace)
        if found is None:
            return None
        stream, place, sources, more = found
        others = (*given[:at], *given[at + 1 :])
        if not all(calm(other, namespace) for other in others):
            return None
        return stream, place, sources, others + more
    return None


def _mapped(node: ast.Call, name: str, namespace: Mapping[str, Any]) -> Stream | None:
    """Give ``map(f, xs)``, ``filter(f, xs)`` or ``starmap(f, pairs)`` as a stream."""
    if len(node.args) < 2 or node.keywords:
        return None
    function, *items = node.args
    if isinstance(function, ast.Constant) or not there(function, namespace):
        return None
    if len(items) > 1:
        if name != "builtins.map":
            return None
        parts = [ast.Subscript(_load(), ast.Constant(at), ast.Load()) for at in range(len(items))]
        zipped = ast.Call(ast.Name("zip", ast.Load()), items, [])
        for part in (zipped, zipped.func):
            ast.copy_location(part, node)
        return _applied(function, parts, zipped, node), node, tuple(items), ()
    if name == "builtins.filter":
        stream = _applied(function, [_load()], items[0], node)
        stream.generators[0].ifs = [stream.elt]
        stream.elt = ast.copy_location(_load(), node)
        return stream, node, (), ()
    given: ast.expr = _load()
    if name == "itertools.starmap":
        given = ast.Starred(given, ast.Load())
    return _applied(function, [given], items[0], node), node, (), ()


def _load() -> ast.Name:
    return ast.Name(EACH, ast.Load())


def _applied(
    function: ast.expr, given: list[Any], items: ast.expr, place: ast.expr
) -> ast.GeneratorExp:
    """Write a function's values for items as a generator expression, at the position of `place`."""
    target = ast.Name(EACH, ast.Store())
    call = ast.Call(function, given, [])
    made = ast.GeneratorExp(call, [ast.comprehension(target, items, [], 0)])
    for part in _new_parts(made, (function, items)):
        ast.copy_location(part, place)
    return made


def _new_parts(node: ast.AST, but: tuple[ast.expr, ...]) -> Iterator[ast.AST]:
    yield node
    for part in ast.iter_child_nodes(node):
        if not any(part is one for one in but):
            yield from _new_parts(part, but)


def calm(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether an expression is there, and using it between items runs no code of the user's.

    Functions are looked into where the loop's own are.

    Examples
    --------
    >>> [calm(ast.parse(text, mode="eval").body, {"it": iter("")}) for text in ("it", "[1, 2]")]
    [False, True]
    """
    if isinstance(node, ast.List | ast.Tuple):
        return all(calm(one, namespace) for one in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return type(node.operand.value) in (int, float)
    if isinstance(node, ast.Constant | ast.Lambda):
        return there(node, namespace)
    if isinstance(node, ast.Call) and not node.keywords and node.args:
        numbers = all(_number(one, namespace) for one in node.args)
        return numbers and known_name(node.func, namespace) in ("builtins.range", "itertools.count")
    if known_name(node, namespace) in (*_PASSING, *_MAPPING, *CONSUMERS):
        return True
    if not there(node, namespace):
        return False
    thing = resolve(node, namespace)
    return callable(thing) or not (read_once(type(thing)) or is_own_class(type(thing)))


def _number(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether an expression is a whole number, or the length of a list."""
    match node:
        case ast.Constant(value):
            return type(value) is int
        case ast.Name(name):
            return type(namespace.get(name)) is int
        case ast.Call(func, [ast.Name(name)], []):
            sized = type(namespace.get(name)) in (list, tuple, dict, str, range)
            return sized and known_name(func, namespace) == "builtins.len"
    return False


def _shortens(node: ast.expr) -> bool:
    """Whether an iterator may end before the stream that it takes from."""
    return any(
        isinstance(part, ast.Attribute | ast.Name)
        and getattr(part, "attr", getattr(part, "id", "")) == "zip"
        for part in ast.walk(node)
        if not isinstance(part, ast.GeneratorExp)
    )
