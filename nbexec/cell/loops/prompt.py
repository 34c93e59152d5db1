"""Iterables that give each item promptly, whether or not they end.

Workers may be given more of their items than a consumer that stops early asks for.  Asking a
generator for one item too many might never end; asking ``itertools.count()`` does no harm.
"""

from __future__ import annotations

import ast
from typing import Any

from ..analysis.object_facts import immutable
from .consumers import known_name
from .evaluated_first import resolve

_MAKERS = {
    *("builtins.range", "builtins.zip", "builtins.enumerate", "builtins.reversed"),
    *("itertools.count", "itertools.repeat", "itertools.cycle", "itertools.islice"),
    *("itertools.product", "itertools.permutations", "itertools.combinations"),
    *("itertools.combinations_with_replacement", "itertools.pairwise", "itertools.chain"),
    *("itertools.chain.from_iterable",),
}
_CONTAINERS = (list, tuple, dict, set, frozenset, range)


def gives_promptly(node: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether an expression makes an iterable of known parts, none of which may search or wait.

    Examples
    --------
    >>> import itertools
    >>> names = {"itertools": itertools, "xs": [1]}
    >>> [gives_promptly(ast.parse(text, mode="eval").body, names)
    ...  for text in ("zip(itertools.count(), xs)", "filter(None, xs)")]
    [True, False]
    """
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(_, ast.Constant()):
            return True
        case ast.List(parts) | ast.Tuple(parts):
            return all(gives_promptly(one, namespace) for one in parts)
        case ast.Call(func, args, keywords):
            given = [*args, *(one.value for one in keywords)]
            made = known_name(func, namespace) in _MAKERS
            return made and all(gives_promptly(one, namespace) for one in given)
    thing = resolve(node, namespace)
    return type(thing) in _CONTAINERS or (thing is not None and immutable(type(thing)))
