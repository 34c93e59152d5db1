"""LibraryCalls: calls of library code: harmless, unless the tables of facts say otherwise."""

from __future__ import annotations

import ast
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any

from . import library_facts, method_facts, orders
from .abstract_values import FROZEN, SHARED, Value, join, joined, value_of
from .analysis import Analysis, refuse
from .arguments import Args, Calling
from .heap import ITEMS, KEYS
from .library_objects import LibraryObjects
from .new_values import NewValues, inert
from .object_facts import dotted
from .source import is_own_class, is_own_code
from .tables import text_of

_SAME_MODULE = {"posix": "os", "nt": "os", "posixpath": "os.path", "ntpath": "os.path"}
_TELLS = {len, ord, chr, repr, ascii, format, hex, oct, bin, isinstance, issubclass}
_TELLS |= {any, all, callable, hasattr}
_COMPUTES = {sum, abs, round, pow, divmod}
_WELL_KNOWN = ("builtins", "collections", "os", "types")
_MAKERS = {"__new__", "__init__", "__post_init__", "__init_subclass__", "__class_getitem__"}


_SEEING_ORDER = ("itertools.*", "functools.reduce", "builtins.print", "builtins.dict.fromkeys")
_GIVE_TEXTS = dict.fromkeys(("split", "rsplit", "splitlines"), list) | dict.fromkeys(
    ("lower", "upper", "strip", "lstrip", "rstrip", "casefold", "title", "replace", "join"), str
)
CONTAINERS = (list, dict, set, deque, Counter, OrderedDict, defaultdict)


def names_of(thing: Any, path: str = "") -> list[str]:
    """Give the documented names under which a function or class may be listed.

    Examples
    --------
    >>> import os, heapq
    >>> names_of(os.remove), names_of(heapq.heappush)
    (['os.remove'], ['heapq.heappush'])
    """
    if is_own_class(type(thing)):  # asking it may run code of the user's
        return [path]
    owner = getattr(thing, "__self__", None)
    module = dotted(owner) if isinstance(owner, type) else getattr(thing, "__module__", None)
    module = str(module).lstrip("_")
    name = getattr(thing, "__name__" if isinstance(owner, type) else "__qualname__", "")
    found = f"{_SAME_MODULE.get(module, module)}.{name}"
    return [path, found] if path else [found]


def listed(names: list[str], table: Any) -> str | None:
    """Give the entry of a table that one of `names` matches.

    Examples
    --------
    >>> listed(["random.choice"], {"random.*": "..."})
    'random.*'
    """
    for name in names:
        parts = name.split(".")
        patterns = [name, *(".".join(parts[:at]) + ".*" for at in range(len(parts) - 1, 0, -1))]
        for pattern in patterns:
            if pattern in table:
                return pattern
    return None


