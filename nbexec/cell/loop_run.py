"""One loop, run item by item: its items out, its effects in, in order, then its names."""

from __future__ import annotations

import ast
import contextlib
import itertools
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import PickleError
from ..knobs import Options
from ..model import Failure
from ..state import Stats
from . import rewrite
from .aliases import TooLarge, held
from .analysis import Analysis, Refusal
from .body import examine
from .crossing import HERE, arrived
from .effects import Effects, Unsafe
from .items import Items
from .iteration import InKernel, Iteration, Last, Record, Stopped
from .loops import Loop
from .plan import Cell
from .raised import trimmed

HIDDEN = rewrite.HIDDEN


class LoopRun:
    """One run of a loop.

    Attributes
    ----------
    stats : Stats or None
        Of the run, once there was one.
    refusal : Refusal or None
        Why it ran serially, all of it.
    reason : str
        Why its later items ran serially; "" where none did.
    value : object
        What the statement gave, if it is an expression.
    """

    def __init__(self, loop: Loop, cell: Cell, namespace: dict[str, Any]) -> None:
        self.loop = loop
        self.cell = cell
        self.namespace = namespace
        self.stats: Stats | None = None
        self.refusal: Refusal | None = None
        self.reason = ""
        self.value: Any = None
        self._records: list[Record] = []

    def run(self, options: Options, given: dict[str, Any]) -> None:
        """Run it; what it raises is what the statement would raise.

        Parameters
        ----------
        options : Options
            Those in force.
        given : dict
            Those that were given for this cell, which `nbexec.map` gets.
        """
        __tracebackhide__ = True
        expression = ast.fix_missing_locations(ast.Expression(self.loop.iter))
        fresh = [self._evaluate(expression)]
        shared = held(fresh)
        self.items = Items(fresh.pop())
        try:
            if shared:
                text = ast.unparse(self.loop.iter)
                raise Refusal(self.loop.line, f"takes its items from `{text}`, an iterator")
            analysis = self._examine()
            given = given | self._backend(analysis, options)
            indexed = self._sharing(analysis, options)
        except Refusal as refusal:
            self.refusal = refusal
            source = self.items.rest(0) if self.items.lazy else self.items.source
            self.value = self._serial(source)
            return
        self._body = rewrite.body_function(
            self.loop, self.namespace, self.cell.filename, self.cell.flags
        )
        known = self.items.known if indexed else None
        home = HERE if options.checkpoint is None else ""
        self.iteration = Iteration(self._body, tuple(sorted(self.loop.made)), known, home)
        feed = self.items.feed(indexed)
        error = self._map(feed, analysis, {**given, "name": options.name or self._name()})
        if isinstance(self.loop.node, ast.For):
            self._end_for(error)
        else:
            self._end_comprehension(error)

    # ------------------------------------------------------------ before

    def _examine(self) -> Analysis:
        items, loop = self.items, self.loop
        if items.changing:
            raise Refusal(loop.line, "its items are iterators, which reading changes")
        if items.lazy and loop.stops:
            raise Refusal(loop.line, f"{loop.what} may stop before it has taken every item")
        return examine(loop, self.namespace, items.expected, [items.source], items.lazy)

    def _backend(self, analysis: Analysis, options: Options) -> dict[str, Any]:
        """Give the options that keep each worker to one item at a time, where that matters."""
        if analysis.one_thread is None or options.backend == "serial":
            return {}
        if options.backend == "auto":
            return {"backend": "processes"}
        if _leaves(options):
            return {}
        line, reason = analysis.one_thread
        raise Refusal(line, f"{reason}; backend='processes' can run it")

    def _sharing(self, analysis: Analysis, options: Options) -> bool:
        """Whether items must be sent along with what the body reads, since they are part of it."""
        captured = analysis.captured.values()
        if self.items.expected.frozen or not captured or not _leaves(options):
            return False
        if self.items.lazy:
            try:
                self.items.keep_apart(captured)
            except TooLarge:
                reason = "there is too much to see whether its items are part of what it reads"
                raise Refusal(self.loop.line, reason) from None
        return not self.items.lazy

    def _name(self) -> str:
        target, source = ast.unparse(self.loop.target), ast.unparse(self.loop.iter)
        name = f"for {target} in {source}"
        return name if len(name) <= 60 else f"{name[:59]}…"

    # ------------------------------------------------------------ the run

    def _map(
        self, feed: Iterable[Any], analysis: Analysis, given: dict[str, Any]
    ) -> BaseException | None:
        """Run the items; keep the records before the first that has none, and why it has none."""
        from ..api import map

        results: Any = None
        ended: BaseException | None = None
        try:
            with _by_value(analysis.modules):
                results = map(self.iteration, feed, **{**given, "on_error": "raise"})
        except (Exception, KeyboardInterrupt) as error:
            ended = error
            results = getattr(error, "partial_results", None)
            if results is not None:
                error.partial_results = None  # type: ignore[union-attr]
        self.stats = getattr(results, "stats", None)
        finished = itertools.takewhile(lambda one: not isinstance(one, Failure), results or ())
        self._records = list(finished)
        return ended

    def _entries(self, index: int, record: Record) -> list[tuple[int, Any]]:
        item = self.items.taken[index]
        return [(site, arrived(what, self.namespace, item)) for site, what in record.entries]

    # ------------------------------------------------------------ a for loop's end

    def _end_for(self, error: BaseException | None) -> None:
        __tracebackhide__ = True
        effects = Effects(self.namespace, [*self.loop.sites.values()])
        done = 0
        records = [*self._records, error.record] if isinstance(error, Stopped) else self._records
        try:
            for record in records:
                effects.apply(self._entries(done, record))
                done += 1
        except Unsafe as unsafe:
            error = InKernel(unsafe.reason)
        if isinstance(error, Stopped):
            done -= 1
            self._settle(done, set(error.record.names))
            with contextlib.suppress(Exception):  # the unpacking may be what raised
                self._assign_target(done)
            self.namespace.update(error.record.names)
            raise _users(error.error)
        self._settle(done, set())
        if error is not None and not isinstance(error, InKernel | PickleError):
            raise error
        if error is not None:
            self._fall_back(error, done)
        if error is not None or not self.items.over:
            self._serial(self.items.rest(done))
        else:
            self._execute(self.loop.node.orelse)  # type: ignore[union-attr]

    def _settle(self, done: int, later: set[str]) -> None:
        """Bind the names as the first `done` iterations left them, but for those set `later`."""
        if done:
            self._assign_target(done - 1)
        wanted = set(self.loop.made) - later
        for index in range(done - 1, -1, -1):
            if not wanted:
                break
            record = self._records[index]
            found = {name: record.names[name] for name in wanted & set(record.names)}
            lost = wanted & set(record.missing)
            if lost:  # run it again: it has no effects of its own
                with contextlib.suppress(Stopped, InKernel):
                    again = Iteration(self._body, self.iteration.names)
                    names = again(Last(self.items.taken[index])).names
                    found |= {name: names[name] for name in lost if name in names}
            self.namespace.update(found)
            wanted -= set(found) | lost

    def _assign_target(self, index: int) -> None:
        with self._hidden(self.items.taken[index]):
            self._execute([rewrite.assignment(self.loop)])

    def _fall_back(self, error: BaseException, done: int) -> None:
        why = str(error).partition(". ")[0]
        self.reason = f"from item {done:,} on in the kernel: {why}"

    # ------------------------------------------------------------ a comprehension's end

    def _end_comprehension(self, error: BaseException | None) -> None:
        __tracebackhide__ = True
        done = len(self._records)
        elements = self._elements()
        node = self.loop.node
        if isinstance(error, Stopped):
            elements = itertools.chain(elements, _raising(_users(error.error)))
        elif isinstance(error, InKernel | PickleError):
            self._fall_back(error, done)
        elif error is not None:
            raise error
        if isinstance(error, InKernel | PickleError) or (error is None and not self.items.over):
            with self._hidden(self.items.rest(done)):
                rest = self._evaluate(rewrite.rest_of(self.loop))
            elements = itertools.chain(elements, rest)
        whole: Any = elements
        if isinstance(node, ast.ListComp):
            whole = list(elements)
        elif isinstance(node, ast.SetComp):
            whole = set(elements)
        elif isinstance(node, ast.DictComp):
            whole = dict(elements)
        with self._hidden(whole):
            self.value = self._statement(rewrite.with_hidden(self.loop, whole=True))

    def _elements(self) -> Iterator[Any]:
        for index, record in enumerate(self._records):
            for _, values in self._entries(index, record):
                yield from values

    # ------------------------------------------------------------ in the kernel

    def _serial(self, source: Iterable[Any]) -> Any:
        """Run the statement as it stands, over the items of `source`."""
        __tracebackhide__ = True
        with self._hidden(_Once(self.namespace, source)):
            return self._statement(rewrite.with_hidden(self.loop, whole=False))

    @contextlib.contextmanager
    def _hidden(self, thing: Any) -> Iterator[None]:
        """Have `thing` in the namespace, under a name of ours, for a moment."""
        self.namespace[HIDDEN] = thing
        try:
            yield
        finally:
            self.namespace.pop(HIDDEN, None)

    def _statement(self, stmt: ast.stmt) -> Any:
        return run_statement(stmt, self.cell, self.namespace)

    def _execute(self, body: list[ast.stmt]) -> None:
        for stmt in body:
            run_statement(ast.copy_location(stmt, stmt), self.cell, self.namespace, value=False)

    def _evaluate(self, expression: ast.Expression) -> Any:
        __tracebackhide__ = True
        cell = self.cell
        code = compile(expression, cell.filename, "eval", flags=cell.flags, dont_inherit=True)
        return eval(code, self.namespace)


