"""Entering: while a step runs, the user's functions that it calls hand over their loops."""

from __future__ import annotations

import ast
import builtins
import functools
import os
import sys
import threading
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...options.record import Options
from ...serialize.cloud_pickler import stands_for
from ...telemetry.stats import Stats
from ...worker.arithmetic import calls_back
from ..analysis.aliases import held
from ..analysis.analysis import Refusal
from ..callbacks.recognise import recognise
from ..execution import plain_first, replayed_key
from ..execution.loop_items import iterable, uncounted
from ..execution.watcher import Watcher
from ..pools import pool_notes
from ..pools.constructors import recognise_pool
from .callback_loop import CallbackLoop, PlainCall
from .function_loop import FunctionLoop, PlainLoop
from .handing_over import looked_up
from .instrument import (
    ENTER,
    MODULE,
    Instrumented,
    instrument,
    instrument_statement,
    sees_names,
)
from .loop_site import AtSite, LoopSite
from .reach import own_functions

OFTEN = 16  # entries of a loop, after which its time tells whether it is worth a look
DEEP = 8  # generators inside one another, which the room for frames of ours suffices for
BRIEF = 0.001  # seconds that an entry takes at most of one that isn't

# Functions that ask for these would see what is put into a function.
_SEEN = {"__code__", "f_locals", "f_code", "getsource", "dis", "settrace", "setprofile"}
MOST = 300  # functions whose code is kept
_sites: dict[int, LoopSite] = {}  # of the statements that run
_GONE = LoopSite(None, "", "", "", 0, off=True)  # of a statement that has ended
_made: OrderedDict[Any, Instrumented | None] = OrderedDict()
_current: list[Entering] = []  # the one that loops are handed over to


class _Enter(AtSite):
    """Hands a loop over that begins while a step runs."""

    def enter(self, source: Any) -> Any:
        site = self.site
        if not site.key:  # else what calls the key holds it, too
            source = uncounted(source)
        if site.off or not _current:
            return PlainLoop(source)
        if sys.exc_info()[0] is not None:  # of an `except` block, which no worker is in
            return PlainLoop(source)
        around = _current[0]
        if not around.here:
            return PlainLoop(source)
        given = [source]
        del source
        return around.begin(site, given)

    def call(self, callee: Any, /, *args: Any, **kwargs: Any) -> Any:
        around = _current[0] if _current else None
        if self.site.off or around is None or not around.here or sys.exc_info()[0] is not None:
            return PlainCall(callee, args, kwargs)
        return around.begin_call(self.site, callee, args, kwargs)


def _of_statement(number: int) -> AtSite:
    """Give what a cell's statement calls when a loop of it begins."""
    return _Enter(_sites.get(number, _GONE))


def _instrumented(function: types.FunctionType) -> Instrumented | None:
    """Give the instrumented code of a function; that of `MOST` functions is kept."""
    code = function.__code__
    seen = looked_up(code, function.__globals__)
    key = code, code.co_qualname, code.co_filename, function.__qualname__, seen
    if key not in _made:
        _made[key] = instrument(function, _Enter)
    _made.move_to_end(key)
    while len(_made) > MOST:
        _made.popitem(last=False)
    return _made[key]


@dataclass(frozen=True)
class LoopRecord:
    """A loop whose items went to workers.

    Attributes
    ----------
    site : LoopSite
        Where it is.
    what : str
        What kind of loop it is.
    skipped : int
        How many items the plain loop took at first.
    stats : Stats or None
        Statistics of the run.
    """

    site: LoopSite
    what: str
    skipped: int
    stats: Stats | None


