"""LoopSite: a loop of a function.  AtSite: what its instrumented code has, and calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What stands for `AtSite` where instrumented code comes to by a pickle of the user's: the loop
# runs as it is.  It has to work where nbexec isn't installed; see `function_loop.PlainLoop`.
_PLAIN = """type("AtSite", (), {"enter": type("PlainLoop", (), {
    "again": False,
    "values": {},
    "__init__": lambda self, source: vars(self).update(source=source, value=None),
    "__iter__": lambda self: iter(self.source),
    "more": lambda self: False,
    "add": lambda self, part: vars(self).update(value=part) is None,
    "take": lambda self: vars(self).pop("value"),
    "chain": lambda self, first, again: first,
    "items": property(lambda self: vars(self).pop("source")),
    "replayed": lambda self, key: vars(self).clear() or key,
}), "call": type("PlainCall", (), {
    "__init__": lambda self, callee, *args, **kwargs: vars(self).update(
        callee=callee, args=args, kwargs=kwargs
    ),
    "end": lambda self, value: value,
})})"""


@dataclass(eq=False)
class LoopSite:
    """A loop of a function.

    Attributes
    ----------
    node : ast.AST
        The `for` loop, comprehension, or call that consumes a generator or calls a function.
    name, function : str
        The function's name, and its qualified name.
    filename : str
        Its file.
    flags : int
        Compiler flags of its ``from __future__`` imports.
    entries : int
        How often it began.
    seconds : float
        What those took that came to their end.
    off : bool
        Whether it runs as it is: it is called often, and briefly.
    key : str
        The name of what calls it as a `key=`; "" where nothing does.
    """

    node: Any
    name: str
    function: str
    filename: str
    flags: int
    entries: int = 0
    seconds: float = 0.0
    off: bool = False
    key: str = ""

    @property
    def line(self) -> int:
        """Its first line."""
        line: int = self.node.lineno
        return line


class AtSite:
    """A constant of instrumented code, so that it goes where the code goes.

    Parameters
    ----------
    site : LoopSite
        The loop.

    Examples
    --------
    >>> import pickle
    >>> loop = pickle.loads(pickle.dumps(AtSite(None))).enter([1, 2])
    >>> list(loop), loop.more()
    ([1, 2], False)
    """

    def __init__(self, site: LoopSite) -> None:
        self.site = site

    def enter(self, source: Any) -> Any:
        """Take in that the loop begins, over `source`; give what its code takes items from.

        It is a method written in Python, since the caller keeps no reference to `source` then.
        """
        raise NotImplementedError

    def call(self, callee: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Take in that a call begins that may call a function of the user's many times.

        Give what has the call's `callee`, `args` and `kwargs`, and is told of its `end`.
        """
        raise NotImplementedError

    def __reduce__(self) -> Any:
        return eval, (_PLAIN, {})
