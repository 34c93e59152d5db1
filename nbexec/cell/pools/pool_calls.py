"""Whether calls of a function may be made by workers of nbexec in place of a pool's own."""

from __future__ import annotations

import ast
import functools
import sys
import types
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ...options.record import Options
from ...system.parsing import tree_of
from ..analysis.aliases import allowance
from ..analysis.analysis import Analysis, Refusal
from ..analysis.source import is_own_code
from ..analysis.weight import weight
from ..execution.in_kernel import Cell, StatementRunner
from ..execution.loop_items import Items
from ..execution.loop_run import LoopRun
from ..loops.eligibility import examine
from ..loops.find import find_loop

FUNCTION, CALLS, EACH = "_nbexec_function", "_nbexec_calls", "_nbexec_each"
SOME = 100  # parts of a list or tuple that are looked at
HEAVY = 1 << 18  # bytes that a function reads, which are sent with each chunk of its calls
# Names of what waits for something else, of which a pool may have more at once than cores.
WAITING = {"sleep", "wait", "open", "urlopen", "get", "post", "request", "recv", "acquire"}
NEVER_CHANGED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class CallsLook(LoopRun):
    """A look through a function, as the body of a loop over its calls."""

    def _examine(self, apart: bool = True) -> Analysis:
        items = self.items
        scope = self.kernel.namespace
        given = items.expected, [items.source], False, items.sample, items.known
        return examine(self.loop, scope, *given, apart=False)

    @property
    def reached(self) -> list[types.FunctionType]:
        """The functions of the user's that are called."""
        return list(self._analysis.entered.values())


class Agreed:
    """What was found out about a function, and holds while what it reads is the same.

    Parameters
    ----------
    function : callable
        The function.
    look : CallsLook
        What was seen of it.
    """

    def __init__(self, function: Any, look: CallsLook) -> None:
        self.function = function
        inner = _inner(function)
        self.functions = list({id(one): one for one in [*look.reached, *inner]}.values())
        calls = look.items.source
        found = [one for one in look.captured if one is not calls]
        self.captured = [one for one in found if not isinstance(one, NEVER_CHANGED)]
        self.names = [
            (one.__globals__, name, one.__globals__.get(name, one))
            for one in self.functions
            for name in names_of(one.__code__)
        ]

    @property
    def holds(self) -> bool:
        """Whether the names that it reads are bound to what they were."""
        return all(scope.get(name, was) is was for scope, name, was in self.names)

    @property
    def waits(self) -> bool:
        """Whether it may wait for something else than the processor."""
        return any(name in WAITING for _, name in self._mentioned())

    def _mentioned(self) -> list[tuple[Any, str]]:
        return [(one, name) for one in self.functions for name in names_of(one.__code__)]


@allowance()
def agree(
    function: Any,
    calls: Sequence[Arguments],
    line: int,
    options: Options,
    by_value: bool = False,
) -> Agreed:
    """Look whether a function does nothing but compute from its arguments.

    Parameters
    ----------
    function : callable
        The function, which the library can send by its name.
    calls : sequence
        The arguments of its calls.
    line : int
        Where the calls are in the user's source.
    options : Options
        The options in force.
    by_value : bool
        Whether the library sends functions by value, so that any will do.

    Raises
    ------
    Refusal
        It may do something else, or it can't be shown that it doesn't.
    """
    if not (by_value or by_name(function)):
        raise Refusal(line, "can't be pickled, as the library does it")
    args, named = calls[0]
    count, names = len(args), tuple(named)
    if any(len(one) != count or tuple(more) != names for one, more in calls):
        raise Refusal(line, "gives it another number of arguments from call to call")
    if not by_value and not all(sendable([*one, *more.values()]) for one, more in calls):
        raise Refusal(line, "is given what can't be pickled, as the library does it")
    items = [_item((*one, *more.values())) for one, more in calls]
    scope = {**_globals(function), FUNCTION: function, CALLS: items}
    node = tree_of(_source(count, names), mode="eval").body
    for part in ast.walk(node):
        if isinstance(part, ast.expr | ast.keyword):
            part.lineno = part.end_lineno = line
    stmt = ast.copy_location(ast.Expr(node), node)
    look = CallsLook(find_loop(stmt, scope), StatementRunner(Cell("<pool>", [], 0), scope))
    look.settle(Items(items), options.updated({"backend": "processes"}))
    found = Agreed(function, look)
    if weight(found.captured) > HEAVY:
        raise Refusal(line, "reads too much to be sent with its calls")
    return found


def _item(parts: tuple[Any, ...]) -> Any:
    return parts[0] if len(parts) == 1 else parts


def _source(count: int, names: tuple[str, ...]) -> str:
    every = [f"{EACH}{at}" for at in range(count + len(names))]
    given = [
        *every[:count],
        *(f"{name}={one}" for name, one in zip(names, every[count:], strict=True)),
    ]
    target = every[0] if len(every) == 1 else f"({', '.join(every)})" if every else f"{EACH}0"
    return f"[{FUNCTION}({', '.join(given)}) for {target} in {CALLS}]"


def sendable(thing: Any) -> bool:
    """Whether the library can pickle something, where that is in doubt.

    nbexec sends more, such as functions that have no name to be found by.

    Examples
    --------
    >>> sendable([1, "a"]), sendable(len), sendable((1, lambda: 1))
    (True, True, False)
    """
    things = [thing, *thing[:SOME]] if type(thing) in (list, tuple) else [thing]
    if not any(isinstance(one, types.FunctionType) or _is_local(type(one)) for one in things):
        return True
    try:
        ForkingPickler.dumps(thing)
    except Exception:
        return False
    return True


def _is_local(kind: type) -> bool:
    return "<locals>" in kind.__qualname__


def by_name(function: Any) -> bool:
    """Whether the library can send a function to its processes.

    Examples
    --------
    >>> by_name(by_name), by_name(lambda: 1), by_name(functools.partial(max, 1))
    (True, False, True)
    """
    if isinstance(function, types.FunctionType):
        found: Any = sys.modules.get(function.__module__)
        for name in function.__qualname__.split("."):
            found = getattr(found, name, None)
        return found is function
    try:
        ForkingPickler.dumps(function)
    except Exception:
        return False
    return True


def _globals(function: Any) -> dict[str, Any]:
    found = _inner(function)
    return found[0].__globals__ if found else {}


def _inner(function: Any) -> list[types.FunctionType]:
    """Give the function of the user's that a callable is made of, in a list."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    own = isinstance(function, types.FunctionType) and is_own_code(function.__code__)
    return [function] if own else []


def names_of(code: types.CodeType) -> set[str]:
    """Give the names of globals and attributes that code mentions."""
    found = set(code.co_names)
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            found |= names_of(one)
    return found
