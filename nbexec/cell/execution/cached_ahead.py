"""CachedAhead: a comprehension that calls a cache with its item, whose values come from workers.

It runs as it stands.  Before it gets an item, the function inside the cache is told the value
that workers have computed for it; the cache itself is called, and counts, as ever.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ...options.record import Options
from ...placement.auto import Evidence
from ..analysis.object_facts import frozen
from ..loops import rewrite
from ..loops.cached_calls import find_cached
from ..loops.evaluated_first import resolve
from ..loops.find import ItemLoop
from ..loops.folds import RESULT
from ..loops.split import Split
from .ahead import Ahead, first_accepted
from .in_kernel import StatementRunner
from .plain_first import PlainFirst


class CachedAhead(Ahead):
    """The rest of a comprehension; the parameters are those of `Ahead`, and the loop itself."""

    def __init__(
        self,
        loop: ItemLoop,
        split: Split,
        kernel: StatementRunner,
        plain: PlainFirst,
        options: Options,
        given: dict[str, Any],
        seen: Evidence,
    ) -> None:
        self._loop = loop
        self._given_out = False
        super().__init__(split, kernel, plain, options, given, seen)

    def __next__(self) -> Any:
        __tracebackhide__ = True
        if self._given_out:
            self._given_out = False
            self.ended(1, None)
        item = super().__next__()
        self.has(1)
        self._given_out = True
        return item

    def elements(self) -> Iterator[Any]:
        """Give the elements from here on."""
        __tracebackhide__ = True
        try:
            yield from self._over_items(self)
        finally:
            self._replay.finish()
            self._end()
            self._forget()
        if self._over and not self._through:
            yield from self._over_items(self.plain.iterator)

    def _over_items(self, items: Iterator[Any]) -> Iterator[Any]:
        with self._kernel.hidden(items):
            found: Iterator[Any] = self._kernel.evaluate(rewrite.rest_of(self._loop).body)
        return found


def cached_ahead_of(
    loop: ItemLoop,
    kernel: StatementRunner,
    plain: PlainFirst,
    options: Options,
    given: dict[str, Any],
    seen: Evidence,
) -> CachedAhead | None:
    """Give the rest of a comprehension that calls a cache; None where it can't be ahead."""
    found = loop.consumed
    if found is not None and found.folds is not None:
        first = _begins_with(loop, kernel, plain)
        if first is _NOTHING:
            return None
        kernel.namespace[RESULT] = first
    return first_accepted(
        lambda kept: find_cached(loop, kernel.namespace, kept),
        lambda split: CachedAhead(loop, split, kernel, plain, options, given, seen),
    )


def _begins_with(loop: ItemLoop, kernel: StatementRunner, plain: PlainFirst) -> Any:
    """Give what a fold begins with; `_NOTHING` where that isn't known or may be changed."""
    call = next(
        (
            part
            for part in ast.walk(loop.stmt)
            if isinstance(part, ast.Call) and loop.place in part.args
        ),
        None,
    )
    if call is None:
        return _NOTHING
    first: Any
    if len(call.args) > 2:
        given = call.args[2]
        if isinstance(given, ast.Constant):
            first = given.value
        elif isinstance(given, ast.Tuple):
            first = ()
        else:
            first = resolve(given, kernel.namespace)
    else:
        source: Any = plain.source
        first = source[0] if type(source) in (list, tuple, range) and source else None
    return first if frozen(first) and first is not None else _NOTHING


_NOTHING: Any = object()
