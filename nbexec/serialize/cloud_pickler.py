"""The pickler: cloudpickle's, but for what comes back as itself, and for the names of files."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType, FunctionType, ModuleType
from typing import Any

from . import (
    by_value,
    classes_by_value,
    context_vars,
    dispatchers,
    made_exceptions,
    own_generators,
    singletons,
    standard_objects,
    weak_references,
)


class Sent:
    """What a run sent to its workers by value, with its task.

    Parameters
    ----------
    run : str
        The run: a name that no other one has.
    anew : bool
        Whether functions are sent anew with items: their globals may be others by then.

    Attributes
    ----------
    known : set of str
        Names of classes, functions and modules: every worker has them when it gets items.
    generators, streamed : list
        Generators of random numbers that were met, and those that items have streams of.
    """

    def __init__(self, run: str, anew: bool = False) -> None:
        self.run = run
        self._anew = anew
        self.known: set[str] = set()
        self.generators: list[Any] = []  # of random numbers, which were met
        self.streamed: list[Any] = []  # those that are set to streams
        self._names: set[str] = set()
        self._owners = own_generators.Owners()
        self._things: list[Any] = []  # they are there as long as they may come back

    def note(self, thing: Any, name: str) -> None:
        """Take in that the task has `thing`."""
        self._things.append(thing)
        if not self._anew or isinstance(thing, type):
            self._names.add(name)

    def complete(self) -> None:
        """Take in that the task is pickled, and items are next."""
        self.known = self._names

    def own_generators(self, index: int, met: Sent) -> None:
        """Take in the generators that an item has, but for those that are set to streams.

        Parameters
        ----------
        index : int
            The item's.
        met : Sent
            What was met as it was pickled.

        Raises
        ------
        PickleError
            Another item has one of them, too.
        """
        streamed = set(map(id, met.streamed))
        self._owners.add([one for one in met.generators if id(one) not in streamed], index)

    def forget(self) -> None:
        """Let go of what was sent: nothing comes back any more."""
        self._things.clear()
        self._owners = own_generators.Owners()

    @property
    def noting(self) -> bool:
        """Whether it is the task that is pickled."""
        return bool(self.run) and self.known is not self._names


NOTHING = Sent("")


INSTEAD = "__nbexec_instead__"  # of what is pickled first: see `Pickler.instead`

# Code that functions have for a while, with the code that is to be sent in its place.
stands_for: weakref.WeakKeyDictionary[CodeType, CodeType] = weakref.WeakKeyDictionary()


@functools.cache
def pickler() -> Any:
    """Give cloudpickle's pickler, but for the names of files.

    From 3.1.3 on cloudpickle gives all code that it sends the name "<dynamic-code>": its
    tracebacks would have no lines of the notebook's cell, nor could it be debugged.
    """
    import cloudpickle

    script = sys.modules.get("__mp_main__")  # of whoever started this process; see multiprocessing
    if script is not None:
        cloudpickle.register_pickle_by_value(script)  # as __main__ is: workers have no such module
    table = cloudpickle.Pickler.dispatch_table
    reduce = table[CodeType]

    def reduce_with_name(code: CodeType) -> Any:
        code = stands_for.get(code, code)
        make, arguments, *_ = reduce(code)
        return _code_of_file, (make, arguments, code.co_filename)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
        sent = NOTHING

        @property
        def dispatch_table(self) -> dict[Any, Callable[..., Any]]:
            """How classes are reduced: asked for once a pickle, and looked up for each object.

            In one dict: a `ChainMap` takes longer to look up than most objects to pickle.
            """
            found: dict[Any, Callable[..., Any]] = {}
            for one in reversed(table.maps):  # the last one is that of `copyreg`, which may grow
                found.update(one)
            found[CodeType] = reduce_with_name
            return found

        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self.instead: dict[int, CodeType] = {}  # code to send of functions, by their ids
            self.plain: set[type] = set()  # classes whose instances pickle knows how to reduce
            self.lossy = False  # whether exceptions leave out what can't be pickled

        def reducer_override(self, thing: Any) -> Any:
            kind = type(thing)
            if kind in self.plain:
                return NotImplemented
            if (kind is type or kind is FunctionType) and _is_ours(thing):
                return NotImplemented  # as cloudpickle would say, ten times as late
            if issubclass(kind, type):
                return self._class(thing)
            if kind in standard_objects.BY_VALUE:
                return self._by_value(thing)
            return self.of_instance(thing, kind)

        def of_instance(self, thing: Any, kind: type) -> Any:
            """Give the reduction of an object that is neither a class nor a function."""
            if issubclass(kind, ModuleType) and standard_objects.is_of_another_class(thing):
                return cloudpickle.cloudpickle.subimport, (thing.__name__,)
            if singletons.are_in(kind):
                return singletons.reference(thing, kind)
            if issubclass(kind, BaseException):
                return made_exceptions.reduced(thing, kind, type(self), self.lossy)
            if kind is ContextVar:
                return context_vars.reduced(thing)
            if own_generators.are(kind):
                kept = own_generators.place(thing, kind)
                if kept is None and self.sent.run:
                    self.sent.generators.append(thing)
                return NotImplemented if kept is None else (singletons.at, kept)
            if self.sent.run and hasattr(kind, "__nbexec_streams__"):
                self.sent.streamed += thing.generators or ()
            if kind in weak_references.KINDS:
                return weak_references.reduction(thing, self.sent.run)
            if standard_objects.has_plain(kind):
                return standard_objects.plain(thing)
            self.plain.add(kind)
            if hasattr(kind, INSTEAD):
                self.instead = getattr(thing, INSTEAD)()
            return NotImplemented

        def _class(self, thing: type) -> Any:
            reduced = self.dynamic_class(thing)
            if reduced is None:
                return self.as_cloudpickle_does(thing)
            if self.sent.noting:
                self.sent.note(thing, classes_by_value.class_name(thing))
            return classes_by_value.class_by_value(thing, reduced, self.sent.known)

        def dynamic_class(self, thing: type) -> Any:
            """Give cloudpickle's reduction of a class by value; None for one that has a name."""
            reduced = self.as_cloudpickle_does(thing)
            return reduced if isinstance(reduced, tuple) and len(reduced) == 6 else None

        def as_cloudpickle_does(self, thing: Any) -> Any:
            """Give cloudpickle's reduction of a class or a function."""
            return super().reducer_override(thing)

        def _by_value(self, thing: Any) -> Any:
            kind, arrives = type(thing), by_value.by_value
            if kind is ModuleType:
                reduced = self.dispatch_table[ModuleType](thing)
                whole = reduced[0] is not cloudpickle.cloudpickle.subimport
            elif kind in standard_objects.NAMED or dispatchers.is_dispatcher(thing):
                if by_value.is_importable(thing):
                    return NotImplemented
                reduce_named: Any = standard_objects.NAMED.get(kind, dispatchers.reduced)
                reduced, whole, arrives = reduce_named(thing), True, by_value.once_by_value
            else:
                code = self.instead.get(id(thing)) or stands_for.get(thing.__code__)
                sent = thing if code is None else with_code(thing, code)
                reduced = self.as_cloudpickle_does(sent)
                whole = reduced is not NotImplemented
                parameters: Any = getattr(thing, "__type_params__", None)
                if whole and parameters:  # cloudpickle leaves them out
                    reduced[2][1]["__type_params__"] = parameters
            if not whole:
                return reduced
            if self.sent.noting:
                self.sent.note(thing, by_value.thing_name(thing))
            return arrives(thing, reduced, self.sent.run, self.sent.known)

    return Pickler


