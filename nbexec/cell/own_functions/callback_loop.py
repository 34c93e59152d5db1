"""CallbackLoop: the calls of a function of the user's that a library's call makes."""

from __future__ import annotations

import functools
import time
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ...placement.auto import Evidence
from ...telemetry.wording import seconds
from ..analysis.analysis import Refusal
from ..callbacks.call import CallbackCall
from ..callbacks.call_run import CallItems, CallRun, loop_of
from ..callbacks.coming_arguments import Arguments, arguments_of, matcher
from ..callbacks.stand_in import END, StandIn
from ..execution.in_kernel import Cell, StatementRunner
from ..execution.loop_items import Items
from .function_loop import Around, FunctionLoop
from .loop_site import LoopSite

# Seconds, of which a note takes up to 0.4 µs: of shorter calls none is taken any more.  A row or
# a group takes longer to make once more than to use briefly.
BRIEF, BRIEF_IF_MADE = 3e-6, 10e-6


class PlainCall:
    """A call that runs as it is."""

    def __init__(self, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.callee: Any = callee
        self.args, self.kwargs = args, kwargs

    def end(self, value: Any) -> Any:
        """Take in that it has ended, and give what it gave."""
        self.callee, self.args, self.kwargs = None, (), {}
        return value


class CallbackLoop(FunctionLoop):
    """A library's call, whose calls of the user's function begin as they would anyway.

    The library calls a stand-in.  Once it turned out that the calls are worth it, what is left
    of them is computed on workers, and the stand-in answers with that, in order.  Where it is
    called with anything else than was foreseen, it is the user's function from there on.

    Attributes
    ----------
    callee : callable
        What is to be called.
    args, kwargs : tuple and dict
        With what.
    """

    def __init__(self, site: LoopSite, call: CallbackCall, around: Around) -> None:
        self._call = call
        self._given: Arguments | None = None
        self._brief = BRIEF_IF_MADE if call.made else BRIEF
        self._at = 0
        self._through = 0
        self._values: Iterator[Any] = iter(())
        super().__init__(site, range(call.count), around)
        self._stand_in = StandIn(call.function)
        me = weakref.ref(self)  # no circle: it would keep the arguments
        self._stand_in.look(iter(self), _after(me), _failed(me))
        self.callee: Any = call.callee
        self.args, self.kwargs = call.given(self._stand_in.made)

    def end(self, value: Any) -> Any:
        """Take in that the call has ended, and give what it gave."""
        self._handed_over()  # takes in what it took
        if not self._finished and self.refusal is None:
            took = seconds(time.perf_counter() - self._begun)
            why = self._stays or f"all of it took {took}: workers would not pay"
            self._around.declines(self.site, self._call.what, Refusal(self.site.line, why))
        self._close()
        self.callee, self.args, self.kwargs = None, (), {}
        return value

    def _close(self) -> None:
        """Note nothing any more, and hold nothing."""
        self._stand_in.plain()
        self.drop()
        self._values = iter(())
        self._given = None
        self._let_go()

    # ------------------------------------------------------------ called by the stand-in

    def stop(self) -> None:
        """Note nothing any more: the function raised."""
        self._stand_in.plain()

    def after(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer the first call of which no note is taken."""
        __tracebackhide__ = True
        if not self._handed_over() or self._given is None:
            self._stand_in.plain()
            return self._call.function(*args, **kwargs)
        self._finish()
        self._values = self.rest.elements_so_far()
        self._matches = matcher(self.rest.items.taken, self._call.varying)
        self._stand_in.answer(self.answer)
        return self.answer(args, kwargs)

    def answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call with what workers computed."""
        __tracebackhide__ = True
        if self._at < self._through and self._foreseen(args, kwargs):
            self._at += 1
            value = next(self._values, END)
            if value is not END:
                return value
        self._close()
        return self._call.function(*args, **kwargs)

    def _foreseen(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        given, several = self._given, self._call.varying
        assert given is not None
        more, named = args[several:], given.named or {}
        if len(more) != len(given.more) or kwargs.keys() != named.keys():
            return False
        if any(one is not other for one, other in zip(more, given.more, strict=True)):
            return False
        if any(kwargs[name] is not named[name] for name in named):
            return False
        return self._matches(self._at, args)

    # ------------------------------------------------------------ before the rest leaves

    def decide(self, seen: Evidence, position: int, running: bool) -> bool:
        """Give whether the calls from `position` on go to workers."""
        if not running and seen.wall < self._brief * seen.items:
            self.plain.stay()
        leaves = super().decide(seen, position, running) if not self.plain.stayed else False
        if self.plain.stayed:
            self._stand_in.plain()
        if self.refusal is not None:
            self._around.declines(self.site, self._call.what, self.refusal)
        return leaves

    def prepare(self) -> None:
        """Collect the arguments of all calls, and make a loop of these."""
        if self._given is None:
            self._given = arguments_of(self._call, self.site.line)
        self._around.suspend()
        scope = {**_globals_of(self._call.function)}
        kernel = StatementRunner(Cell(self.site.filename, [], self.site.flags), scope)
        loop = loop_of(self._call, self._given, self.site.node, scope)
        self.rest = CallRun(loop, kernel, self._call)
        self.rest.may_record = self.rest.in_function = True

    def _settle_from(self, frame: types.FrameType) -> None:
        try:
            self.prepare()
            self.rest.settle(self.items_from(0), self.options)
        finally:
            self._let_go()

    def items_from(self, position: int) -> Items:
        """Give the arguments of the calls from `position` on."""
        assert self._given is not None
        if position >= len(self._given.items):
            raise Refusal(self.site.line, "it calls its function more often than was foreseen")
        return CallItems(self._given.items, self._call.source, position)


def _globals_of(function: Any) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    found: dict[str, Any] = getattr(function, "__func__", function).__globals__
    return found


def _after(loop: weakref.ref[CallbackLoop]) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    def after(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        found = loop()
        assert found is not None  # the frame that makes the call has it
        return found.after(args, kwargs)

    return after


def _failed(loop: weakref.ref[CallbackLoop]) -> Callable[[], None]:
    def failed() -> None:
        found = loop()
        if found is not None:
            found.stop()

    return failed
