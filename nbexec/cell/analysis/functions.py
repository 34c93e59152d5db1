"""enter(): analyses a function of the user's, from its syntax tree and its arguments."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from . import source
from .abstract_values import FROZEN, SHARED, UNKNOWN, Env, Value, joined, shallow, value_of
from .accumulators import Site
from .analysis import Analysis, Refusal
from .arguments import Args
from .bindings import declared, inside, parameters, stored
from .heap import ITEMS
from .statements import Scope


def new_analysis(
    namespace: dict[str, Any],
    changed: Iterable[str],
    sites: dict[ast.stmt, Site],
    unknown: Iterable[str] = (),
    ahead: bool = False,
) -> Analysis:
    """Make an `Analysis` that can look into functions; see there for the parameters."""
    return Analysis(enter, namespace, changed, sites, unknown, ahead)


def enter(analysis: Analysis, function: types.FunctionType, args: Args) -> Value:
    """Look into a function of the user's, called with `args`; give what it returns."""
    analysis.capture(function, 0)
    analysis.entered[id(function)] = function
    code = function.__code__
    node = source.function_node(code)
    if node is None:
        return _without_source(analysis, function)
    env = assigned(analysis, function, node.args, args)
    closure = id(function) if code.co_freevars else None
    key = (code, closure, tuple(env.items()))
    return analysis.function(key, lambda: _run(analysis, function, node, dict(env)))


def _run(
    analysis: Analysis, function: types.FunctionType, node: source.FunctionNode, env: Env
) -> Value:
    body: list[ast.stmt]
    if isinstance(node, ast.Lambda):
        body = [ast.Return(node.body, lineno=node.lineno)]
    else:
        body = node.body
    global_names = {name for part in body for name in declared(part, ast.Global)}
    local = (set(env) | set(stored(body))) - global_names
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for name in _nonlocal(body):
        raise Refusal(node.lineno, f"changes `{name}` of the function around it")

    def captured(name: str) -> Value | None:
        if name not in cells:
            return None
        try:
            thing = cells[name].cell_contents
        except ValueError:
            return SHARED
        return analysis.capture(thing, 0)

    first = env.get(next(iter(parameters(node.args)), ""), SHARED)
    scope = Scope(analysis, function.__globals__, local, env, captured, first)
    scope.block(body)
    returned = scope.returned()
    if scope.result.yields is not None:
        return scope.new.made(node, [scope.result.yields, returned], types.GeneratorType)
    return scope.new.made(node, [returned]) if isinstance(node, ast.AsyncFunctionDef) else returned


def _nonlocal(body: list[ast.stmt]) -> Iterator[str]:
    """Give names that the function itself, not one inside it, declares nonlocal."""
    for stmt in inside(body):
        if isinstance(stmt, ast.Nonlocal):
            yield from stmt.names


def _without_source(analysis: Analysis, function: types.FunctionType) -> Value:
    if not source.harmless(function.__code__):
        raise Refusal(0, "can't be looked into: its source isn't there")
    for name in function.__code__.co_names:
        analysis.lookup(name, function.__globals__, 0)
    return SHARED


def assigned(
    analysis: Analysis, function: types.FunctionType, params: ast.arguments, args: Args
) -> Env:
    """Bind each parameter to its argument."""
    plain = [one.arg for one in (*params.posonlyargs, *params.args)]
    only = [one.arg for one in params.kwonlyargs]
    defaults: dict[str, Any] = dict(
        zip(reversed(plain), reversed(function.__defaults__ or ()), strict=False)
    )
    defaults |= function.__kwdefaults__ or {}
    env: Env = {}
    for position, name in enumerate([*plain, *only]):
        if name not in only and position < len(args.positional):
            given = args.positional[position]
        elif name in args.keywords:
            given = args.keywords[name]
        elif name in defaults and not args.starred:
            given = value_of(defaults[name])
        else:
            given = SHARED
        env[name] = _lean(given)
    more = [SHARED] if args.starred else []
    named = [value for name, value in args.keywords.items() if name not in env]
    for one, kind, held in (
        (params.vararg, tuple, args.positional[len(plain) :]),
        (params.kwarg, dict, named),
    ):
        if one is not None:
            env[one.arg] = Value(sites=frozenset([one]), type=kind)
            analysis.heap.put(env[one.arg], ITEMS, joined([*held, *more]))
    return env


def _lean(value: Value) -> Value:
    """Forget the very number or string, so that a function isn't looked into for each."""
    value = shallow(value)
    if value.frozen and value.known is not UNKNOWN:
        return replace(FROZEN, type=value.type)
    return value
