"""Analysis: the state of one abstract interpretation of a loop's body.

The body, and each function that it calls, is interpreted over `abstract_values.Value`
instead of real values.  An iteration may change objects that it made itself; changing a
shared object, or using hidden state, is a `Refusal`.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from . import source
from .abstract_values import FROZEN, SHARED, UNKNOWN, Value, join, shallow, value_of
from .accumulators import Site
from .aliases import TooLarge, generations
from .arguments import Args
from .heap import Heap
from .memos import Memos
from .object_facts import read_once
from .own_reads import NotAlone, OwnRead, OwnReads

LARGEST = 2_000  # functions looked into, each for each kind of arguments; about 0.5 s
MOST_ROUNDS = 50  # rounds through the whole body until nothing is added; 2 or 3 are usual
DEEPEST = 40  # calls inside calls
LONG = 1_000  # items of a tuple: what it holds is looked at once, not at each mention

T = TypeVar("T")


class Refusal(Exception):
    """Something can't be shown to be safe: the line, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def refuse(node: ast.AST, reason: str) -> NoReturn:
    """Raise a `Refusal` about a part of the source."""
    raise Refusal(getattr(node, "lineno", 0), reason)


def makes_entries(thing: Any) -> bool:
    """Whether looking up a missing key in a container adds it."""
    return isinstance(thing, defaultdict) and thing.default_factory is not None


