"""CellRun: a cell that runs, each statement in its turn, and some beside others."""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..errors import SerialError
from ..options.record import Options
from ..system import recursion
from ..telemetry import wording
from ..worker.arithmetic import calls_back
from .analysis.analysis import Refusal
from .execution.group_run import NotThere, StatementGroup, find_group
from .execution.grouping import functions_of, is_loop, note
from .execution.in_kernel import StatementRunner
from .execution.loop_step import LoopStep
from .execution.loop_streams import LoopStreams, streams_of_loop
from .execution.parts import parts_of
from .execution.work_step import run_work, work_of
from .loops import dataflow
from .loops.calls_in_row import PART
from .loops.evaluated_first import awaits
from .loops.find import ItemLoop
from .loops.work_list import WorkList
from .own_functions.entering import Entering
from .own_functions.handing_over import LOOP
from .own_functions.instrument import MODULE
from .plan import lines, ready, step_of
from .plan_drawing import outcome
from .report import CellReport
from .steps import Step, cell_steps, span

CALLED = "NumPy calls a function on floating-point errors (`np.seterrcall`), in their order"
OF_ITEMS = ("rate", "budget", "timeout")  # a plain loop has none of them


def is_text(stmt: ast.stmt) -> bool:
    """Whether a statement is a string constant and nothing else."""
    return (
        isinstance(stmt, ast.Expr)
        and isinstance(stmt.value, ast.Constant)
        and isinstance(stmt.value.value, str)
    )


