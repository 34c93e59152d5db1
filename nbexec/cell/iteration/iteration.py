"""Iteration: what runs in a worker for one item.  IterationRecord: what it sends back."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...errors import PickleError
from ...worker.item_errors import Partial, interrupts
from ...worker.warned import Warned
from ..analysis.object_facts import immutable, is_plain
from . import exceptions
from .boundary import HERE, Border, BorderOfFresh
from .effect_log import Entry, Log, Taken, Unsafe
from .environment import Luggage
from .guard import Guard, captured
from .held import Brought, Carried, HeldCode
from .memo_record import Again, Kept, MemoRecord, MemoUse, recording
from .set_order import REASON, disordered

SHORT = 1_000  # characters or bytes of a value that is sent along in case it is wanted


class IterationRecord(NamedTuple):
    """The record of an iteration: its effects and its names.

    Attributes
    ----------
    entries : list
        Its effects, in order.
    names : dict
        Values of the names that it bound, as far as they are cheap to send.
    missing : tuple of str
        Names that it bound to values that were not kept; running it again gives them.
    broke : bool
        Whether it reached the loop's ``break``.
    away : bool
        Whether it ran in another process.
    unguarded : bool
        Whether its inputs were not compared with what they were before.
    gone : tuple of str
        Names that it bound and deleted.
    defined : tuple of str
        Names of functions that it made.
    warned : tuple of Warned or bytes
        The warnings that it issued in another process, and its log records, packed.
    memo : MemoRecord or None
        What it did with memos.
    """

    entries: list[Entry]
    names: dict[str, Any]
    missing: tuple[str, ...]
    broke: bool = False
    away: bool = False
    unguarded: bool = False
    gone: tuple[str, ...] = ()
    defined: tuple[str, ...] = ()
    warned: tuple[Warned | bytes, ...] = ()
    memo: MemoRecord | None = None

    def __nbexec_exact__(self) -> None:
        """Mark that what it holds must not differ from what the plain loop would have made."""


@dataclass(frozen=True, slots=True)
class Last:
    """Marks the last item: all names that its iteration binds are needed."""

    item: Any
    __nbexec_alone__ = True  # it runs in no block

    def __repr__(self) -> str:
        return repr(self.item)

    def __nbexec_key__(self) -> Any:
        """Give the key in a journal: that of the item, since a record with more names will do."""
        return self.item.item if isinstance(self.item, Checked) else self.item


@dataclass(frozen=True, slots=True)
class Checked:
    """Wraps an item that may hold sets: one whose order would be another isn't sent."""

    item: Any

    def __repr__(self) -> str:
        return repr(self.item)

    def __nbexec_key__(self) -> Any:
        """Give the key in a journal: that of the item."""
        return self.item

    def __reduce__(self) -> Any:
        if disordered(self.item):
            raise PickleError(REASON)
        return Checked, (self.item,)


def checked(item: Any) -> Any:
    """Wrap an item if it may hold sets.

    Examples
    --------
    >>> checked(3), type(checked([{3}])).__name__
    (3, 'Checked')
    """
    return Checked(item) if may_hold_sets([item]) else item


def may_hold_sets(things: list[Any]) -> list[Any]:
    """Give those of `things` that may hold sets, as a glance at their types tells."""
    return [
        one
        for one in things
        if not immutable(type(one))
        and not (type(one) in (tuple, list, Taken) and all(map(immutable, set(map(type, one)))))
        and not is_plain(one)
    ]


class InKernel(Exception):
    """The iteration can only run in the kernel; `args[0]` says why."""


class Changed(InKernel):
    """The iteration changed one of its inputs, which the analysis had not found."""