class Analysis:
    """The state of the analysis of one body, and of all that it calls.

    Parameters
    ----------
    enter : callable
        Looks into a function of the user's, called with these arguments; gives what it returns.
    namespace : dict
        The notebook's names, as they are when the loop begins.
    changed : collection of str
        Names of the namespace that the loop itself changes.
    sites : mapping
        The statements whose effects are applied afterwards.
    unknown : collection of str
        Names whose values aren't known yet, whatever the namespace has.
    ahead : bool
        Whether the code may run ahead of earlier statements: then it must not read a clock.
    """

    def __init__(
        self,
        enter: Callable[[Analysis, types.FunctionType, Args], Value],
        namespace: dict[str, Any],
        changed: Iterable[str],
        sites: dict[ast.stmt, Site],
        unknown: Iterable[str] = (),
        ahead: bool = False,
    ) -> None:
        self.enter = enter
        self.namespace = namespace
        self.changed = frozenset(changed)
        self.sites = sites
        self.unknown = frozenset(unknown)
        self.ahead = ahead
        self.awaits = False  # whether the body itself may await
        self.places: dict[str, str] = {}  # accumulators with a place for each item, and its key
        self.draws: dict[int, Any] = {}  # generators whose numbers come from each item's stream
        self.carried: dict[str, Value] = {}  # what the loop changes and may read: it runs in order
        self.caches: set[int] = set()  # those of `functools` that are called in the loop's order
        self.heap = Heap()
        self.reads: dict[str, int] = {}  # names of the namespace, and where first
        self.modules: set[types.ModuleType] = set()  # of the user's, with functions in use
        self.one_thread: tuple[int, str] | None = None  # why it can't run beside itself
        # Why it can't run in another process; the second is so if such a set is there.
        self.one_process: tuple[int, str] | None = None
        self.set_from_outside: tuple[int, str] | None = None
        self.involved: dict[type, tuple[int, bool]] = {}  # the user's classes: line, shared
        self.gives = FROZEN  # what operators, iteration and the like give of such classes
        self.captured: dict[int, Any] = {}  # what it reaches that isn't frozen, by id
        self.entries = False  # whether it reaches a defaultdict, which looking up changes
        self.keys: dict[str, list[Any]] = {}  # what the loop's targets are bound to, if known
        self.own_reads: OwnReads | None = None  # what is read at the item's own keys alone
        self.memos: Memos | None = None  # dicts that keep what was computed, where they may
        self.entered: dict[int, types.FunctionType] = {}  # the user's functions, by id
        self.rebound: Counter[str] | None = None  # where the loop binds each name, if it is known
        self.plain: dict[int, bool] = {}  # whether what it reads holds numbers and texts alone
        self.hashing = 0  # methods around that are called to look something up by its hash
        self.libraries: list[str] = []  # whose code it gives something that can be changed
        self._looked: dict[int, int] = {}  # entries that were looked through, of a container
        self._frozen: dict[int, tuple[Any, Value]] = {}  # tuples that were looked through
        self._seen: set[type] = set()  # classes whose attributes were taken in
        self._memo: dict[Any, Value] = {}
        self._active: dict[Any, Value] = {}
        self._recursive: set[Any] = set()
        self._calls = 0
        things = list(namespace.values())
        # In the order of the names, so that of several reasons the same one is told each time.
        kinds = dict.fromkeys(one if isinstance(one, type) else type(one) for one in things)
        self._classes = [kind for kind in kinds if _own_class(kind)]

    def run(self, look: Callable[[], T]) -> T:
        """Call `look` until nothing is added.

        Raises
        ------
        Refusal
            The body isn't safe.
        """
        for _ in range(MOST_ROUNDS):
            self.heap.grown = False
            try:
                found = look()
                self._check_operators()
            except RecursionError:
                raise Refusal(0, "is nested too deeply to be looked through") from None
            if not self.heap.grown:
                return found
            self._memo.clear()
        raise Refusal(0, "does too much to be looked through")

    @property
    def anywhere(self) -> bool:
        """Whether the code may run in any thread, and in any process."""
        return not (self.one_thread or self.one_process or self.set_from_outside)

    # ------------------------------------------------------------ names

    def lookup(self, name: str, scope: dict[str, Any], line: int) -> Value:
        """Describe a global name, as functions with the globals `scope` see it."""
        if scope is self.namespace:
            if name in self.carried:
                return self.carried[name]
            if name in self.changed:
                raise Refusal(line, f"reads `{name}`, which the loop changes")
            self.reads.setdefault(name, line)
            if name in self.unknown:
                self.involve_every(line)
                return SHARED
        if name in scope:
            return self.capture(scope[name], line)
        if hasattr(builtins, name):
            return value_of(getattr(builtins, name))
        return SHARED  # a NameError, when the cell runs

    def steady(self, name: str, scope: dict[str, Any]) -> bool:
        """Whether a global name is one of the notebook's, and keeps a value that is known."""
        if name not in scope or name not in self.namespace:
            return False
        changes = scope is self.namespace and (name in self.changed or name in self.unknown)
        return scope[name] is self.namespace[name] and not changes

    def take_in_entries(self, read: OwnRead, line: int) -> None:
        """Take in that entries of a container are used, each by the items whose own it is."""
        for kind in set(map(type, read.entries)):
            self.involve(kind, line, shared=True)
        if len(read.entries) != self._looked.get(id(read.container)):
            self._looked[id(read.container)] = len(read.entries)
            self.involve_all(read.entries, line)

    def possible(self, name: str) -> list[Any] | None:
        """Give the objects that a name of the body itself stands for; None if not known."""
        if self._active or self.rebound is None:
            return None  # in a function it is another name
        if name in self.keys:
            return self.keys[name]
        bound = self.rebound[name] or name in self.changed or name in self.unknown
        return None if bound or name not in self.namespace else [self.namespace[name]]

    def keeps(self, node: ast.AST, into: Value, value: Value) -> bool:
        """Whether an entry is stored in a memo, which is recorded."""
        if self.memos is None or not into.shared:
            return False
        before = self.memos.state()
        if not self.memos.stores(node, into, value):
            return False
        if self.own_reads is not None and id(into.known) in self.own_reads.found:
            raise NotAlone(id(into.known))
        # What was found of its entries before that was seen may not hold.
        self.heap.grown = self.heap.grown or self.memos.state() != before
        return True

    def capture(self, thing: Any, line: int) -> Value:
        """Describe an outer object, and take in that it is used."""
        found = self._value(thing)
        if isinstance(thing, types.FunctionType):
            self._use_module(thing.__globals__)
        elif isinstance(thing, type):
            self._capture_class(thing, line)
        elif isinstance(thing, types.ModuleType):
            pass
        elif found.shared and id(thing) not in self.captured:
            if self.own_reads is not None and id(thing) in self.own_reads.found:
                raise NotAlone(id(thing))  # before all of it is looked through
            self.captured[id(thing)] = thing
            self.involve_all([thing], line, inside=True)
        self.involve(thing if isinstance(thing, type) else type(thing), line, shared=True)
        return found

    def _value(self, thing: Any) -> Value:
        """Describe a real object; a long tuple is looked through once."""
        if not isinstance(thing, tuple | frozenset) or len(thing) < LONG:
            return value_of(thing)
        if id(thing) not in self._frozen:
            self._frozen[id(thing)] = thing, value_of(thing)
        return self._frozen[id(thing)][1]

    def _capture_class(self, kind: type, line: int) -> None:
        """Take in that the class attributes of a user's class may be used."""
        if kind in self._seen:
            return
        self._seen.add(kind)
        for base in filter(_own_class, kind.__mro__):
            for name, raw in list(vars(base).items()):
                if not (name.startswith("__") or isinstance(raw, _METHODS)):
                    self.capture(raw, line)

    def involve_all(self, things: Sequence[Any], line: int, inside: bool = False) -> None:
        """Take in that any object reachable from `things` may be used.

        With `inside`, the things themselves are looked at where they are read.

        Raises
        ------
        Refusal
            One of them is an iterator, or there are too many to see whether one is.
        """
        own = {id(thing) for thing in things} if inside else set()
        kinds: dict[type, None] = {}
        try:
            for found in generations(things):
                if id(self.namespace) in found:
                    raise Refusal(line, "uses something that reaches every name")
                here = dict.fromkeys(map(type, found.values()))  # in order: so are the reasons
                for kind in [one for one in here if one not in kinds]:
                    self.involve(kind, line, shared=True)
                kinds |= here
                for kind in filter(_matters, here):
                    self._involve_some(kind, found, own, line)
        except TooLarge:
            raise Refusal(line, "uses something that holds too much to be looked through") from None

    def _involve_some(self, kind: type, found: dict[int, Any], own: set[int], line: int) -> None:
        """Take in that objects of this type may be used, those among `found`."""
        these = {at: one for at, one in found.items() if type(one) is kind}
        if read_once(kind) and not these.keys() <= own:
            reason = f"uses something that holds a {kind.__name__}, which reading changes"
            raise Refusal(line, reason)
        self.entries = self.entries or any(map(makes_entries, these.values()))

    def involve_every(self, line: int) -> None:
        """Take in that an instance of any class of the notebook may be used."""
        for kind in self._classes:
            self.involve(kind, line, shared=True)

    def involve(self, kind: type, line: int, shared: bool) -> None:
        """Take in that instances of a class are used, or made."""
        if _own_class(kind):
            first, before = self.involved.get(kind, (line, shared))
            self.involved[kind] = first, before or shared

    def _use_module(self, scope: dict[str, Any]) -> None:
        name = scope.get("__name__", "")
        module = sys.modules.get(name)
        if scope is self.namespace or module is None or vars(module) is not scope:
            return
        if name != "__main__" and not source.is_library_module(name):
            self.modules.add(module)

    # ------------------------------------------------------------ functions

    def function(self, key: Any, look: Callable[[], Value]) -> Value:
        """Give what a function returns; `look` is called once for each `key`, if possible.

        A recursive call is first assumed to return something frozen, then the result of
        that assumption, until it adds nothing.
        """
        key = (key, self.hashing > 0)
        if key in self._memo:
            return self._memo[key]
        if key in self._active:
            self._recursive.add(key)
            return self._active[key]
        self._calls += 1
        if self._calls > LARGEST or len(self._active) > DEEPEST:
            raise Refusal(0, "calls more functions than can be looked into")
        self._active[key] = FROZEN
        while True:
            before = set(self._memo)
            found = look()
            wider = join(self._active[key], found)
            if key not in self._recursive or wider == self._active[key]:
                break
            self._active[key] = wider
            for stale in set(self._memo) - before:
                del self._memo[stale]
        del self._active[key]
        self._memo[key] = found
        return found

    # ------------------------------------------------------------ classes

    def methods_named(self, name: str) -> list[tuple[type, Any]]:
        """Give the user's classes that define `name`, and what they define."""
        found = {}
        for kind in [*self._classes, *self.involved]:
            for base in kind.__mro__:
                if name in vars(base) and _own_class(base):
                    found[base] = vars(base)[name]
        return list(found.items())

    def attributes(self) -> list[str]:
        """Give what the user's classes define, by name, sorted."""
        bases = {base for kind in [*self._classes, *self.involved] for base in kind.__mro__}
        return sorted({name for base in filter(_own_class, bases) for name in vars(base)})

    def _check_operators(self) -> None:
        """Look into methods of the user's that operators, `len`, `str` and so on call."""
        looked: set[tuple[type, bool]] = set()
        while todo := [
            (kind, shared)
            for kind, (_, shared) in self.involved.items()
            if (kind, shared) not in looked
        ]:
            for kind, shared in todo:
                looked.add((kind, shared))
                line = self.involved[kind][0]
                owner = Value(shared, frozenset() if shared else frozenset([_MADE]), type=kind)
                for base in filter(_own_class, kind.__mro__):
                    for name, method in list(vars(base).items()):
                        if _implicit(name) and isinstance(method, types.FunctionType):
                            self._give(self._look_into(method, owner, line))

    def _look_into(self, method: types.FunctionType, owner: Value, line: int) -> Value:
        """Give what a method returns that is called without its name being written."""
        if source.generated(method, owner.type) or not source.is_own_code(method.__code__):
            return FROZEN
        # What `hash` gives differs from process to process, but is only compared in its own.
        self.hashing += method.__name__ == "__hash__"
        try:
            return self.enter(self, method, Args([owner], {}, starred=True))
        except Refusal as refusal:
            name = method.__qualname__.rpartition("<locals>.")[2]
            raise Refusal(line, f"uses `{name}`, which {refusal.reason}") from None
        finally:
            self.hashing -= method.__name__ == "__hash__"

    def _give(self, value: Value) -> None:
        """Take in the result of a method that is called without its name being written."""
        gives = join(self.gives, replace(shallow(value), known=UNKNOWN, path=""))
        if gives != self.gives:
            self.gives = gives
            self.heap.grown = True


_METHODS = (types.FunctionType, staticmethod, classmethod, property, types.MemberDescriptorType)
_MADE = ast.Pass()  # stands for any place that makes an instance


def _implicit(name: str) -> bool:
    """Whether a method is called without its name being written."""
    explicit = {
        *("__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"),
        *("__setattr__", "__delattr__", "__setitem__", "__delitem__", "__set__", "__delete__"),
        *("__enter__", "__exit__", "__aenter__", "__aexit__", "__call__"),
        *("__iadd__", "__isub__", "__imul__", "__ior__", "__iand__", "__ixor__", "__imatmul__"),
        *("__itruediv__", "__ifloordiv__", "__imod__", "__ipow__", "__ilshift__", "__irshift__"),
    }
    return name.startswith("__") and name.endswith("__") and name not in explicit


def _matters(kind: type) -> bool:
    """Whether objects of a type are changed by reading or by looking up, or may be."""
    return read_once(kind) or issubclass(kind, defaultdict)


def _own_class(thing: Any) -> bool:
    return isinstance(thing, type) and source.is_own_class(thing)