def _leaves(options: Options) -> bool:
    """Whether items may run in other processes."""
    if options.backend == "auto":
        return True
    from ..backends import get_backend

    return bool(getattr(get_backend(options.backend), "remote", True))


class _Once:
    """Items under a name that is gone as soon as the iteration begins."""

    def __init__(self, namespace: dict[str, Any], source: Iterable[Any]) -> None:
        self._namespace = namespace
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        self._namespace.pop(HIDDEN, None)
        return iter(self._source)


def run_statement(stmt: ast.stmt, cell: Cell, namespace: dict[str, Any], value: bool = True) -> Any:
    """Run a statement in the namespace; give the value of an expression, if it is wanted."""
    __tracebackhide__ = True
    tree: ast.Module | ast.Expression
    if value and isinstance(stmt, ast.Expr):
        tree, mode = ast.Expression(stmt.value), "eval"
    else:
        tree, mode = ast.Module([stmt], type_ignores=[]), "exec"
    ast.fix_missing_locations(tree)
    code = compile(tree, cell.filename, mode, flags=cell.flags, dont_inherit=True)
    return eval(code, namespace)


def _users(error: BaseException) -> BaseException:
    return error.with_traceback(trimmed(error.__traceback__))


def _raising(error: BaseException) -> Iterator[Any]:
    raise error
    yield


@contextlib.contextmanager
def _by_value(modules: Iterable[types.ModuleType]) -> Iterator[None]:
    """Have workers get the user's own modules as they are now, not as their files are."""
    if not modules:
        yield
        return
    import cloudpickle

    registered = []
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
        registered.append(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)
