"""All that a notebook can see of what a cell left, as plain data: two runs are compared by it.

More than `both_ways.Left.shape`: which class an instance has, what classes and functions hold,
which array owns its memory, the order of sets of texts, caches, what was warned of, the lines of
a traceback, the bar that `tqdm` drew last, and the state of the random numbers.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import gc
import io
import itertools
import random
import re
import sys
import traceback
import types
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from nbexec.cell.analysis.object_facts import immutable
from nbexec.cell.analysis.source import remember

CELL = "<cell>"
ADDRESS = re.compile(r" at 0x\w+")
AS_IT_IS = (int, float, complex, str, bytes, type(None), type(...), range, slice)
NOT_OF_A_CLASS = {"__slotnames__", "__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl"}


class Unfit(Exception):
    """An earlier cell raised: there is nothing to compare."""


class Picture:
    """Gives values as plain data; objects are numbered in the order in which they are met."""

    def __init__(self, ordered_texts: bool) -> None:
        self.ordered_texts = ordered_texts  # whether sets of texts must have the same order
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no id is used twice

    def of(self, value: Any) -> Any:
        """Give a value as plain data."""
        if type(value) in AS_IT_IS or type(value) is bool:
            return repr(value)
        if isinstance(value, types.ModuleType):
            return value.__name__
        if isinstance(value, enum.Enum):
            return type(value).__name__, value.name, value is type(value)[value.name]
        if id(value) in self.seen:
            return f"#{self.seen[id(value)]}"
        if not isinstance(value, tuple | frozenset | np.generic) and not immutable(type(value)):
            self.seen[id(value)] = len(self.seen)
            self.kept.append(value)
        return self._kind(value), *self._inside(value)

    def _kind(self, value: Any) -> Any:
        kind = type(value)
        return self.of(kind) if _is_notebooks(kind) else kind.__qualname__

    def _inside(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, type):
            return self._of_class(value)
        if isinstance(value, types.FunctionType):
            return self._of_function(value)
        if isinstance(value, functools._lru_cache_wrapper):
            return value.__name__, tuple(value.cache_info())
        if isinstance(value, np.ndarray):
            return self._of_array(value)
        if isinstance(value, set | frozenset):
            parts = [self.of(one) for one in value]
            plain = self.ordered_texts or all(type(one) in (int, float) for one in value)
            return (parts if plain else sorted(parts, key=repr), self._attributes(value))
        if isinstance(value, dict):
            pairs = [(self.of(key), self.of(one)) for key, one in value.items()]
            factory = getattr(value, "default_factory", None)
            return pairs, factory and self.of(factory), self._attributes(value)
        if isinstance(value, list | tuple | deque):
            return [self.of(one) for one in value], self._attributes(value)
        if isinstance(value, BaseException):
            return self.of_error(value, lines=False)
        if isinstance(value, random.Random):
            return (hash(value.getstate()),)
        if isinstance(value, np.random.Generator):
            return (repr(value.bit_generator.state),)
        if isinstance(value, functools.partial):
            return self.of(value.func), self.of(value.args), self.of(value.keywords)
        if isinstance(value, types.MethodType):
            return self.of(value.__func__), self.of(value.__self__)
        if isinstance(value, staticmethod | classmethod):
            return (self.of(value.__func__),)
        if isinstance(value, property):
            return self.of(value.fget), self.of(value.fset)
        if isinstance(value, tqdm):
            return value.n, value.total, value.desc, value.disable
        if hasattr(type(value), "__next__"):  # what it has yet to give
            return (self._rest_of(value),)
        if type(value).__module__.partition(".")[0] == "pandas":
            return self._of_table(value)
        attributes = self._attributes(value)
        if attributes:
            return (attributes,)
        return (ADDRESS.sub("", repr(value)),)

    def _rest_of(self, value: Any) -> list[Any]:
        found: list[Any] = []
        try:
            found.extend(self.of(one) for one in itertools.islice(value, 50))
        except Exception as error:  # it raises as it goes on
            found.append(repr(error))
        return found

    def _attributes(self, value: Any) -> Any:
        found = dict(getattr(value, "__dict__", {}))
        for kind in type(value).__mro__:
            slots = kind.__dict__.get("__slots__", ()) if _is_notebooks(kind) else ()
            for name in [slots] if isinstance(slots, str) else slots:
                if hasattr(value, name):
                    found[name] = getattr(value, name)
        return [(name, self.of(one)) for name, one in found.items()]

    def _of_class(self, value: type) -> tuple[Any, ...]:
        if not _is_notebooks(value):
            return (value.__qualname__,)
        own = {name: one for name, one in vars(value).items() if name not in NOT_OF_A_CLASS}
        held = [(name, self.of(one)) for name, one in own.items() if not _is_slot(one)]
        return value.__qualname__, [self.of(one) for one in value.__bases__], held

    def _of_function(self, value: types.FunctionType) -> tuple[Any, ...]:
        held = []
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):  # nothing is in it yet
                held.append(self.of(cell.cell_contents))
        if not value.__code__.co_filename.startswith("<"):
            return (value.__qualname__,)
        at = value.__code__.co_firstlineno, value.__code__.co_code.hex()
        return value.__qualname__, at, held, self.of(value.__defaults__), self._attributes(value)

    def _of_array(self, value: np.ndarray) -> tuple[Any, ...]:
        flags = value.flags.owndata, value.flags.writeable, value.flags.f_contiguous
        parts = [self.of(one) for one in value.flat] if value.dtype == object else value.tobytes()
        base = None if value.base is None else self.of(value.base)
        return str(value.dtype), value.shape, value.strides, flags, parts, base

    def _of_table(self, value: Any) -> tuple[Any, ...]:
        axes = [self.of_axis(one) for one in getattr(value, "axes", [value])]
        kinds = repr(getattr(value, "dtypes", None))
        held = [self.of(one) for one in np.asarray(value, dtype=object).flat]
        return axes, kinds, held, self.of(getattr(value, "attrs", None))

    def of_axis(self, axis: Any) -> Any:
        """Give an index: its values, its name and its type."""
        return type(axis).__name__, repr(list(axis)), repr(axis.names), str(axis.dtype)

    def of_error(self, error: BaseException | None, lines: bool = True) -> tuple[Any, ...]:
        """Give an exception and those that it came from, with the lines in the two cells."""
        chain: list[Any] = []
        while error is not None:
            found = traceback.extract_tb(error.__traceback__) if lines else []
            at = [(one.filename, one.lineno, one.name) for one in found if "<" in one.filename]
            if isinstance(error, RecursionError):  # a cell may call deeper than alone
                at = []
            if isinstance(error, UnboundLocalError) and at:
                # Python 3.11 tells the line before, once it has joined two instructions in one.
                at[-1] = at[-1][0], 0, at[-1][2]
            notes = getattr(error, "__notes__", [])
            chain.append((type(error).__name__, self.of(error.args), notes, at))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return tuple(chain)


def _is_notebooks(kind: type) -> bool:
    return kind.__module__ == "__main__"


def _is_slot(value: Any) -> bool:
    return isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType)


def _bars(text: str) -> list[Any]:
    """Give what stands on each line of what was written to stderr: of a bar, where it ended.

    Without the bar itself: while a run goes on, `sys.stderr` has an encoding, which a text in
    memory has not, and tqdm draws with other characters.
    """
    ends = [line.split("\r")[-1].partition(" [")[0] for line in text.split("\n")]
    return [re.sub(r"\|[^|]*\|", "||", one) for one in ends]


@functools.lru_cache(maxsize=8)
def _compiled(source: str, at: int) -> types.CodeType:
    """Compile an earlier cell, for both runs, and for all that begin with the same."""
    name = f"<earlier cell {at}>"
    remember(source, name)
    return compile(source, name, "exec", dont_inherit=True)


def whole_state(
    how: Callable[[str, dict[str, Any]], Any],
    earlier: Sequence[str],
    cell: str,
    ordered_texts: bool = True,
) -> tuple[dict[str, Any], Any]:
    """Run a cell after earlier ones; give all that it left, and what `how` returned.

    Parameters
    ----------
    how : callable
        Runs the cell in a namespace.
    earlier : sequence of str
        Cells that `exec` runs before it.
    cell : str
        The cell.
    ordered_texts : bool
        Whether sets of texts must have the same order, as in one process they have.
    """
    module = types.ModuleType("__main__")  # as IPython's: the names are its own
    names = module.__dict__
    if tqdm._instances:  # a bar that is still open moves the next one a line down
        gc.collect()
        tqdm._instances.clear()
    random.seed(0)
    np.random.seed(0)
    returned = error = None
    printed, bars = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(bars),
        warnings.catch_warnings(record=True) as warned,
        contextlib.ExitStack() as stack,
    ):
        warnings.simplefilter("default")
        stack.enter_context(pytest.MonkeyPatch.context()).setattr("tqdm.std.time", lambda: 0.0)
        main, sys.modules["__main__"] = sys.modules["__main__"], module
        try:
            try:
                for at, one in enumerate(earlier):
                    exec(_compiled(one, at), names)
            except Exception as caught:
                raise Unfit(repr(caught)) from caught
            try:
                returned = how(cell, names)
            except Exception as caught:
                error = caught
        finally:
            sys.modules["__main__"] = main
        once = [
            (str(one.message), one.category.__name__, one.filename, one.lineno) for one in warned
        ]
        picture = Picture(ordered_texts)
        random_state = hash(random.getstate()), np.random.get_state()[2]
        shown = {name: picture.of(one) for name, one in sorted(names.items()) if name[:2] != "__"}
    state = {
        **shown,
        "(printed)": ADDRESS.sub("", printed.getvalue()),
        "(bars)": _bars(bars.getvalue()),
        "(error)": picture.of_error(error),
        "(warned)": once,
        "(random)": random_state,
    }
    return state, returned