@dataclass(repr=False)
class Iteration:
    """The function of an item that is given to `nbexec.map`.

    Attributes
    ----------
    func : function
        The body; see `rewrite.body_function`.
    names : tuple of str
        Names that the body binds.
    items : list or None
        All items, where the argument is a position: they are sent with the function, so
        that objects shared with captured names are shared in the worker too.
    home : str
        The process that has the user's namespace.
    label : str
        Its repr, where it is an item itself.
    keeps : bool
        Whether all names that it binds must come back, since it can't run again.
    guarded : bool
        Whether to check, in another process, that it didn't change its inputs.
    fresh : bool
        Whether each item was made for this run: nothing else refers to it, so that it need not
        be looked at, and what it gives may be a part of a copy.
    profile : Profile or None
        What its first items, which ran in the kernel, were like; it isn't sent.
    held : HeldCode or None
        What is sent in the place of `func`, where items bring entries of what it reads.
    memos : tuple of dict
        Dicts whose use is recorded; see `memo_record`.
    draws : bool
        Whether it draws random numbers from generators that are set for each item.
    """

    func: types.FunctionType
    names: tuple[str, ...] = ()
    items: list[Any] | None = None
    home: str = HERE
    label: str = ""
    keeps: bool = False
    guarded: bool = False
    fresh: bool = False
    profile: Any = None
    held: HeldCode | None = None
    memos: tuple[dict[Any, Any], ...] = ()
    draws: bool = False
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def __nbexec_key__(self) -> Any:
        """Give the key in a journal: the function first."""
        return self.func, self.names, self.items, self.keeps

    def __getstate__(self) -> dict[str, Any]:
        fields = (
            *("func", "names", "items", "home", "label", "keeps", "guarded", "fresh", "memos"),
            "draws",
        )
        self.keep_order()
        # First: they are there when the function is unpickled.
        first = {"_luggage": Luggage(), "held": self.held}
        state = {**first, **{name: getattr(self, name) for name in fields}, "_cache": {}}
        return state if self.held is None else {**state, "func": self.held.body}

    def keep_order(self) -> None:
        """Raise `PickleError` where a set that is sent along would have another order."""
        if "ordered" not in self._cache:
            sent = self.func if self.held is None else self.held
            self._cache["ordered"] = not disordered((sent, self.items, self.memos))
        if not self._cache["ordered"]:
            raise PickleError(REASON)

    def __repr__(self) -> str:
        return self.label or f"<Iteration over {self.names}>"

    @property
    def away(self) -> bool:
        """Whether this process is another than that of the user's namespace."""
        return self.home != HERE

    def __call__(self, item: Any) -> IterationRecord:
        if self.memos:
            found: IterationRecord = self._with_memos(item)
            return found
        carried = item.item if type(item) is Last else item
        if type(carried) is not Carried or self.held is None:
            return self._one(item, ())
        with self.held.holding() as hold:
            hold([carried])
            return self._one(item, carried.entries)

    def _with_memos(self, item: Any) -> Any:
        """Run an item that uses memos; give its record, or `Again` where only the kernel can."""
        log = Log()
        kept: Kept = self._cache.setdefault("kept", Kept())
        use = MemoUse(self.memos, kept, log)
        try:
            with recording(use):
                record = self._one(item, (), log)
                own = use.record()
                sent = self._sent(own, item)
        except Changed:
            raise
        except InKernel as why:
            return Again(str(why))
        kept.add(own)
        unseen = record.unguarded or bool(use.used and self.elsewhere)
        return record._replace(memo=sent, unguarded=unseen)

    def _sent(self, record: MemoRecord, item: Any) -> MemoRecord:
        """Give what an item did with memos as it can be sent."""
        log = Log()
        log.entries = [(number, (key, value)) for number, key, value in record.writes]
        item = self.unwrapped(item)[0]
        writes = [(number, *pair) for number, pair in self.declared(log, item)]
        for (_, _, before), (_, _, after) in zip(record.writes, writes, strict=True):
            if type(before) is tuple and before is not after:
                raise InKernel("it keeps a tuple with something of the kernel's in it")
        return record._replace(writes=writes)

    def _one(self, item: Any, entries: Sequence[Any], log: Log | None = None) -> IterationRecord:
        item, last = self.unwrapped(item)
        log = Log() if log is None else log
        guard = self.guard if self.guarded and self.elsewhere else None
        if guard is not None:
            seen = (item, entries) if entries else item
            guard.begin(None if self.items is not None or self.fresh else seen)
        try:
            with self.surroundings(log):
                bound = self.func(item, log, locals)
        except Unsafe as unsafe:
            self.strayed()
            raise InKernel(unsafe.reason) from None
        except BaseException as error:
            if interrupts(error):
                raise
            stopped = self.stopped(log, item, error)
        else:
            self.unchanged(guard)
            record = self.finished(log, item, bound, last)
            return record if guard is None else record._replace(unguarded=not guard.looked)
        self.unchanged(guard)
        raise stopped

    def unwrapped(self, item: Any) -> tuple[Any, bool]:
        """Give the item itself, and whether it is the last one."""
        last = type(item) is Last
        if last:
            item = item.item
        if type(item) in (Brought, Carried):
            item = item.item
        if isinstance(item, Checked):
            item = item.item
        return (item if self.items is None else self.items[item]), last

    def surroundings(self, log: Log) -> contextlib.AbstractContextManager[None]:
        """Keep warnings in another process, inside a `with` block."""
        if not self.elsewhere:
            return contextlib.nullcontext()
        luggage: Luggage = vars(self)["_luggage"]
        return luggage.inside(log.warned, self.func)

    @property
    def elsewhere(self) -> bool:
        """Whether this was sent here from another process."""
        luggage: Luggage | None = vars(self).get("_luggage")
        return luggage is not None and luggage.process != HERE

    @property
    def guard(self) -> Guard:
        if "guard" not in self._cache:
            things = captured(self.func)
            if self.items is not None and not self.fresh:
                things["the items"] = self.items
            self._cache["guard"] = Guard(things, draws=self.draws)
        found: Guard = self._cache["guard"]
        return found

    def unchanged(self, guard: Guard | None) -> None:
        """Raise `Changed` where the iteration changed one of its inputs."""
        name = guard.changed() if guard is not None else ""
        if name:
            what = name if name.startswith("the item") else f"`{name}`"
            raise Changed(f"something changed {what}, which nothing had shown")

    def finished(self, log: Log, item: Any, bound: dict[str, Any], last: bool) -> IterationRecord:
        unsafe = log.unsafe or self.strayed()
        if unsafe:  # raised and swallowed
            raise InKernel(unsafe)
        entries = self.declared(log, item)
        wanted = self.wanted(log, bound)
        every = last or log.broke or self.keeps
        names = self.sendable(wanted, item) if every else cheap(wanted, entries)
        missing = tuple(name for name in wanted if name not in names)
        if missing and (log.broke or self.keeps):
            raise InKernel(f"the value of `{missing[0]}` can't be sent from another process")
        record = IterationRecord(entries, names, missing, log.broke, self.elsewhere)
        noted = log.gone or log.defined or log.warned
        return record if not noted else _with_notes(record, log, bound)

    def strayed(self) -> str:
        """Say what the body looked up that no item has brought; "" for nothing."""
        return "" if self.held is None else self.held.strayed()

    def wanted(self, log: Log, bound: dict[str, Any]) -> dict[str, Any]:
        """Give the names that the body bound, except functions, which are made again."""
        return {
            name: bound[name] for name in self.names if name in bound and name not in log.defined
        }

    def stopped(self, log: Log, item: Any, error: BaseException) -> Exception:
        """Give the exception to raise instead of the body's."""
        unsafe = log.unsafe or self.strayed()
        if unsafe:
            return InKernel(unsafe)
        own = error.__traceback__
        trace = own.tb_next if own is not None else None
        bound = trace.tb_frame.f_locals if trace is not None else {}
        wanted = self.wanted(log, bound)
        try:
            entries = self.declared(log, item)
        except InKernel as reason:
            return reason
        names = self.sendable(wanted, item)
        faithful = not self.away or (exceptions.faithful(error) and not disordered(error))
        if len(names) < len(wanted) or not faithful:
            return InKernel("it raised, and left what can't be sent from another process")
        exceptions.trim(error)
        left = _with_notes(IterationRecord(entries, names, (), away=self.elsewhere), log, bound)
        return Partial(left, error)

    # ------------------------------------------------------------ what can be sent

    def declared(self, log: Log, item: Any) -> list[Entry]:
        """Give the entries as they can be sent."""
        try:
            if self.made:
                self.no_functions([payload for _, payload in log.entries])
            if not self.away:
                return log.entries
            declared = self.border.declare(log.entries, item)
            if disordered(may_hold_sets([one for _, one in declared])):
                raise Unsafe(REASON)
            return declared
        except Unsafe as unsafe:
            raise InKernel(unsafe.reason) from None

    def sendable(self, names: dict[str, Any], item: Any) -> dict[str, Any]:
        """Give those names whose values can be sent as they are."""
        if self.made:
            try:
                self.no_functions(names.values())
            except Unsafe as unsafe:
                raise InKernel(unsafe.reason) from None
        if not self.away:
            return names
        from ...serialize.returning import dumps

        found = {}
        for name, value in names.items():
            try:
                self.border.check([value], item)
                dumps(value, exact=True)
                if disordered(may_hold_sets([value])):
                    continue
            except (Exception, Unsafe):
                continue
            found[name] = value
        return found

    @property
    def border(self) -> Border:
        if "border" not in self._cache:
            given = self.func.__defaults__ or ()
            inputs = dict(zip(self.func.__code__.co_varnames[3:], given, strict=False))
            holders = () if self.held is None else self.held.holders
            kind = BorderOfFresh if self.fresh else Border
            self._cache["border"] = kind({**self.func.__globals__, **inputs}, holders)
        found: Border = self._cache["border"]
        return found

    @functools.cached_property
    def made(self) -> frozenset[types.CodeType]:
        """Code of the functions and generators that the body makes."""
        return frozenset(one for one in _codes(self.func.__code__) if not _inline(one))

    def no_functions(self, things: Any) -> None:
        """Raise `Unsafe` where a function of the body would leave: it would lose its names."""
        from ..analysis.aliases import LIMIT, TooLarge, allowance, reachable

        try:
            with allowance(10 * LIMIT):
                for thing in reachable(things):
                    code = None
                    if isinstance(thing, types.FunctionType):
                        code = thing.__code__
                    elif isinstance(thing, types.GeneratorType):
                        code = thing.gi_code
                    if code in self.made:
                        raise Unsafe("it gives a function that was made in the loop")
        except TooLarge:
            raise Unsafe("there is too much to see whether it gives a function") from None


