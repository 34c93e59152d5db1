"""The user's own functions that a statement may call, directly or not."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ..analysis.source import is_own_class, is_own_code

MOST = 200  # functions that are looked at


def own_functions(node: ast.AST, namespace: dict[str, Any]) -> list[types.FunctionType]:
    """Give the functions of the user's that a statement may call.

    Examples
    --------
    >>> names = {}
    >>> exec("def f(): return g()\\ndef g(): return 1\\ndef h(): return 2", names)
    >>> [one.__name__ for one in own_functions(ast.parse("x = f()"), names)]
    ['f', 'g']
    """
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return functions_of([namespace[name] for name in sorted(names) if name in namespace])


def functions_of(todo: list[Any]) -> list[types.FunctionType]:
    """Give the user's own functions that these objects are, have, or may call."""
    found: dict[int, types.FunctionType] = {}
    classes: set[type] = set()
    while todo and len(found) < MOST:
        thing = todo.pop(0)
        if isinstance(thing, types.MethodType):
            todo += [thing.__func__, thing.__self__]
        elif isinstance(thing, types.FunctionType):
            thing = _unwrapped(thing)
            if id(thing) not in found and is_own_code(thing.__code__):
                found[id(thing)] = thing
                todo += _used(thing)
        elif not isinstance(thing, types.ModuleType):
            kind = thing if isinstance(thing, type) else type(thing)
            if kind not in classes and is_own_class(kind):
                classes.add(kind)
                todo += _methods(kind)
    return list(found.values())


def _unwrapped(function: types.FunctionType) -> types.FunctionType:
    inner = getattr(function, "__wrapped__", None)
    return inner if isinstance(inner, types.FunctionType) else function


def _used(function: types.FunctionType) -> Iterator[Any]:
    """Give what a function may refer to by name, or closes over."""
    scope = function.__globals__
    for name in _names(function.__code__):
        if name in scope:
            yield scope[name]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty
            continue


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _methods(kind: type) -> Iterator[Any]:
    for base in kind.__mro__:
        if base is not object and is_own_class(base):
            yield from _plain(vars(base).values())


def _plain(members: Iterable[Any]) -> Iterator[Any]:
    for one in members:
        if isinstance(one, staticmethod | classmethod):
            yield one.__func__
        elif isinstance(one, property):
            yield from (part for part in (one.fget, one.fset) if part is not None)
        elif isinstance(one, types.FunctionType):
            yield one
