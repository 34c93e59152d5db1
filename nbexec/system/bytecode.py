"""What code assigns, read from its bytecode: `dis` takes fifty times as long."""

from __future__ import annotations

import dis
import types
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

STORE, DELETE = dis.opmap["STORE_NAME"], dis.opmap["DELETE_NAME"]
STORE_GLOBAL, DELETE_GLOBAL = dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]
CONSTANT = dis.opmap["LOAD_CONST"]
SMALL = dis.opmap.get("LOAD_SMALL_INT", -1)  # since Python 3.14
_STAR = dis.opmap.get("IMPORT_STAR", -1)  # until Python 3.11
_INTRINSIC, _STAR_INTRINSIC = dis.opmap.get("CALL_INTRINSIC_1", -1), 2  # since then
_FORWARD = {code for code in dis.hasjrel if "BACKWARD" not in dis.opname[code]}
_NONE: Any = object()
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


class Assigned(NamedTuple):
    """The globals that a module's code assigns.

    Attributes
    ----------
    names : frozenset of str
        All of them, as far as it has their names.
    once : frozenset of str
        Those that are assigned once in all, by the module itself, and never deleted.
    always : frozenset of str
        Of these, those that are assigned whatever happens.
    constants : dict
        What such names are assigned, by name, where that is a constant.
    any : bool
        Whether it may assign names that it doesn't have.
    star : bool
        Whether it has ``from m import *``.
    """

    names: frozenset[str]
    once: frozenset[str]
    always: frozenset[str]
    constants: dict[str, Any]
    any: bool
    star: bool


def assigned_by(code: types.CodeType) -> Assigned:
    """Give the globals that a module's code assigns, each operation looked at once.

    Parameters
    ----------
    code : code
        The code of the module.

    Examples
    --------
    >>> found = assigned_by(compile("x = 1\\nif x: y = 1\\nz = 2\\ndel z", "", "exec"))
    >>> sorted(found.names), sorted(found.once), sorted(found.always), found.constants
    (['x', 'y', 'z'], ['x', 'y'], ['x'], {'x': 1, 'y': 1})
    """
    others, any_name = _of_functions(code)
    plain, names = code.co_code, code.co_names
    tried = [*_tried(code)]
    stored: Counter[str] = Counter()
    perhaps: set[str] = set()
    constants: dict[str, Any] = {}
    constant, more, until, star = _NONE, 0, 0, False
    for at, operation, argument in zip(
        range(0, len(plain), 2), plain[::2], plain[1::2], strict=True
    ):
        argument |= more
        more = argument << 8 if operation == dis.EXTENDED_ARG else 0
        if not operation or more:  # 0 is room for a cache
            continue
        if operation == STORE:
            name = names[argument]
            stored[name] += 1
            if constant is not _NONE:
                constants[name] = constant
            if at < until or any(start <= at < end for start, end in tried):
                perhaps.add(name)
        elif operation == DELETE:
            stored[names[argument]] += 2
        elif operation in (STORE_GLOBAL, DELETE_GLOBAL):
            others.add(names[argument])
        elif operation in _FORWARD:
            until = max(until, at + 2 + 2 * argument)
        elif operation == _STAR or (operation, argument) == (_INTRINSIC, _STAR_INTRINSIC):
            star = True
        constant = _NONE
        if operation == CONSTANT:
            constant = code.co_consts[argument]
        elif operation == SMALL:
            constant = argument
    once = frozenset(name for name, count in stored.items() if count == 1) - others
    found = {name: constants[name] for name in constants if name in once}
    return Assigned(frozenset({*others, *stored}), once, once - perhaps, found, any_name, star)


def _of_functions(code: types.CodeType) -> tuple[set[str], bool]:
    """Give the globals that the functions in a module's code assign or delete.

    Also whether any code in it may assign names that it doesn't have.
    """
    found: set[str] = set()
    any_name, todo = not _ANY.isdisjoint(code.co_names), [code]
    while todo:
        for inner in todo.pop().co_consts:
            if type(inner) is types.CodeType:
                todo.append(inner)
                any_name = any_name or not _ANY.isdisjoint(inner.co_names)
                plain = inner.co_code
                if STORE_GLOBAL in plain or DELETE_GLOBAL in plain:  # as an argument, perhaps
                    for operation, at in operations(inner):
                        if operation in (STORE_GLOBAL, DELETE_GLOBAL):
                            found.add(inner.co_names[at])
    return found, any_name


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
    found = assigned_by(code)
    return None if found.any or found.star else found.names


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
