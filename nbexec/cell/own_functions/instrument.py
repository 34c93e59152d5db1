"""Instrumented code of a function: its loops are handed over; see `handing_over`."""

from __future__ import annotations

import ast
import copy
import itertools
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ...system.silence import silently
from ..analysis.recompile import FLAGS, may_be_recompiled, recompiled, with_things
from ..analysis.source import function_node
from ..loops.displays import sets_of
from .handing_over import SCOPES, HandingOver
from .loop_site import AtSite, LoopSite

ENTER = "__nbexec_enter__"  # a name that ends so isn't mangled in a class
_MARK = "_nbexec_enter_"  # begins the text that stands for an `AtSite` while code is compiled
_numbers = itertools.count()
MODULE = "<module>"  # the name of a cell's own frame
_SEEING = {"locals", "vars", "eval", "exec", "dir", "globals", "super", "breakpoint"}


@dataclass(eq=False)
class Instrumented:
    """The code of a function, with its loops.

    Attributes
    ----------
    code : types.CodeType
        The instrumented code.
    sites : list of LoopSite
        Its loops, the outer ones first.
    """

    code: types.CodeType
    sites: list[LoopSite] = field(default_factory=list)


def instrument(
    function: types.FunctionType, at: Callable[[LoopSite], AtSite]
) -> Instrumented | None:
    """Give the instrumented code of a function; None where it has no loop, or can't have it.

    Parameters
    ----------
    function : function
        One of the user's own.
    at : callable
        Gives what the code calls when a loop begins.
    """
    code = function.__code__
    if code.co_flags & 0x2A0 or _SEEING & set(code.co_names):  # generators, coroutines
        return None
    node = function_node(code)
    if not (isinstance(node, ast.FunctionDef) and may_be_recompiled(node, code)):
        return None
    shared = set(code.co_cellvars) | set(code.co_freevars) | _declared(node)
    made = copy.deepcopy(node)
    named = code.co_name, function.__qualname__, code.co_filename, code.co_flags & FLAGS
    local = dict.fromkeys(code.co_varnames)  # a name that hides what consumes a generator
    things: dict[str, Any] = {}

    def entering(site: LoopSite) -> ast.expr:
        mark = f"{_MARK}{len(things)}_"
        things[mark] = at(site)
        return ast.Constant(mark)

    finder = HandingOver(named, shared, entering, {**function.__globals__, **local})
    finder.sets = [*sets_of(code)]
    made.body = finder.block(made.body)
    if not finder.found:
        return None
    new = recompiled(made, code)
    return Instrumented(with_things(new, things), finder.found) if new is not None else None


def instrument_statement(
    stmt: ast.stmt,
    filename: str,
    flags: int,
    sites: dict[int, LoopSite],
    namespace: Mapping[str, Any] = MappingProxyType({}),
) -> ast.stmt | None:
    """Give a cell's statement with the loops inside it instrumented; None where it has none.

    Parameters
    ----------
    stmt : ast.stmt
        The statement: of a `for` loop only what is in its body is instrumented.
    filename : str
        The cell's file name.
    flags : int
        Compiler flags of its ``from __future__`` imports.
    sites : dict
        Takes in the loops, by the numbers that the code asks for.
    namespace : dict
        The notebook's names.
    """
    if isinstance(stmt, SCOPES):
        return None

    def entering(site: LoopSite) -> ast.expr:
        number = next(_numbers)
        sites[number] = site
        return ast.Call(ast.Name(ENTER, ast.Load()), [ast.Constant(number)], [])

    finder = HandingOver((MODULE, MODULE, filename, flags), set(), entering, namespace)
    made = copy.deepcopy(stmt)
    if isinstance(made, ast.For):
        finder.inside = 1
        made.body, made.orelse = finder.block(made.body), finder.block(made.orelse)
    else:
        finder.inside = int(isinstance(made, ast.While))
        finder.generic_visit(made)
    ast.fix_missing_locations(made)
    return made if finder.found and _compiles(made, filename, flags) else None


def sees_names(stmt: ast.AST) -> bool:
    """Whether it asks for the names that there are, or for those of frames."""
    named = (getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(stmt))
    return any(one in _SEEING or one == "f_locals" for one in named)


def _compiles(stmt: ast.stmt, filename: str, flags: int) -> bool:
    """Whether it is still Python: a handle can't be bound where a comprehension takes its items."""
    with silently():
        how = flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            module = ast.Module([stmt], type_ignores=[])
            compile(module, filename, "exec", flags=how, dont_inherit=True)
        except SyntaxError:
            return False
    return True


def _declared(node: ast.FunctionDef) -> set[str]:
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Global | ast.Nonlocal):
            found.update(part.names)
    return found