class CellRun:
    """One run of a cell: each statement in its turn; some have run ahead, in a group.

    Parameters
    ----------
    kernel : StatementRunner
        The cell, and the namespace that it runs in.
    options : Options
        The options in force.
    given : dict
        The options that were given for this cell.
    strict : bool
        Whether a loop that would run serially is an error.
    steps : iterable of Step
        The steps that have run already.
    """

    def __init__(
        self,
        kernel: StatementRunner,
        options: Options,
        given: dict[str, Any],
        strict: bool = False,
        steps: Iterable[Step] = (),
    ) -> None:
        self._kernel = kernel
        self._body = kernel.cell.body
        self._options = options
        self._given = given
        self._strict = strict
        self._collect = given.get("on_error") == "collect"
        self._seed: int | None = given.get("seed")  # a session's is not for cells
        self._drawing = itertools.count()  # loops, each with streams of its own
        self.steps = list(steps)
        self._value: Any = None
        # Groups whose members run before their turn, by the positions of these.
        self._ahead: dict[int, StatementGroup] = {}
        self._groups: list[StatementGroup] = []
        self._around: list[StatementGroup] = []  # of the cell that this is a statement of

    def report(self) -> CellReport:
        """Give the report of the statements that have run so far."""
        self._end_groups()
        ended = len(self.steps) == len(self._body)
        value = bool(self._body) and ended and isinstance(self._body[-1], ast.Expr)
        return CellReport(tuple(self._with_names()), self._value, value)

    def _with_names(self) -> Iterator[Step]:
        """Add to each step the names that it reads and writes, and the lines that it waited for."""
        found = dataflow.through_functions([dataflow.uses(stmt) for stmt in self._body])
        after = dataflow.waits(found, {})
        for step, one, before in zip(self.steps, found, after, strict=False):
            reads, writes = tuple(sorted(one.reads)), tuple(sorted(one.writes))
            waits = tuple(lines(self._body[at])[0] for at in before)
            yield replace(step, reads=reads, writes=writes, waits=waits)

    def listing(self) -> list[tuple[str, str, str]]:
        """Give lines, state and duration of each step, for the panel."""
        ran = [(step.lines, outcome(step), wording.seconds(step.seconds)) for step in self.steps]
        coming = [span(*lines(stmt)) for stmt in self._body[len(ran) :]]
        going = [(where, "" if at else "running", "") for at, where in enumerate(coming)]
        return ran + going

    def step(self, position: int) -> None:
        """Run the statement at `position`, and raise what it raises."""
        __tracebackhide__ = True
        watched = cell_steps.set(self.listing)
        try:
            with recursion.room(self._body[position]):
                self._step(position)
        except BaseException:
            self._end_groups()
            raise
        finally:
            cell_steps.reset(watched)

    def _step(self, position: int) -> None:
        __tracebackhide__ = True
        stmt = self._body[position]
        last = len(self._body) - 1
        if is_text(stmt) and position < last:
            if not position:  # alone it would be taken for the cell's docstring, as it is
                self._kernel.statement(stmt, value=False)
            self.steps.append(step_of(stmt))
            return
        began = time.perf_counter()
        if position in self._ahead:
            step = self._taken(stmt, position)
        elif calls_back():
            step = self._in_kernel(stmt, position == last)
        elif is_loop(stmt, self._kernel.namespace):
            step = self._alone(stmt, position == last)
        else:
            step = self._with_company(stmt, position)
        self.steps.append(replace(step, seconds=time.perf_counter() - began))

    def _in_kernel(self, stmt: ast.stmt, wanted: bool) -> Step:
        """Run a statement whose arithmetic may call a function of the user's, in order."""
        __tracebackhide__ = True
        refusal = Refusal(lines(stmt)[0], CALLED)
        if self._strict and is_loop(stmt, self._kernel.namespace):
            raise _serial(refusal)
        self._value = self._kernel.statement(stmt, value=wanted)
        return step_of(stmt, refusal if is_loop(stmt, self._kernel.namespace) else None)

    def _with_company(self, stmt: ast.stmt, position: int) -> Step:
        """Run a statement, and hand others to workers meanwhile if it takes long."""
        __tracebackhide__ = True
        last = len(self._body) - 1
        if not _one_at_a_time(self._options) and self._seed is None:
            parts = parts_of(stmt, self._kernel)
            if parts is not None:
                return self._in_parts(stmt, parts)
        group = None
        if not _one_at_a_time(self._options):
            group = find_group(position, self._kernel, last, self._ahead)
        functions = functions_of(stmt, self._kernel.namespace)
        began = time.perf_counter()
        step = self._alone(stmt, position == last, group)
        note(functions, time.perf_counter() - began)
        if group is not None:
            self._ahead.update(dict.fromkeys(group.end_first(), group))
        return step

    def _in_parts(self, stmt: ast.stmt, parts: StatementRunner) -> Step:
        """Run a statement as several, which may run at the same time."""
        __tracebackhide__ = True
        functions = functions_of(stmt, self._kernel.namespace)
        began = time.perf_counter()
        inner = CellRun(parts, self._options, self._given)
        inner._around = self._groups
        try:
            for position in range(len(parts.cell.body)):
                inner._step(position)
        finally:
            inner._end_groups()
            parts.forget(PART)
        self._value = inner._value
        note(functions, time.perf_counter() - began)
        first, final = lines(stmt)
        together = [step for step in inner.steps if step.kind == "together"]
        others = [step for step in inner.steps if step.kind == "parallel"]
        step = (together or others or inner.steps[-1:])[0]
        what = "calls" if together else step.what
        return replace(step, first=first, last=final, what=what, beside=())

    def _end_groups(self) -> None:
        """Let no run of a group go on, and mark the steps that ran beside others."""
        for group in self._groups:
            group.close()
            positions = [group.first, *group.used] if group.used else []
            starts = {at: lines(self._body[at])[0] for at in positions}
            for at in positions:
                if at < len(self.steps):
                    beside = tuple(start for other, start in starts.items() if other != at)
                    step = replace(self.steps[at], kind="together", what="statement")
                    self.steps[at] = replace(step, beside=beside, stats=group.stats)
        self._groups.clear()

    def _taken(self, stmt: ast.stmt, position: int) -> Step:
        __tracebackhide__ = True
        group = self._ahead.pop(position)
        first, final = lines(stmt)
        step = Step(first, final, "together", "statement", stats=group.stats)
        missing = ""
        try:
            self._value = group.take(position)
        except NotThere as why:
            missing = str(why)
        if missing:  # out here, so that what the user's code raises has no context
            self._value = self._kernel.statement(stmt, value=position == len(self._body) - 1)
            reason = f"in the kernel after all: {missing}"
            return replace(step, kind="serial", reason=reason, line=first)
        return step

    def _alone(self, stmt: ast.stmt, wanted: bool, group: StatementGroup | None = None) -> Step:
        __tracebackhide__ = True
        entering = Entering.of(stmt, self._kernel.namespace, self._options, self._given)
        if any(one.running for one in [*self._groups, *self._around]):
            entering.stop()  # what its members call is still to be sent
        if group is not None:
            self._groups.append(group)
            group.begin(self._options, self._given, entering)
        try:
            with entering:
                step = self._with_functions(stmt, wanted, entering)
        finally:
            self._kernel.forget(LOOP)
        loop = entering.longest
        if loop is None and entering.declined and step.kind == "serial":
            what, why = entering.declined[0]
            return replace(step, reason=f"{what}: {why.reason}", line=why.line)
        inside = not is_loop(stmt, self._kernel.namespace)
        if loop is None and entering.stayed and step.kind == "serial" and inside:
            what, why = entering.stayed[0]
            return replace(step, reason=f"{what}: {why.reason}", line=step.first)
        if loop is None or step.kind == "parallel":
            return step
        more = len({id(one.site) for one in entering.loops}) - 1
        where = f" in `{loop.site.function}`" if loop.site.function != MODULE else ""
        what = f"{loop.what}{where}, line {loop.site.line}"
        what += f", and {more} more" if more else ""
        first = loop.skipped
        reason = f"the first {first:,} in the kernel" if first else ""
        return Step(*lines(stmt), "parallel", what, reason, stats=loop.stats)

    def _with_functions(self, stmt: ast.stmt, wanted: bool, entering: Entering) -> Step:
        __tracebackhide__ = True
        strict = self._strict and is_loop(stmt, self._kernel.namespace)

        def refused_loop() -> ast.stmt | None:
            entering.open()
            made = entering.statement(stmt, self._kernel.cell.filename, self._kernel.cell.flags)
            return made if made is not stmt else None

        try:
            loop = ready(stmt, self._kernel.namespace)
            given = self._kernel, self._options, self._given, self._collect, refused_loop
            run = LoopStep(loop, *given, self._streams(loop))
        except Refusal as refusal:
            if strict:
                raise _serial(refusal) from None
            refused: Refusal | None = refusal
        else:
            refused = None
        if refused is not None and isinstance(stmt, ast.While):
            work = work_of(stmt, self._kernel, self._options, self._given)
            if work is not None:
                return self._over_work(work, refused_loop)
        if refused is not None:
            if len(self._body) == 1 and is_text(stmt):
                self._kernel.statement(stmt, value=False)  # it is the docstring
            made = refused_loop() if not awaits(stmt) else None
            self._value = self._kernel.statement(made or stmt, value=wanted)
            found = any(step.kind != "serial" for step in self.steps)
            asked = is_loop(stmt, self._kernel.namespace) or (wanted and not found) or awaits(stmt)
            return step_of(stmt, self._with_consequence(refused) if asked else None)
        try:
            run.run(strict)
        except Refusal as refusal:
            raise _serial(refusal) from None
        self._value = run.value if wanted else None
        if run.refusal is not None:
            return step_of(stmt, self._with_consequence(run.refusal))
        first, final = lines(stmt)
        return Step(
            first,
            final,
            "parallel",
            run.what,
            run.reason,
            stats=run.rest.stats,
            assumed=run.rest.assumed,
            failures=tuple(run.rest.failures),
        )

    def _streams(self, loop: ItemLoop) -> LoopStreams | None:
        if self._seed is None:
            return None
        return streams_of_loop(loop, self._kernel, self._seed, next(self._drawing))

    def _over_work(self, work: WorkList, refused_loop: Callable[[], ast.stmt | None]) -> Step:
        """Run a loop over a work list, whose calls may be computed ahead."""
        __tracebackhide__ = True
        found = run_work(work, self._kernel, self._options, self._given, refused_loop)
        if isinstance(found, Refusal) or not found.begun or found.longest is None:
            return step_of(work.stmt, found if isinstance(found, Refusal) else found.why)
        what = f"{found.split.what} of a loop over `{work.name}`"
        reason = "computed ahead for the items that wait; the loop itself in order"
        stats, assumed = found.longest.stats, found.longest.assumed
        first, final = lines(work.stmt)
        return Step(first, final, "parallel", what, reason, stats=stats, assumed=assumed)

    def _with_consequence(self, refusal: Refusal) -> Refusal:
        """Add the consequence of a refusal to its reason."""
        lacking = ["no failure in it was collected"] if self._collect else []
        given = [name for name in OF_ITEMS if getattr(self._options, name) is not None]
        if given:
            lacking.append(f"{' and '.join(f'{name}=' for name in given)} did not hold for it")
        if not lacking:
            return refusal
        return Refusal(refusal.line, f"{refusal.reason}; so {', and '.join(lacking)}")


def _one_at_a_time(options: Options) -> bool:
    """Whether nothing may run beside the kernel's own thread."""
    return options.workers == 1 or options.backend == "serial"


def _serial(refusal: Refusal) -> SerialError:
    return SerialError(
        f"line {refusal.line} would run serially: {refusal.reason} "
        "(without strict it does, and the answer is the same)"
    )
