"""LibraryObjects: methods and attributes of objects of libraries, as the tables tell them."""

from __future__ import annotations

import ast
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

from ...worker.generators import own_generator
from . import library_facts, method_facts, numpy_facts, pandas_facts, science_facts
from .abstract_values import FROZEN, SHARED, Value, join, joined
from .analysis import Analysis, refuse
from .arguments import Args
from .estimators import Estimators, Library
from .library_kinds import (
    Array,
    Frame,
    Groups,
    Kind,
    Labels,
    PlainArray,
    PlainFrame,
    PlainLabels,
    PlainTable,
    Sparse,
    Table,
    family_of,
)
from .library_values import is_frame, is_grouped, linked
from .new_values import NewValues
from .tables import UNSEEDED, Tables, changing, copy_on_write, seeded

_NO = Value(known=False)


class LibraryObjects:
    """Analyses objects of pandas, NumPy, scikit-learn, SciPy and NetworkX.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    new : NewValues
        Describes what a call makes.
    library : Library
        The owner, which looks at arguments.
    """

    def __init__(self, analysis: Analysis, new: NewValues, library: Library) -> None:
        self.analysis = analysis
        self.new = new
        self.library: Library = weakref.proxy(library)
        self.plain = new.library.plain
        self.estimators = Estimators(analysis, new, library)
        self._looks: dict[str, Callable[[ast.AST, Value, str, Args], Value | None]] = {
            "distribution": self._distribution,
            "graph": self._graph,
            "numpy": self._array,
            "pandas": Tables(analysis, new, library).method,
            "random": self._draws,
            "sklearn": self.estimators.method,
            "sparse": self._sparse,
            "ufunc": self._ufunc,
        }

    def method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        """Look at the call of a method; None where the tables don't have it."""
        if base.type is random.Random:
            return self._draws_plain(node, base, name, args)
        look = self._looks.get(family_of(base.type))
        return None if look is None else look(node, base, name, args)

    # ------------------------------------------------------------ NumPy

    def _array(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        facts, plain = numpy_facts, self.plain(base)
        new, view = name in facts.METHODS_NEW, name in facts.METHODS_LINKED
        if not (new or view):
            if plain and name in method_facts.DETACHED_METHODS and name not in facts.CHANGING:
                return self.new.unknown(node, [])
            changing(node, base, name, facts.CHANGING)
            return None
        written = self.output(node, args, facts.OUT.get(name))
        given = self.library.given(node, args)
        plain = plain and all(map(self.plain, given))
        kind = PlainArray if plain else Array
        copies = name == "astype" and "copy" not in args.keywords and len(args.positional) < 5
        if view or (name == "astype" and not copies):
            return linked(base, kind)
        if not plain and name in facts.PICKING:
            return Value(True, frozenset([node]), type=kind)
        made = self.new.library.fresh(node, kind)
        return made if written is None else join(made, written)

    def output(self, node: ast.AST, args: Args, at: int | None) -> Value | None:
        """Refuse an `out` from outside; give another one, None where there is none."""
        place = args.keywords.get("out", FROZEN)
        if at is not None and at < len(args.positional):
            place = args.positional[at]
        if place.shared or (args.starred and at is not None):
            refuse(node, "gives a function an array to write to, from outside")
        return None if place.frozen else place

    def _ufunc(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        if name not in numpy_facts.UFUNC_METHODS:
            return None
        written = self.output(node, args, numpy_facts.UFUNC_METHODS[name])
        given = self.library.given(node, args)
        if not all(map(self.plain, given)):
            return Value(True, frozenset([node]), type=Array)
        made = self.new.library.fresh(node, PlainArray)
        return made if written is None else join(made, written)

    def _draws(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        """Look at a draw from a generator that is the iteration's own, or has a stream for it."""
        own = not base.shared or id(base.known) in self.analysis.draws
        if not own or name not in numpy_facts.DRAWS:
            return None
        written = self.output(node, args, None)
        given = self.library.given(node, args)
        if not all(map(self.plain, given)):
            return self.new.unknown(node, given)
        made = self.new.library.fresh(node, PlainArray)
        return made if written is None else join(made, written)

    def _draws_plain(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        """Look at a draw from a `random.Random` that has a stream for each item."""
        if id(base.known) not in self.analysis.draws or name not in library_facts.DRAWS:
            return None
        self.library.given(node, args)
        if name not in ("choice", "choices", "sample"):
            return FROZEN
        chosen = self.new.contents(args.at(0) or SHARED)
        return chosen if name == "choice" else self.new.made(node, [chosen], list)

    def of_streams(self, name: str) -> bool:
        """Whether a function of a module draws from a generator that has a stream for each item."""
        module, _, function = name.rpartition(".")
        facts = {"random": library_facts.DRAWS, "numpy.random": numpy_facts.DRAWS}.get(module, ())
        owner = module.partition(".")[0]
        return function in facts and id(own_generator(owner)) in self.analysis.draws

    # ------------------------------------------------------------ SciPy and NetworkX

    def _distribution(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        if name == "rvs" and not seeded(args):
            refuse(node, f"calls `.rvs()` {UNSEEDED}")
        if name not in science_facts.DISTRIBUTION_NEW | {"rvs"}:
            return None
        given = self.library.given(node, args)
        plain = all(map(self.plain, given))
        return self.new.library.fresh(node, PlainArray) if plain else SHARED

    def _sparse(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        if name not in science_facts.SPARSE_NEW or "out" in args.keywords or args.starred:
            return None
        coo = base.type is not None and base.type.__name__.startswith("coo")
        if coo and base.shared and name in science_facts.ORDERING_COO:
            return None
        self.library.given(node, args)
        return self.new.library.fresh(node, Sparse if name in ("copy", "dot") else PlainArray)

    def _graph(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        facts = science_facts
        if name in facts.GRAPH_NEW:
            self.library.given(node, args)
            return FROZEN
        if name not in facts.GRAPH_LINKED:
            return None
        given = self.library.given(node, args)
        if name == "copy" and not args.all():
            return self.new.made(node, [SHARED])
        return self.new.unknown(node, [base, *given])

    # ------------------------------------------------------------ attributes

    def attribute(self, base: Value, name: str) -> Value | None:
        """Describe an attribute; None where the tables don't tell."""
        family = family_of(base.type)
        if family == "sklearn":
            return self.estimators.attribute(base, name)
        if family == "sparse" and (name == "T" or name in science_facts.SPARSE_FACTS):
            return linked(base, Sparse) if name == "T" else FROZEN
        if family not in ("pandas", "numpy") or name.startswith("_"):
            return None
        facts: Any = pandas_facts if family == "pandas" else numpy_facts
        if name in facts.FACTS_OF:
            return FROZEN
        plain = self.plain(base)
        if family == "numpy":
            kind: type[Kind] = PlainArray if plain else Array
            return linked(base, kind) if name in facts.VIEWS else None
        if name in facts.OTHERS or name in facts.NEW or name in facts.LINKED:
            return None
        if name in facts.SHARED_VIEWS:
            return Value(True, base.sites, type=PlainLabels if plain else Labels)
        if name == "values":
            return linked(base, PlainArray if plain else Array)
        if plain:
            found = linked(base, PlainTable)
            held = self.new.library.stored(base)
            return found if held.frozen else join(found, held)
        if name in facts.VIEWS or is_frame(base):
            return linked(base, Table)
        return linked(base, Groups) if is_grouped(base) else None

    # ------------------------------------------------------------ functions

    def function(
        self, node: ast.AST, known: Any, names: list[str], args: Args, given: list[Value]
    ) -> Value | None:
        """Describe what a function or a class of these libraries gives; None where it isn't told.

        Raises
        ------
        Refusal
            It writes to something from outside, or draws random numbers.
        """
        name = names[-1]
        library, _, short = name.partition(".")
        if family_of(type(known)) == "ufunc":
            return self._computed(node, args, given)
        if library == "numpy":
            return self._of_numpy(node, short, args, given)
        if library == "pandas":
            return self._of_pandas(node, name.rpartition(".")[2], args, given)
        return self.estimators.function(node, known, names, args, given)

    def _computed(self, node: ast.AST, args: Args, given: list[Value]) -> Value | None:
        if args.starred or "out" in args.keywords:
            return None
        families = {family_of(one.type) for one in given}
        if all(map(self.plain, given)):
            kind = PlainTable if "pandas" in families else PlainArray
            return Value(sites=frozenset([node]), type=kind)
        if families <= {"pandas", "numpy"}:
            return Value(True, frozenset([node]), type=Table if "pandas" in families else Array)
        return None

    def _of_numpy(self, node: ast.AST, name: str, args: Args, given: list[Value]) -> Value | None:
        facts = numpy_facts
        if name.startswith("random.") and name.endswith(("default_rng", "RandomState")):
            kinds = sys.modules["numpy"].random
            kind = kinds.RandomState if name.endswith("RandomState") else kinds.Generator
            return Value(sites=frozenset([node]), type=kind) if not given else None
        written = self.output(node, args, facts.FUNCTIONS_OUT.get(name))
        at = facts.OVERWRITING.get(name, len(args.positional))
        if args.keywords.get("overwrite_input", _NO).known is not False or (
            at < len(args.positional) and args.positional[at].known is not False
        ):
            refuse(node, f"calls `numpy.{name}` with `overwrite_input`, which changes its argument")
        copies = args.keywords.get("copy", Value(known=True)).known is True
        if name == "nan_to_num" and not (copies and len(args.positional) < 2):
            refuse(node, "calls `numpy.nan_to_num` with `copy`, which may change what it is given")
        view = name in facts.FUNCTIONS_LINKED or not copies
        if written is not None or not (view or name in facts.FUNCTIONS_NEW):
            return None
        plain = all(map(self.plain, given))
        families = {family_of(one.type) for one in given}
        if not (plain or families <= {"pandas", "numpy"} or (name == "array" and not view)):
            return None
        table = "pandas" in families and name not in ("array", "asarray")
        kind = (PlainTable if table else PlainArray) if plain else Table if table else Array
        if view:
            reached = joined(linked(one, kind) for one in given)
            return Value(reached.shared, reached.sites | {node}, type=kind)
        if not plain and name in facts.PICKING:
            return Value(True, frozenset([node]), type=kind)
        return self.new.library.fresh(node, kind)

    def _of_pandas(self, node: ast.AST, name: str, args: Args, given: list[Value]) -> Value | None:
        makes = name in ("DataFrame", "Series")
        if not makes and name not in pandas_facts.FUNCTIONS_NEW:
            return None
        if args.keywords.get("copy", Value(known=True)).known is not True:
            return None
        plain = all(map(self.plain, given))
        if makes and not copy_on_write():
            fresh = all(one.type in (list, tuple, dict) for one in given)
            if not fresh:
                return None
        kind: type[Kind] = PlainTable if plain else Table
        if name in ("DataFrame", "crosstab", "merge", "pivot_table", "melt"):
            kind = PlainFrame if plain else Frame
        return self.new.library.fresh(node, kind)
