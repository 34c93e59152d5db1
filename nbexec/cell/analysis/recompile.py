"""recompiled(): the code of a function whose source was changed, in the place of its own."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping
from typing import Any

from ...system.parsing import tree_of
from ...system.silence import silently

FLAGS = 0xFFFF0000  # of co_flags: those of `from __future__` imports


def may_be_recompiled(node: ast.AST, code: types.CodeType) -> bool:
    """Whether it is a function whose place is known: one in another may stand in a class there."""
    inside = "<locals>" in code.co_qualname and any(map(_mangled, ast.walk(node)))
    return isinstance(node, ast.FunctionDef) and not inside


def recompiled(made: ast.FunctionDef, code: types.CodeType) -> types.CodeType | None:
    """Compile a function as it stood, with its free names, and in its class; None if it can't be.

    Parameters
    ----------
    made : ast.FunctionDef
        Its source, changed.
    code : types.CodeType
        Its code, as it was.

    Examples
    --------
    >>> def double(x): return 2 * x
    >>> changed = ast.parse("def double(x): return 3 * x").body[0]
    >>> changed.lineno = double.__code__.co_firstlineno
    >>> code = recompiled(changed, double.__code__)
    >>> types.FunctionType(code, {})(5)
    15
    """
    body: list[ast.stmt] = [made]
    owner = code.co_qualname.rpartition(".")[0].rpartition(".")[2]
    if owner and owner != "<locals>":
        empty = tree_of(f"class {owner}: pass").body[0]
        assert isinstance(empty, ast.ClassDef)
        empty.body = body
        # It may name its class.
        body = [empty] if owner in code.co_freevars else [ast.Global([owner]), empty]
    elif made.name not in code.co_freevars:  # it may call itself
        body = [ast.Global([made.name]), made]
    free = [name for name in code.co_freevars if name != "__class__"]
    outer: Any = tree_of(f"def _nbexec_outer({', '.join(free)}): pass").body[0]
    outer.body = body
    module = ast.fix_missing_locations(ast.Module([outer], type_ignores=[]))
    with silently():
        flags = code.co_flags & FLAGS
        try:
            whole = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
        except (SyntaxError, ValueError):
            return None
    for one in _nested(whole):
        if one.co_name == code.co_name and one.co_firstlineno == code.co_firstlineno:
            same = one.co_freevars == code.co_freevars and one.co_argcount == code.co_argcount
            if not same:
                return None
            named = _renamed(one, one.co_qualname, code.co_qualname)
            return named.replace(co_flags=code.co_flags)
    return None


def with_things(code: types.CodeType, things: Mapping[str, Any]) -> types.CodeType:
    """Give code with objects as constants, in the place of texts that stand for them.

    Examples
    --------
    >>> eval(with_things(compile("'mark'[i]", "<cell>", "eval"), {"mark": ["first"]}), {"i": 0})
    'first'
    """

    def filled(constant: Any) -> Any:
        if isinstance(constant, types.CodeType):
            return with_things(constant, things)
        return things.get(constant, constant) if type(constant) is str else constant

    return code.replace(co_consts=tuple(map(filled, code.co_consts)))


def _renamed(code: types.CodeType, old: str, new: str) -> types.CodeType:
    """Give code, and all code in it, the qualified names that begin with another one."""
    constants: list[Any] = []
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            constants.append(_renamed(one, old, new))
        elif isinstance(one, str) and one == code.co_qualname and one.startswith(f"{old}."):
            constants.append(new + one[len(old) :])  # a class body binds its own
        else:
            constants.append(one)
    qualname = code.co_qualname
    if qualname == old or qualname.startswith(f"{old}."):
        qualname = new + qualname[len(old) :]
    return code.replace(co_consts=tuple(constants), co_qualname=qualname)


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _nested(constant)


def _mangled(part: ast.AST) -> bool:
    """Whether it has a name that a class mangles."""
    named = (value for _, value in ast.iter_fields(part) if isinstance(value, str))
    return any(one.startswith("__") and not one.endswith("__") for one in named)