class Entering:
    """The functions of the user's that one step calls, while it runs.

    Parameters
    ----------
    functions : callable
        Gives the functions.
    options : Options
        The options in force.
    given : dict
        The options that were given for this cell.
    strict : bool
        Whether a loop that could not run on workers is an error.

    Attributes
    ----------
    suspended : bool
        Whether functions run as they are.
    loops : list of LoopRecord
        What is to be said of loops whose items went to workers.
    declined : list of tuple
        Library calls whose calls of the user's function stayed here, and why.
    """

    def __init__(
        self,
        functions: Callable[[], Iterable[types.FunctionType]],
        options: Options,
        given: dict[str, Any],
        strict: bool = False,
    ) -> None:
        self.options = options
        self.given = given
        self.watcher = Watcher()
        self.thread = threading.get_ident()
        self.process = os.getpid()  # a process that is forked has no threads that could help
        self.deciding = threading.Lock()
        self.busy = False  # whether items of a loop are with workers
        self.inside = 0  # generators inside one another, each with a frame of ours
        self.suspended = True
        self.stopped = False  # whether that is so until the end
        self.loops: list[LoopRecord] = []
        self.declined: list[tuple[str, Refusal]] = []
        self.stayed: list[tuple[str, Refusal]] = []
        self.pools = pool_notes.PoolNotes()
        self._left: weakref.WeakSet[FunctionLoop] = weakref.WeakSet()
        self._numbers: list[int] = []  # of the loops of a statement
        self._closed = False
        self.strict = strict
        self._functions = functions
        self._namespace: dict[str, Any] = {}
        self._traced = sys.gettrace() is not None or sys.getprofile() is not None or calls_back()
        self._swapped: list[tuple[types.FunctionType, types.CodeType, Instrumented]] = []

    @classmethod
    def of(
        cls, node: ast.AST, namespace: dict[str, Any], options: Options, given: dict[str, Any]
    ) -> Entering:
        """Make one for the functions that a statement may call."""
        made = cls(lambda: own_functions(node, namespace), options, given)
        made._namespace = namespace
        return made

    @functools.cached_property
    def _reached(self) -> list[types.FunctionType]:
        return list(self._functions())

    def open(self) -> None:
        """Begin; this may be called from any thread."""
        if self._left_out() or self._swapped:
            return
        if any(_SEEN & set(one.__code__.co_names) for one in self._reached):
            return
        for function in self._reached:
            code = function.__code__
            made = _instrumented(function)
            if made is not None:
                stands_for[made.code] = code
                self._swapped.append((function, code, made))
                for site in made.sites:
                    site.entries, site.seconds, site.off = 0, 0.0, False
        if self._swapped:
            self._begin()

    def statement(self, stmt: ast.stmt, filename: str, flags: int) -> ast.stmt:
        """Give a statement of the cell, with the loops inside it handed over as well."""
        if self._left_out():
            return stmt
        asks = any("globals" in one.__code__.co_names for one in self._reached)
        if asks or sees_names(stmt):
            return stmt
        sites: dict[int, LoopSite] = {}
        made = instrument_statement(stmt, filename, flags, sites, self._namespace)
        self._numbers += sites
        _sites.update(sites)
        if made is None:
            return stmt
        self._begin()
        return made

    def _begin(self) -> None:
        if self not in _current:
            setattr(builtins, ENTER, _of_statement)
            _current.append(self)
            self.resume()

    def _left_out(self) -> bool:
        """Whether all runs as it is: a debugger looks, or a step calls what has steps."""
        if self._traced or self.stopped or any(one is not self for one in _current):
            return True
        return not plain_first.ENABLED or self.options.checkpoint is not None

    @property
    def here(self) -> bool:
        """Whether loops that begin in this thread are handed over."""
        here = os.getpid(), threading.get_ident()
        return not self.suspended and here == (self.process, self.thread)

    def __enter__(self) -> Entering:
        pool_notes.current.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.close()
        self._leave_pools()
        with self.deciding:  # no decision is under way that would have functions swapped again
            self._closed = True
            if self in _current:
                _current.remove(self)
            self.suspend()
        for number in self._numbers:
            _sites.pop(number, None)
        for loop in [*self._left]:
            loop.drop()  # an exception that is kept has its frame, and so the loop

    def _leave_pools(self) -> None:
        """Have pools be the library's alone again, and take in what became of their calls."""
        if self in pool_notes.current:
            pool_notes.current.remove(self)
        self.pools.finish()
        self.declined += self.pools.declined
        for where, what, stats in self.pools.taken:
            site = LoopSite(pool_notes.site_of(where), where.function, where.function, "", 0)
            self.loops.append(LoopRecord(site, what, 0, stats()))

    def begin(self, site: LoopSite, given: list[Any]) -> FunctionLoop | PlainLoop:
        """Give the loop that a function enters."""
        self._comes_to(site)
        source = given[0]
        if self.inside >= DEEP:
            return PlainLoop(source)
        if hasattr(type(source), "__next__"):
            del source
            shared = held(given)
            source = given[0]
            if shared:  # another one reads from it too
                return PlainLoop(source)
        given.clear()
        if not iterable(source):
            return PlainLoop(source)  # the loop itself says that it is no iterable
        if site.key:
            return self._begin_key(site, source)
        loop = FunctionLoop(site, source, self)
        if self.strict:
            loop.check(sys._getframe(2))
        return loop

    def begin_call(
        self, site: LoopSite, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> CallbackLoop | PlainCall:
        """Give the call of a library's that a function, or the cell, comes to."""
        self._comes_to(site)
        func = site.node.func
        name = func.attr if isinstance(func, ast.Attribute) else ""
        call = recognise(name, callee, args, kwargs)
        if call is None or not call.count:
            made = recognise_pool(callee, args, kwargs)
            return PlainCall(callee if made is None else made, args, kwargs)
        loop = CallbackLoop(site, call, self)
        if self.strict:
            loop.check(sys._getframe(2))
        return loop

    def _begin_key(self, site: LoopSite, source: Any) -> FunctionLoop | PlainLoop:
        """Give the loop of a `key=`, whose items are gone through twice."""
        if site.key == "list.sort" and type(source) is not list:
            return PlainLoop(source)
        both = replayed_key.for_both(source, site.key)
        if both is None:
            return PlainLoop(source)
        loop = FunctionLoop(site, both[1], self)
        loop.keyed = both[0]
        if self.strict:
            loop.check(sys._getframe(3))
        return loop

    def _comes_to(self, site: LoopSite) -> None:
        """Count an entry; what is entered often, and is brief, runs as it is from now on."""
        site.entries += 1
        if site.entries <= OFTEN or site.seconds >= BRIEF * site.entries:
            return
        site.off = True  # and its function, where all its loops are
        for function, code, made in self._swapped:
            if function.__code__ is made.code and all(one.off for one in made.sites):
                function.__code__ = code

    def suspend(self) -> None:
        """Have functions run as they are: they are looked at, sent, or run by workers."""
        self.suspended = True
        for function, code, made in self._swapped:
            if function.__code__ is made.code:
                function.__code__ = code

    def stop(self) -> bool:
        """Have functions run as they are until the end, since other statements are sent with them.

        Give False, and change nothing, where items of a loop are with workers.
        """
        with self.deciding:
            if self.busy:
                return False
            self.stopped = self.busy = True
            self.suspend()
        return True

    def go_on(self) -> None:
        """Have functions hand over their loops again, after `stop`."""
        with self.deciding:
            self.stopped = self.busy = False
            if self in _current:
                self.resume()

    @property
    def have_loops(self) -> bool:
        """Whether functions have loops that may be handed over."""
        return self in _current

    def resume(self) -> None:
        """Have functions hand over their loops again, unless the step has ended."""
        if self._closed or self.stopped:
            return
        for function, code, made in self._swapped:
            if function.__code__ is code and not all(one.off for one in made.sites):
                function.__code__ = made.code
        self.suspended = False

    def ran(self, loop: FunctionLoop) -> None:
        """Take in that items of a loop went to workers."""
        rest = loop.rest
        self.loops.append(LoopRecord(loop.site, rest.loop.what, rest.items.skipped, rest.stats))

    def leaves(self, loop: FunctionLoop) -> None:
        """Take in that items of a loop are with workers."""
        self._left.add(loop)

    def declines(self, site: LoopSite, what: str, refusal: Refusal) -> None:
        """Take in why the calls of a function that a library makes don't go to workers."""
        if site.name != MODULE:
            what += f" in `{site.function}`, line {site.line}"
        self.declined.append((what, refusal))

    def stays(self, site: LoopSite, what: str, refusal: Refusal) -> None:
        """Take in why a loop of a function stays as it is."""
        if site.name != MODULE and not self.stayed:
            self.stayed.append((f"{what} in `{site.function}`, line {site.line}", refusal))

    def ended(self, site: LoopSite, took: float) -> None:
        """Take in what a loop took that came to its end."""
        site.seconds += took

    @property
    def longest(self) -> LoopRecord | None:
        """The loop whose items took most of the time."""
        return max(self.loops, key=_seconds, default=None)


def _seconds(ran: LoopRecord) -> float:
    return ran.stats.elapsed if ran.stats is not None else 0.0
