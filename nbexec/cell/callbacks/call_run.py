"""CallRun: the calls of the user's function on workers, as the items of a loop."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...options.record import Options
from ..analysis.abstract_values import describe
from ..analysis.analysis import Analysis, Refusal
from ..execution.in_kernel import StatementRunner
from ..execution.loop_items import Items
from ..execution.loop_run import LoopRun
from ..execution.offload import SAMPLE
from ..iteration.iteration import Last
from ..loops.eligibility import examine
from ..loops.find import ItemLoop, find_loop
from .call import CallbackCall
from .coming_arguments import Arguments, Pinned, PinnedList, RowsToCome, has_own_name, unchanging

FUNCTION, ARGUMENTS = "_nbexec_function", "_nbexec_arguments"
EACH, SAME = "_nbexec_each", "_nbexec_same"


def loop_of(
    call: CallbackCall, given: Arguments, place: ast.expr, scope: dict[str, Any]
) -> ItemLoop:
    """Give the loop that calls the user's function with one item after the other.

    Parameters
    ----------
    call : CallbackCall
        The library's call.
    given : Arguments
        What the function is called with.
    place : ast.expr
        Where the call is in the user's source.
    scope : dict
        Takes in the names that the loop reads.

    Raises
    ------
    Refusal
        A function can't be called so.
    """
    each = [f"{EACH}{at}" for at in range(call.varying)]
    scope[FUNCTION] = call.function
    args: list[ast.expr] = [ast.Name(one, ast.Load()) for one in each]
    for at, one in enumerate(given.more):
        scope[f"{SAME}{at}"] = one
        args.append(ast.Name(f"{SAME}{at}", ast.Load()))
    keywords = []
    for at, (name, one) in enumerate((given.named or {}).items()):
        if not name.isidentifier() or keyword.iskeyword(name):
            raise Refusal(place.lineno, f"passes `{name}`, which is no name")
        scope[f"{SAME}_{at}"] = one
        keywords.append(ast.keyword(name, ast.Name(f"{SAME}_{at}", ast.Load())))
    targets: list[ast.expr] = [ast.Name(one, ast.Store()) for one in each]
    target = targets[0] if len(targets) == 1 else ast.Tuple(targets, ast.Store())
    applied = ast.Call(ast.Name(FUNCTION, ast.Load()), args, keywords)
    source = ast.comprehension(target, ast.Name(ARGUMENTS, ast.Load()), [], 0)
    node = ast.ListComp(applied, [source])
    for part in ast.walk(node):
        if isinstance(part, ast.expr | ast.keyword):
            ast.copy_location(part, place)
    stmt = ast.copy_location(ast.Expr(node), place)
    return replace(find_loop(stmt, scope), what=call.what)


class CallItems(Items):
    """The arguments of the calls that are left.

    Parameters
    ----------
    arguments : sequence
        Those of all calls.
    source : object
        What they are parts of.
    position : int
        How many calls there were.
    """

    def __init__(self, arguments: Sequence[Any], source: Any, position: int) -> None:
        left: Any = arguments[position:]
        if not isinstance(left, RowsToCome) and left and has_own_name(left[0]):
            left = PinnedList(left)
        self.source = source
        self.skipped = position
        self.in_rows = isinstance(left, RowsToCome)
        self.known = self.taken = left
        sample = [left[at] for at in range(min(SAMPLE, len(left)))] if self.in_rows else left
        self.sample = sample
        self.expected = describe(sample)
        self.changing = False
        self._error = None
        self._ahead = []

    @property
    def sent(self) -> list[Any]:
        """What is sent in place of those of the sample: of a row its position."""
        return [*range(len(self.sample))] if self.in_rows else self.sample

    def feed(self, indexed: bool) -> Iterable[Any]:
        """Give the items as `Iteration` takes them; groups with their names."""
        if indexed or not isinstance(self.taken, PinnedList):
            return super().feed(indexed)
        made: list[Any] = [*map(Pinned, self.taken)]
        made[-1] = Last(made[-1])
        return made


class CallRun(LoopRun):
    """One run of the calls of a function of the user's that a library's call makes.

    Parameters
    ----------
    loop : ItemLoop
        The calls as a loop.
    kernel : StatementRunner
        The names that it reads.
    call : CallbackCall
        The library's call.
    """

    items: CallItems

    def __init__(self, loop: ItemLoop, kernel: StatementRunner, call: CallbackCall) -> None:
        super().__init__(loop, kernel)
        self._call = call
        self.fresh = call.made and unchanging(call.source)

    def _examine(self, apart: bool = True) -> Analysis:
        items = self.items
        known = None if items.in_rows else items.known
        scope, expected = self.kernel.namespace, items.expected
        return examine(
            self.loop,
            scope,
            expected,
            [items.source],
            False,
            items.sample,
            known,
            items.skipped,
            apart,
            memos=self.may_record,
        )

    def _sharing(self, analysis: Analysis, options: Options) -> bool:
        if self.items.in_rows:
            return True
        return not self.fresh and super()._sharing(analysis, options)

    def shown(self, count: int) -> list[Any]:
        """Give some items as they would be sent."""
        return self.items.sent[:count] if self.items.in_rows else super().shown(count)

    @property
    def captured(self) -> list[Any]:
        """What workers are sent: a frame with the function, whose rows are positions then."""
        more = [self.items.source] if self.items.in_rows else []
        return [*super().captured, *more]

    def _name(self) -> str:
        name = getattr(self._call.function, "__name__", "")
        return f"{self._call.what.strip('`')} of {name}" if name else self._call.what.strip("`")