def _is_ours(thing: Any) -> bool:
    """Whether a class or function is one of nbexec's own, and is found by its name."""
    module = thing.__module__
    if type(module) is not str or not module.startswith(_OURS):
        return False
    there = sys.modules.get(module)
    if there is None or vars(there).get(thing.__qualname__) is not thing:
        return False
    import cloudpickle

    by_value = cloudpickle.list_registry_pickle_by_value()
    return not any(name.startswith(_OURS[:-1]) for name in by_value)


_OURS = __name__.partition(".")[0] + "."


def with_code(function: FunctionType, code: CodeType) -> FunctionType:
    """Give a copy of a function, with other code.

    Examples
    --------
    >>> def one(x=1): return x
    >>> def two(x=1): return x + 1
    >>> made = with_code(one, two.__code__)
    >>> made(), made.__name__
    (2, 'one')
    """
    made = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    for name in ("__qualname__", "__module__", "__doc__", "__type_params__"):
        if hasattr(function, name):
            setattr(made, name, getattr(function, name))
    lazy = "__annotate__" if hasattr(function, "__annotate__") else "__annotations__"
    setattr(made, lazy, getattr(function, lazy))
    return made


def _code_of_file(make: Callable[..., CodeType], arguments: Any, filename: str) -> CodeType:
    return make(*arguments).replace(co_filename=filename)
