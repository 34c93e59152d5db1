"""How a loop ends: effects in order, then its names, then what the loop itself raised."""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from ..errors import PickleError
from . import rewrite
from .crossing import arrived
from .effects import Effects
from .items import Items
from .iteration import InKernel, Iteration, Last, Record, Stopped
from .kernel import Kernel
from .log import Unsafe
from .loops import Loop
from .raised import trimmed


class Ending:
    """The part of a loop's run that comes when its items are through.

    Attributes
    ----------
    reason : str
        Why its later items ran in the kernel; "" where none did.
    value : object
        What the statement gave, if it is an expression.
    """

    loop: Loop
    kernel: Kernel
    items: Items
    reason = ""
    value: Any = None
    _iteration: Iteration
    _body: Any
    _records: list[Record]

    def entries(self, index: int, record: Record) -> list[tuple[int, Any]]:
        """Give the effects of an iteration, with the objects that they are about."""
        item = self.items.taken[index]
        return [(site, arrived(what, self.kernel.namespace, item)) for site, what in record.entries]

    def serial(self, source: Any) -> Any:
        """Run the statement as it stands, over the items of `source`."""
        __tracebackhide__ = True
        with self.kernel.hidden(self.kernel.over(source)):
            return self.kernel.statement(rewrite.with_hidden(self.loop, whole=False))

    def fall_back(self, error: BaseException, done: int) -> None:
        """Note why items from `done` on run in the kernel."""
        why = str(error).partition(". ")[0]
        self.reason = f"from item {done:,} on in the kernel: {why}"

    # ------------------------------------------------------------ a for loop

    def end_for(self, error: BaseException | None) -> None:
        """Leave what the loop leaves; `error` is what ended it, or how it was found wanting."""
        __tracebackhide__ = True
        namespace = self.kernel.namespace
        effects = Effects(namespace, [*self.loop.sites.values()])
        broke = next((at for at, one in enumerate(self._records) if one.broke), None)
        if broke is not None:
            self._records, error = self._records[: broke + 1], None
        records = [*self._records, error.record] if isinstance(error, Stopped) else self._records
        done = 0
        try:
            for record in records:
                effects.apply(self.entries(done, record))
                done += 1
        except Unsafe as unsafe:
            error, broke = InKernel(unsafe.reason), None
        if isinstance(error, Stopped):
            done -= 1
            self._settle(done, set(error.record.names))
            with contextlib.suppress(Exception):  # the unpacking may be what raised
                self._assign_target(done)
            namespace.update(error.record.names)
            raise users(error.error)
        self._settle(done, set())
        if error is not None and not isinstance(error, InKernel | PickleError):
            raise error
        if error is not None:
            self.fall_back(error, done)
        if broke is not None:
            return
        if error is not None or not self.items.over:
            self.serial(self.items.rest(done))
        else:
            self.kernel.execute(self.loop.node.orelse)  # type: ignore[union-attr]

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
                    again = Iteration(self._body, self._iteration.names)
                    names = again(Last(self.items.taken[index])).names
                    found |= {name: names[name] for name in lost if name in names}
            self.kernel.namespace.update(found)
            wanted -= set(found) | lost

    def _assign_target(self, index: int) -> None:
        with self.kernel.hidden(self.items.taken[index]):
            self.kernel.execute([rewrite.assignment(self.loop)])

    # ------------------------------------------------------------ a comprehension

    def end_comprehension(self, error: BaseException | None) -> None:
        """Put what the items gave where the comprehension stands."""
        __tracebackhide__ = True
        done = len(self._records)
        elements = self._elements()
        node = self.loop.node
        if isinstance(error, Stopped):
            raised = users(error.error)
            if self.loop.place is not node and raised.__traceback__ is not None:
                raised.__traceback__ = raised.__traceback__.tb_next  # the kernel's own stays
            elements = itertools.chain(elements, _raising(raised))
        elif isinstance(error, InKernel | PickleError):
            self.fall_back(error, done)
        elif error is not None:
            raise error
        if isinstance(error, InKernel | PickleError) or (error is None and not self.items.over):
            with self.kernel.hidden(self.items.rest(done)):
                rest = self.kernel.evaluate(rewrite.rest_of(self.loop).body)
            elements = itertools.chain(elements, rest)
        whole: Any = elements
        if isinstance(node, ast.ListComp):
            whole = list(elements)
        elif isinstance(node, ast.SetComp):
            whole = set(elements)
        elif isinstance(node, ast.DictComp):
            whole = dict(elements)
        with self.kernel.hidden(whole):
            self.value = self.kernel.statement(rewrite.with_hidden(self.loop, whole=True))

    def _elements(self) -> Iterator[Any]:
        for index, record in enumerate(self._records):
            for _, values in self.entries(index, record):
                yield from values


def users(error: BaseException) -> BaseException:
    """Give an exception without frames of ours."""
    return error.with_traceback(trimmed(error.__traceback__))


def _raising(error: BaseException) -> Iterator[Any]:
    raise error
    yield
