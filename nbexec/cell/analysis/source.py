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
import sys
import types
from collections.abc import Iterator
from typing import Any

from ...system.user_code import is_library_module as is_library_module
from ...system.user_code import is_own_code as is_own_code

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: not a static type of an extension
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def is_own_class(kind: type) -> bool:
    """Whether a class was written in the notebook or in a module of the user's."""
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
        return any(is_own_code(one.__code__) for one in functions)
    if "_member_map_" in vars(kind):  # an enumeration
        return True
    made = bool(kind.__flags__ & _HEAP_TYPE)
    return made and not {"__dict__", "__slots__"}.isdisjoint(vars(kind))


def generated(function: types.FunctionType, owner: type | None = None) -> bool:
    """Whether a method was written by `dataclasses` or `namedtuple` rather than by hand."""
    if function.__code__.co_filename != "<string>":
        return False
    name = str(function.__globals__.get("__name__", ""))
    return name.startswith("namedtuple_") or hasattr(owner, "__dataclass_fields__")


def remember(source: str, filename: str) -> None:
    """Register a cell's source with `linecache`, for tracebacks and the analysis."""
    if not filename.startswith("<"):
        return  # a file, or a cell that IPython has cached
    lines = source.splitlines(keepends=True)
    if linecache.getlines(filename) != lines:
        linecache.cache[filename] = (len(source), None, lines, filename)


@functools.lru_cache(64)
def _compiled(text: str, filename: str) -> tuple[ast.Module, frozenset[types.CodeType]] | None:
    """Give the tree of a source, and the code of every function in it.

    A notebook's cell is compiled statement by statement, a module as a whole: the code
    differs, since only then does the compiler know which names are imported modules.
    """
    # Cells may have `await` at the top level.
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        tree = ast.parse(text)
        parts = [tree, *(ast.Module([stmt], type_ignores=[]) for stmt in tree.body)]
        codes = [
            compile(part, filename, "exec", flags=flags | future_flags(tree), dont_inherit=True)
            for part in parts
        ]
    except (SyntaxError, ValueError):
        return None
    return tree, frozenset(inner for code in codes for inner in _nested(code))


def future_flags(tree: ast.Module) -> int:
    """Give the compiler flags of a source's ``from __future__`` imports."""
    flags = 0
    for stmt in tree.body:
        if isinstance(stmt, ast.ImportFrom) and stmt.module == "__future__":
            for alias in stmt.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


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
    found = _compiled(text, code.co_filename) if text else None
    if found is None:
        return None
    tree, codes = found
    if code not in codes:
        return None
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, FunctionNode)
        and _name(node) == code.co_name
        and _first_line(node) == code.co_firstlineno
    ]
    return nodes[0] if len(nodes) == 1 else None


def harmless(code: types.CodeType) -> bool:
    """Whether code without a source does nothing but compute from its arguments.

    It may call nothing, and store nothing but its own names.
    """
    bad = ("CALL", "PRECALL", "DELETE", "IMPORT", "SEND", "YIELD", "MAKE", "STORE", "WITH", "AWAIT")
    for instruction in dis.get_instructions(code):
        name, text = instruction.opname, instruction.argrepr
        if name.startswith("STORE_FAST") or name == "COPY_FREE_VARS":
            continue
        if any(part in name for part in bad) or name in ("LOAD_ATTR", "LOAD_METHOD"):
            return False
        if name == "BINARY_OP" and text.endswith("="):
            return False
    return True