class LibraryCalls:
    """Analyses calls of library code.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    new : NewValues
        Describes what a call makes.
    calls : Calling
        The way back into the user's code, which library code may be given to call.
    """

    def __init__(self, analysis: Analysis, new: NewValues, calls: Calling) -> None:
        self.analysis = analysis
        self.new = new
        self.calls: Calling = weakref.proxy(calls)  # the owner; see `Scope`
        self.objects = LibraryObjects(analysis, new, self)
        self.shielded = 0  # `with warnings.catch_warnings()` blocks around

    # ------------------------------------------------------------ functions

    def builtin(self, node: ast.AST, known: Any, args: Args, path: str) -> Value:
        """Look at the call of a built-in function."""
        values = args.all()
        first = args.at(0) or SHARED
        if known is vars and not values:
            refuse(node, "reads every name")
        if known in (repr, ascii, format):
            orders.seen(self.analysis, node, first)
        if known in (min, max, sorted, iter):
            if known is iter or args.keywords:  # of texts alone there are no ties
                orders.seen(self.analysis, node, first)
            return self.picking(node, known, args, first)
        if known in _TELLS:
            return FROZEN
        if known in _COMPUTES:
            frozen = all(value.frozen for value in values)
            return FROZEN if frozen else self.new.computed(node, values)
        return self.library(node, known, args, path)

    def picking(self, node: ast.AST, known: Any, args: Args, first: Value) -> Value:
        """Look at a call that gives one of its arguments, or of their items."""
        for one in args.positional:
            self.calls.callback(node, one)
        for name, one in args.keywords.items():
            (self.calls.called if name == "key" else self.calls.callback)(node, one)
        if known is iter:
            plain = not first.shared or first.type in (list, tuple, set, dict, frozenset)
            alone = plain and len(args.all()) == 1
            return self.new.made(node, [self.new.contents(first)]) if alone else SHARED
        if known is sorted:
            return self.new.made(node, [self.new.contents(first)], list)
        if len(args.positional) > 1 and not args.starred:
            return joined(args.positional)
        return join(self.new.contents(first), args.keywords.get("default", FROZEN))

    def library(self, node: ast.AST, known: Any, args: Args, path: str = "") -> Value:
        """Look at a call of library code."""
        names = names_of(known, path)
        self.hidden_state(node, names)
        if listed(names, _SEEING_ORDER):
            for one in args.all():
                orders.seen(self.analysis, node, one)
        opens = listed(names, library_facts.OPENERS)
        if opens:
            self.mode(node, args, library_facts.OPENERS[opens])
        changes = listed(names, library_facts.MUTATORS)
        changed = [args.at(library_facts.MUTATORS[changes])] if changes else []
        if "out" in args.keywords and args.keywords["out"].known is not None:
            changed.append(args.keywords["out"])
        if any(value is None or value.shared for value in changed):
            name = names[-1].removeprefix("builtins.")
            refuse(node, f"calls `{name}`, which changes what it is given")
        calling = library_facts.CALLING.get(names[-1])
        if calling is not None:
            self.calls.called(node, args.at(calling, "func") or FROZEN)
        found = self.given(node, args)
        made = self.objects.function(node, known, names, args, found)
        if made is not None:
            return made
        if any(one.shared for one in found) and names[-1] not in self.analysis.libraries:
            self.analysis.libraries.append(names[-1])
        if changes == "builtins.next":
            return joined([self.new.contents(args.positional[0]), *args.positional[1:]])
        if opens or listed(names, library_facts.DETACHED):
            return self.new.unknown(node, [])
        self.analysis.heap.mix(found)
        return self.new.perhaps(self.new.unknown(node, found), found)

    def given(self, node: ast.AST, args: Args) -> list[Value]:
        """Look into functions and objects that are arguments; give those that may be held on to."""
        found = []
        for one in args.all():
            self.handed_over(node, one)
            for part in _functions_in(one.known):
                self.calls.callback(node, part)
            gives = self.calls.callback(node, one)
            found += [gives] if gives is not None else [one] if not inert(one) else []
        return [one for one in found if not one.frozen]

    def hidden_state(self, node: ast.AST, names: list[str]) -> None:
        """Refuse functions that are listed as stateful; note those that need their own thread."""
        entry = listed(names, library_facts.STATEFUL)
        if entry and not listed(names, library_facts.HARMLESS):
            if self.shielded and entry.startswith("warnings."):
                return
            if self.analysis.hashing and entry == "builtins.hash":
                return
            reason = library_facts.STATEFUL[entry]
            if reason == library_facts.RANDOM and self.objects.of_streams(names[0]):
                return
            name = names[0].removeprefix("builtins.")
            refuse(node, f"calls `{name}`, which {reason}")
        entry = listed(names, library_facts.CLOCKS) if self.analysis.ahead else None
        if entry:
            refuse(node, f"calls `{names[0]}`, which {library_facts.CLOCKS[entry]}")
        entry = listed(names, library_facts.ONE_THREAD)
        if entry and self.analysis.one_thread is None:
            reason = f"`{entry}` {library_facts.ONE_THREAD[entry]}"
            self.analysis.one_thread = (getattr(node, "lineno", 0), reason)

    def mode(self, node: ast.AST, args: Args, position: int) -> None:
        """Refuse to open something for writing."""
        mode = args.constant(position, "mode")
        if mode is not None and not (isinstance(mode, str) and not set(mode) & set("wax+")):
            refuse(node, "opens a file for writing")

    def handed_over(self, node: ast.AST, value: Value) -> None:
        """Look into every method of a user's object that library code is given."""
        kind = value.type
        if kind is None or isinstance(value.known, type) or not is_own_class(kind):
            return
        for base in kind.__mro__:
            if is_own_class(base):
                for name, method in list(vars(base).items()):
                    own = isinstance(method, types.FunctionType) and is_own_code(method.__code__)
                    if own and name not in _MAKERS:
                        self.calls.function(node, method, Args([value], {}, starred=True))

    # ------------------------------------------------------------ methods

    def library_method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value:
        """Look at a call of a method that is not the user's."""
        told = self.objects.method(node, base, name, args)
        if told is not None:
            return told
        if name in method_facts.CHANGES_FILES:
            refuse(node, f"calls `.{name}()`, which {library_facts.FILES}")
        if name == "open":
            self.mode(node, args, 0)
        moves = base.type is None and len(args.all()) == 1
        if name == "replace" and moves and (not args.keywords or "target" in args.keywords):
            refuse(node, "calls `.replace()` with one argument, which moves a file")
        if name in method_facts.CHANGING_ARGUMENTS and any(one.shared for one in args.all()):
            refuse(node, f"calls `.{name}()`, which changes what it is given")
        if base.type is str and name in ("join", "format"):
            for one in args.all():
                orders.seen(self.analysis, node, one)
        known = None if base.shared else self.container_method(node, base, name, args)
        if known is not None:
            return known
        found = self.given(node, args)
        if base.type is str and name in _GIVE_TEXTS:
            texts = Value(type=str)
            return texts if _GIVE_TEXTS[name] is str else self.new.made(node, [texts], list)
        if base.shared:
            return self.shared_method(node, base, name, args)
        if base.frozen and name in method_facts.DETACHED_METHODS:
            return self.new.unknown(node, [])
        self.analysis.heap.mix([base, *found])
        return self.new.unknown(node, [base, *found])

    def container_method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        """Look at a call of a method of a list, dict or set that this iteration made."""
        heap, values, kind = self.analysis.heap, args.all(), base.type
        if kind is list and name == "sort":
            for one in values:
                self.calls.called(node, one)
            return FROZEN
        if kind not in CONTAINERS or args.starred or args.keywords:
            return None
        mapping, held = issubclass(kind, dict), heap.get(base, ITEMS)
        match name, values:
            case ("append" | "appendleft" | "add", [value]) | ("insert", [_, value]):
                heap.put(base, ITEMS, value)
                return FROZEN
            case ("extend" | "update", [value]) if not mapping:
                if kind is not set:
                    orders.seen(self.analysis, node, value)
                heap.put(base, ITEMS, self.new.contents(value))
                return FROZEN
            case ("get" | "pop" | "setdefault", [key, *default]) if mapping:
                if name == "setdefault":
                    heap.put(base, KEYS, key)
                    heap.put(base, ITEMS, joined(default))
                return joined([heap.get(base, ITEMS), *default, FROZEN])
            case ("pop" | "popleft", _):
                orders.seen(self.analysis, node, base)
                return held
            case ("union" | "intersection" | "difference" | "symmetric_difference", _) if (
                kind is set
            ):
                return self.new.made(node, [held, *map(self.new.contents, values)], set)
            case ("keys", []):
                return self.new.made(node, [heap.get(base, KEYS)])
            case ("values", []):
                return self.new.made(node, [held])
            case ("items", []):
                return self.new.made(node, [self.new.tuple_of(node, (heap.get(base, KEYS), held))])
            case ("remove" | "discard", [_]) | ("reverse" | "clear", []):
                return FROZEN
            case ("copy", []):
                made = self.new.made(node, [held], kind)
                heap.put(made, KEYS, heap.get(base, KEYS))
                return made
        return None

    def shared_method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value:
        """Look at a call of a method of an outer object: allowed only if it is known."""
        text = text_of(node)
        kind = base.type
        for owner in kind.__mro__ if kind else ():
            if dotted(owner) in library_facts.STATEFUL_TYPES:
                refuse(node, f"uses `{text}`: {library_facts.STATEFUL_TYPES[dotted(owner)]}")
        if kind is None or kind.__module__ in _WELL_KNOWN:
            moves = name in method_facts.MAY_CHANGE and (kind is None or issubclass(kind, deque))
            if name in method_facts.DETACHED_METHODS and not moves:
                return self.new.unknown(node, [])
            if name in ("copy", "union", "difference"):
                return self.new.made(node, [SHARED])
            if name in method_facts.SHARING_METHODS:
                return SHARED
        if kind is not None and kind.__module__.partition(".")[0] in library_facts.DRAWING:
            refuse(node, f"calls `{text}.{name}()`, which may draw on it: drawing has an order")
        return refuse(node, f"calls `{text}.{name}()`, which may change it")


def _functions_in(known: Any) -> Iterator[Value]:
    """Describe the functions that a container which is there already holds."""
    if type(known) in (list, tuple, dict) and len(known) <= 1_000:
        for part in known.values() if type(known) is dict else known:
            if isinstance(part, types.FunctionType):
                yield value_of(part)
