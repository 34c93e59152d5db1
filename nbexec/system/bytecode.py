"""What code assigns, read from its bytecode: `dis` takes fifty times as long."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator

STORE, DELETE = dis.opmap["STORE_NAME"], dis.opmap["DELETE_NAME"]
STORE_GLOBAL, DELETE_GLOBAL = dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]
CONSTANT = dis.opmap["LOAD_CONST"]
SMALL = dis.opmap.get("LOAD_SMALL_INT", -1)  # since Python 3.14
_STAR = dis.opmap.get("IMPORT_STAR", -1)  # until Python 3.11
_INTRINSIC, _STAR_INTRINSIC = dis.opmap.get("CALL_INTRINSIC_1", -1), 2  # since then
_ANY = {"globals", "setattr", "vars"}  # whoever uses it may assign any name


def operations(code: types.CodeType) -> Iterator[tuple[int, int]]:
    """Iterate over the operations of code, each with its argument.

    Parameters
    ----------
    code : code
        The code.

    Examples
    --------
    >>> found = operations(compile("x = 1", "", "exec"))
    >>> [at for operation, at in found if operation == STORE]
    [0]
    """
    plain, more = code.co_code, 0
    for operation, argument in zip(plain[::2], plain[1::2], strict=True):
        if operation == dis.EXTENDED_ARG:
            more = (more | argument) << 8
        elif operation:  # 0 is room for a cache
            yield operation, argument | more
            more = 0


def functions_assign(code: types.CodeType) -> Iterator[str]:
    """Iterate over the globals that the functions in a module's code assign or delete.

    Parameters
    ----------
    code : code
        The code of the module.
    """
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            if {STORE_GLOBAL, DELETE_GLOBAL} & {*inner.co_code[::2]}:
                for operation, at in operations(inner):
                    if operation in (STORE_GLOBAL, DELETE_GLOBAL):
                        yield inner.co_names[at]
            yield from functions_assign(inner)


def assigned(code: types.CodeType) -> frozenset[str] | None:
    """Give the globals that a module's code assigns; None where that can't be said.

    Parameters
    ----------
    code : code
        The code of the module.

    Examples
    --------
    >>> sorted(assigned(compile("import json, os as o", "", "exec")))
    ['json', 'o']
    >>> assigned(compile("from json import *", "", "exec")) is None
    True
    """
    found = {*functions_assign(code)}
    for operation, at in operations(code):
        if operation in (STORE, STORE_GLOBAL):
            found.add(code.co_names[at])
        elif operation == _STAR or (operation, at) == (_INTRINSIC, _STAR_INTRINSIC):
            return None
    return None if _uses_any(code) else frozenset(found)


def _uses_any(code: types.CodeType) -> bool:
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return not _ANY.isdisjoint(code.co_names) or any(map(_uses_any, inner))
