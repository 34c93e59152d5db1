"""What code assigns, read from its bytecode: `dis` takes fifty times as long."""

from __future__ import annotations

import dis
import types
from collections import Counter
from collections.abc import Iterator

STORE, DELETE = dis.opmap["STORE_NAME"], dis.opmap["DELETE_NAME"]
STORE_GLOBAL, DELETE_GLOBAL = dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]
CONSTANT = dis.opmap["LOAD_CONST"]
SMALL = dis.opmap.get("LOAD_SMALL_INT", -1)  # since Python 3.14
_STAR = dis.opmap.get("IMPORT_STAR", -1)  # until Python 3.11
_INTRINSIC, _STAR_INTRINSIC = dis.opmap.get("CALL_INTRINSIC_1", -1), 2  # since then
_FORWARD = {code for code in dis.hasjrel if "BACKWARD" not in dis.opname[code]}
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
    return None if uses_any(code) or assigns_all_of_another(code) else named(code)


def named(code: types.CodeType) -> frozenset[str]:
    """Give the globals that a module's code assigns by name."""
    stored = (at for operation, at in operations(code) if operation in (STORE, STORE_GLOBAL))
    return frozenset({*functions_assign(code), *(code.co_names[at] for at in stored)})


def assigns_all_of_another(code: types.CodeType) -> bool:
    """Whether a module's code has ``from m import *``."""
    star = _INTRINSIC, _STAR_INTRINSIC
    return any(one[0] == _STAR or one == star for one in operations(code))


def always_assigned(code: types.CodeType) -> set[str]:
    """Give the globals that a module's code assigns once, whatever happens, and never deletes.

    Parameters
    ----------
    code : code
        The code of the module.

    Examples
    --------
    >>> always_assigned(compile("x = 1\\nif x: y = 1\\nz = 2\\ndel z", "", "exec"))
    {'x'}
    """
    plain, more, until = code.co_code, 0, 0
    tried = [*_tried(code)]
    stored: Counter[str] = Counter()
    for at in range(0, len(plain), 2):
        operation, argument = plain[at], plain[at + 1] | more
        more = argument << 8 if operation == dis.EXTENDED_ARG else 0
        if operation in _FORWARD:
            until = max(until, at + 2 + 2 * argument)
        elif operation == STORE:
            perhaps = at < until or any(start <= at < end for start, end in tried)
            stored[code.co_names[argument]] += 2 if perhaps else 1
        elif operation == DELETE:
            stored[code.co_names[argument]] += 2
    return {name for name, count in stored.items() if count == 1} - {*functions_assign(code)}


def _tried(code: types.CodeType) -> Iterator[tuple[int, int]]:
    """Iterate over what an exception may leave out, up to its handler, in bytes of the code.

    The format is in CPython's `InternalDocs/exception_handling.md`: four numbers an entry, six
    bits a byte, the first byte of an entry and those that go on marked.
    """
    numbers: list[int] = []
    going_on = False
    for byte in code.co_exceptiontable:
        if going_on:
            numbers[-1] = numbers[-1] << 6 | byte & 63
        else:
            numbers.append(byte & 63)
        going_on = bool(byte & 64)
    for start, handler in zip(numbers[::4], numbers[2::4], strict=True):
        yield 2 * start, 2 * handler


def uses_any(code: types.CodeType) -> bool:
    """Whether code may assign names that it doesn't have."""
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return not _ANY.isdisjoint(code.co_names) or any(map(uses_any, inner))
