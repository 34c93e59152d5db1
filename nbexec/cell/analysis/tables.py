"""Tables: methods of pandas objects, as their table tells them."""

from __future__ import annotations

import ast
import sys
import weakref
from typing import Any

from . import library_facts, method_facts, pandas_facts
from .abstract_values import FROZEN, UNKNOWN, Value, join, joined
from .analysis import Analysis, refuse
from .arguments import Args
from .estimators import Library
from .heap import ITEMS
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
    Table,
    is_kind,
)
from .library_values import is_frame, is_grouped, is_index, linked
from .new_values import NewValues
from .object_facts import fields_of, immutable

UNSEEDED = f"without a `random_state`, which {library_facts.RANDOM}"


def text_of(node: ast.AST) -> str:
    """Give the text of what a method is called on."""
    func = getattr(node, "func", node)
    return ast.unparse(func.value) if isinstance(func, ast.Attribute) else "an object"


class Tables:
    """Analyses frames, series, indexes, and what they are grouped by.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    new : NewValues
        Describes what a call makes.
    library : Library
        Looks at arguments.
    """

    def __init__(self, analysis: Analysis, new: NewValues, library: Library) -> None:
        self.analysis = analysis
        self.new = new
        self.library: Library = weakref.proxy(library)
        self.plain = new.library.plain

    def method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        """Look at the call of a method; None where the table doesn't have it."""
        facts = pandas_facts
        if name in facts.WRITING:
            return self._written(node, name, args)
        kinds = {one.__name__ for one in base.type.__mro__} if base.type else set()
        known = name in facts.NEW or name in facts.LINKED
        if not known and not ("Index" in kinds and name in facts.INDEX_NEW):
            plain = name in method_facts.DETACHED_METHODS and self.plain(base)
            if plain and name not in facts.CHANGING:
                return self.new.unknown(node, [])
            changing(node, base, name, facts.CHANGING)
            return None
        if name in facts.IN_PLACE and in_place(args, facts.IN_PLACE[name]):
            if base.shared:
                text = f"{text_of(node)}.{name}(inplace=True)"
                refuse(node, f"calls `{text}`, which changes it; without `inplace` it does not")
            return None
        if name == "sample" and not seeded(args):
            refuse(
                node, f"calls `.sample()` without a `random_state`, which {library_facts.RANDOM}"
            )
        if name in facts.LOOKING_UP:
            self._looking_up(node, name, args)
        if name in facts.CALLING and args.all():
            self.library.calls.called(node, args.all()[0])
        if name in facts.SETTING and base.shared and is_grouped(base) and not is_kind(base):
            self._set_aside(node, base, name)
        given = self.library.given(node, args)
        if name == "pipe":
            return self.new.unknown(node, [base, *given])
        mixed = name in facts.FROM_ARGUMENTS
        plain = self.plain(base) and not (mixed and not all(map(self.plain, given)))
        view = name in facts.LINKED or not (
            copy_on_write() or (name in facts.COPIES and "copy" not in args.keywords)
        )
        if name == "drop" and "columns" in args.keywords and not is_frame(base):
            view = True  # of a series it is the series itself
        return self._result(node, base, name, view, plain, given if mixed else [])

    def _set_aside(self, node: ast.AST, base: Value, name: str) -> None:
        """Refuse methods that would change a setting of an outer object for a moment."""
        options = fields_of(base.known) if base.known is not UNKNOWN else {}
        wanted = [options.get("as_index"), name != "transform" or options.get("observed")]
        if "as_index" in options and not all(wanted):
            text = f"{text_of(node)}.{name}()"
            refuse(node, f"calls `{text}`, which changes its settings for a moment; group here")

    def _result(
        self, node: ast.AST, base: Value, name: str, view: bool, plain: bool, given: list[Value]
    ) -> Value:
        """Describe what a method of a pandas object gives."""
        if is_index(base) and name not in ("tolist", "to_list"):
            return Value(True, base.sites, type=PlainLabels if plain else Labels)
        frame = name in pandas_facts.FRAMES and is_frame(base)
        kind: type[Kind] = (PlainFrame if frame else PlainTable) if plain else Table
        if name in ("to_numpy", "to_records"):
            kind = PlainArray if plain else Array
        elif not plain and (name in pandas_facts.GROUPS or (view and is_grouped(base))):
            kind = Groups
        elif not plain and frame:
            kind = Frame
        one_of_them = kind is Table and name in pandas_facts.PICKING and not is_grouped(base)
        if one_of_them and not is_frame(base):
            return Value(True, frozenset([node]), type=kind)
        if view:
            return join(linked(base, kind), joined(given)) if given else linked(base, kind)
        made = self.new.library.fresh(node, kind)
        for one in given:
            self.analysis.heap.put(made, ITEMS, one)
        return made

    def _written(self, node: ast.AST, name: str, args: Args) -> Value:
        places = {"path_or_buf", "path_or_buffer", "buf", "excel_writer", "path", "con"}
        if name not in pandas_facts.TEXTS or args.positional or args.starred:
            refuse(node, f"calls `.{name}()`, which {library_facts.FILES}")
        if places & args.keywords.keys():
            refuse(node, f"calls `.{name}()`, which {library_facts.FILES}")
        self.library.given(node, args)
        return FROZEN

    def _looking_up(self, node: ast.AST, name: str, args: Args) -> None:
        """Refuse texts of `query` and `eval` that may name variables of who calls them."""
        value = args.constant(0, "expr")
        if isinstance(value, str) and "@" not in value:
            return
        given = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if isinstance(given, ast.JoinedStr) and all(map(self._names_nothing, given.values)):
            return
        if isinstance(given, ast.Name) and self._names_nothing(ast.FormattedValue(given, -1)):
            return
        refuse(node, f"calls `.{name}()` with a text that may look up variables by `@`")

    def _names_nothing(self, part: ast.expr) -> bool:
        """Whether a part of an f-string has no `@`, as far as is known of what stands there."""
        match part:
            case ast.Constant(text):
                return "@" not in str(text)
            case ast.FormattedValue(ast.Name(name)):
                items = self.analysis.possible(name)
                if items is None:
                    return False
                return all(immutable(type(one)) and "@" not in str(one) for one in items)
        return False


def changing(node: ast.AST, base: Value, name: str, table: dict[str, str]) -> None:
    """Refuse a method that is known to change an outer object."""
    if base.shared and name in table:
        advice = f"; {table[name]}" if table[name] else ""
        refuse(node, f"calls `{text_of(node)}.{name}()`, which changes it{advice}")


def in_place(args: Args, before: int) -> bool:
    """Whether a call may have `inplace=True`."""
    given = args.keywords.get("inplace", FROZEN).known not in (UNKNOWN, None, False)
    unknown = "inplace" in args.keywords and args.keywords["inplace"].known is not False
    return given or unknown or args.starred or len(args.positional) > before


def seeded(args: Args) -> bool:
    """Whether a call is given what it draws random numbers from: a number."""
    given = args.keywords.get("random_state", args.keywords.get("seed"))
    return given is not None and given.known is not None and not given.shared


def copy_on_write() -> bool:
    """Whether nothing that is made from a pandas object shares what can be changed with it."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and int(str(pandas.__version__).partition(".")[0]) >= 3
