"""Which calls may be those of a library that calls a function of the user's, by their names."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

_METHODS = {
    *("apply", "map", "applymap", "agg", "aggregate", "transform", "filter"),
    *("progress_apply", "progress_map", "progress_applymap", "apply_along_axis"),
}
_NAMED = ("func", "arg", "func1d")
_NONE = (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.JoinedStr, ast.GeneratorExp)


def calls_back(node: ast.Call, scope: Mapping[str, Any]) -> bool:
    """Whether a call may be one that calls a function many times.

    Examples
    --------
    >>> asked = ("df.apply(f, axis=1)", "s.map({1: 2})", "np.vectorize(f)(xs)", "f(x)")
    >>> [calls_back(ast.parse(one, mode="eval").body, {}) for one in asked]
    [True, False, True, False]
    """
    match node.func:
        case ast.Attribute(_, name) if name in _METHODS:
            given = [*node.args[:1], *(one.value for one in node.keywords if one.arg in _NAMED)]
            return bool(given) and not isinstance(given[0], _NONE)
        case ast.Call(ast.Name("vectorize") | ast.Attribute(_, "vectorize")):
            return bool(node.args)
        case ast.Name(name):
            return type(scope.get(name)).__name__ == "vectorize"
    return False