@dataclass(repr=False)
class AwaitingIteration(Iteration):
    """An iteration that awaits: on the event loop, in the kernel's process."""

    async def __call__(self, item: Any) -> IterationRecord:  # type: ignore[override]
        item, last = self.unwrapped(item)
        log = Log()
        try:
            bound = await self.func(item, log, locals)
        except Unsafe as unsafe:
            raise InKernel(unsafe.reason) from None
        except GeneratorExit:  # the task was dropped
            raise
        except BaseException as error:
            stopped = self.stopped(log, item, error)
        else:
            return self.finished(log, item, bound, last)
        raise stopped


def _with_notes(record: IterationRecord, log: Log, bound: dict[str, Any]) -> IterationRecord:
    gone = tuple(sorted(name for name in log.gone if name not in bound))
    defined = tuple(sorted(log.defined))
    return record._replace(gone=gone, defined=defined, warned=tuple(log.warned))


def _inline(code: types.CodeType) -> bool:
    """Whether code is that of a comprehension, which runs at once."""
    if code.co_name == "<genexpr>":
        return not code.co_flags & inspect.CO_GENERATOR  # see `rewrite.body_function`
    return code.co_name in {"<listcomp>", "<setcomp>", "<dictcomp>"}


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def cheap(names: dict[str, Any], entries: list[Entry]) -> dict[str, Any]:
    """Give the names whose values are small, or sent anyway."""
    sent = {id(payload) for _, payload in entries}
    sent |= {id(part) for _, payload in entries if type(payload) is tuple for part in payload}
    return {
        name: value
        for name, value in names.items()
        if id(value) in sent
        or (immutable(type(value)) and (type(value) not in (str, bytes) or len(value) <= SHORT))
    }
