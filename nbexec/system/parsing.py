"""Parsing while other threads parse, too.

Python up to 3.12 counts how deep a tree is in one place for all threads.  Where a garbage
collection runs Python code in the midst of it, and so lets another thread parse something, the
count is wrong, and a SystemError is raised for source that has nothing wrong.
"""

from __future__ import annotations

import ast
from typing import Any

TRIES = 20


def tree_of(source: str, filename: str = "<unknown>", mode: str = "exec", flags: int = 0) -> Any:
    """Do what `ast.parse` does; try again where another thread was in the way.

    Parameters
    ----------
    source, filename, mode : str
        As for `compile`.
    flags : int
        Those of `compile`, beside what asks for a tree.

    Returns
    -------
    ast.AST
        The tree.

    Examples
    --------
    >>> ast.unparse(tree_of("1 +  1", mode="eval"))
    '1 + 1'
    """
    for _ in range(TRIES):
        try:
            return compile(source, filename, mode, flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        except SystemError:
            continue
    return compile(source, filename, mode, flags | ast.PyCF_ONLY_AST, dont_inherit=True)
