"""The source of functions: the syntax tree of their code, and whether it is the user's.

A notebook's source may have changed since a function was made of it, so the source found is
compiled and compared with the code that the function has.
"""

from __future__ import annotations
import __future__

import ast
import dis
import functools
import linecache
import operator
import sys
import types
from collections.abc import Iterator
from typing import Any

from ...system.parsing import tree_of
from ...system.silence import silently
from ...system.user_code import is_library_file
from ...system.user_code import is_library_module as is_library_module
from ...system.user_code import is_own_code as is_own_code

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: not a static type of an extension
_FUTURES: int = functools.reduce(
    operator.or_, (getattr(__future__, one).compiler_flag for one in __future__.all_feature_names)
)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def is_own_class(kind: type) -> bool:
    """Whether a class was written in the notebook or in a module of the user's."""
    if kind.__module__.startswith("_cython_"):
        return False  # the types of functions that Cython made
    if not is_library_module(kind.__module__):
        return True
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is kind:
        return False
    # In a namespace without __name__ a class says that it is of `builtins`.
    functions = [one for one in vars(kind).values() if isinstance(one, types.FunctionType)]
    if functions and "_member_map_" not in vars(kind):
        files = [one.__code__.co_filename for one in functions]
        return not all(is_library_file(file) and not file.startswith("<attrs") for file in files)
    if "_member_map_" in vars(kind):  # an enumeration
        return True
    made = bool(kind.__flags__ & _HEAP_TYPE)
    return made and not {"__dict__", "__slots__"}.isdisjoint(vars(kind))


def generated(function: types.FunctionType, owner: type | None = None) -> bool:
    """Whether a method was written by `dataclasses` or `namedtuple` rather than by hand.

    The file name tells nothing: whatever `exec` makes of a text has the same.
    """
    code = function.__code__
    if code.co_filename != "<string>":
        return False
    if code.co_names == ("_tuple_new",):
        return function.__globals__.get("_tuple_new") is tuple.__new__
    return by_dataclass(function) and hasattr(owner, "__dataclass_fields__")


def by_dataclass(function: types.FunctionType) -> bool:
    """Whether `dataclasses` wrote a function: it does so inside one of its own."""
    code = function.__code__
    inside = code.co_qualname == f"__create_fn__.<locals>.{code.co_name}"
    return inside and code.co_filename == "<string>"


def remember(source: str, filename: str) -> None:
    """Register a cell's source with `linecache`, for tracebacks and the analysis."""
    if not filename.startswith("<"):
        return  # a file, or a cell that IPython has cached
    lines = source.splitlines(keepends=True)
    if linecache.getlines(filename) != lines:
        linecache.cache[filename] = (len(source), None, lines, filename)


_Found = tuple[dict[tuple[str, int], list[FunctionNode]], frozenset[types.CodeType]]


@functools.lru_cache(64)
def _compiled(text: str, filename: str, flags: int) -> _Found | None:
    """Give the functions of a source by name and first line, and the code of each of them.

    `flags` are those of ``from __future__`` imports that were in force before it.

    A notebook's cell is compiled statement by statement, a module as a whole: the code
    differs, since only then does the compiler know which names are imported modules.
    """
    # Cells may have `await` at the top level.
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with silently():
            tree = tree_of(text, filename, flags=flags)
            flags |= future_flags(tree)
            parts = [tree, *(ast.Module([stmt], type_ignores=[]) for stmt in tree.body)]
            codes = [
                compile(part, filename, "exec", flags=flags, dont_inherit=True) for part in parts
            ]
    except (SyntaxError, ValueError):
        return None
    nodes: dict[tuple[str, int], list[FunctionNode]] = {}
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            nodes.setdefault((_name(node), _first_line(node)), []).append(node)
    return nodes, frozenset(inner for code in codes for inner in _nested(code))


def future_flags(tree: ast.Module) -> int:
    """Give the compiler flags of a source's ``from __future__`` imports."""
    flags = 0
    for stmt in tree.body:
        if isinstance(stmt, ast.ImportFrom) and stmt.module == "__future__":
            for alias in stmt.names:
                feature = getattr(__future__, alias.name, None)  # compiling says if there is none
                flags |= getattr(feature, "compiler_flag", 0)
    return flags


def inherited(flags: int) -> int:
    """Give those of a code's or a compiler's flags that ``from __future__`` imports set.

    Examples
    --------
    >>> code = compile("from __future__ import annotations", "<cell>", "exec")
    >>> inherited(code.co_flags) == future_flags(ast.parse("from __future__ import annotations"))
    True
    """
    return flags & _FUTURES


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _nested(constant)


def _name(node: ast.AST) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else getattr(node, "name", "")


def _first_line(node: Any) -> int:
    decorators = getattr(node, "decorator_list", [])
    line: int = min([node.lineno, *(one.lineno for one in decorators)])
    return line


def function_node(code: types.CodeType) -> FunctionNode | None:
    """Give the syntax tree of a function's code, or None where it isn't certain."""
    text = "".join(linecache.getlines(code.co_filename))
    found = _compiled(text, code.co_filename, inherited(code.co_flags)) if text else None
    if found is None:
        return None
    nodes, codes = found
    if code not in codes:
        return None
    here = nodes.get((code.co_name, code.co_firstlineno), [])
    if len(here) > 1:  # lambdas of one line
        here = [node for node in here if isinstance(node, ast.Lambda) and _is_of(code, node)]
    return here[0] if len(here) == 1 else None


def _is_of(code: types.CodeType, node: ast.Lambda) -> bool:
    """Whether a lambda's code has something that stands where the whole of the node's body does."""
    body = node.body
    place = body.lineno, body.end_lineno, body.col_offset, body.end_col_offset
    return place in set(code.co_positions())


def harmless(code: types.CodeType) -> bool:
    """Whether code without a source does nothing but compute from its arguments.

    It may look up its own names and global ones, and apply operators that give a new value.
    """
    for instruction in dis.get_instructions(code):
        name, text = instruction.opname, instruction.argrepr
        if name in ("BINARY_OP", "COMPARE_OP"):
            if name == "BINARY_OP" and (text.endswith("=") or text.startswith("[")):
                return False
        elif name not in _HARMLESS and not name.startswith(_HARMLESS_KINDS):
            return False
    return True


_HARMLESS = {
    *("RESUME", "CACHE", "NOP", "PUSH_NULL", "POP_TOP", "COPY", "SWAP", "COPY_FREE_VARS"),
    *("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_GLOBAL", "LOAD_DEREF", "IS_OP", "TO_BOOL"),
    *("UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT", "UNARY_POSITIVE", "NOT_TAKEN"),
    *("BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP", "RETURN_VALUE", "RETURN_CONST"),
}
_HARMLESS_KINDS = ("LOAD_FAST", "STORE_FAST", "POP_JUMP", "JUMP_", "RETURN_")
