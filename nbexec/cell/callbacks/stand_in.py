"""StandIn: a function that a library calls in place of the user's own.

At first it takes note of each call and calls the user's function; from some call on it either
*is* the user's function, with the code of that one, or it answers with what is there already.
What it does is changed by giving it other code, so that the user's function costs as much as
ever once nothing is to be noted any more.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from ...system.silence import silently

END = object()
_LOOKING = """
def outer({cells}):
    def stand_in(*args, **kwargs):
        __tracebackhide__ = True
        {named}
        end = "END"
        if "NEXT"("CALLS", end) is end:
            return "AFTER"(args, kwargs)
        try:
            return "FUNCTION"(*args, **kwargs)
        except BaseException:
            "FAILED"()
            raise
"""
_FORWARDING = """
def outer({cells}):
    def stand_in(*args, **kwargs):
        __tracebackhide__ = True
        {named}
        return "FUNCTION"(*args, **kwargs)
"""
_ANSWERING = """
def outer({cells}):
    def stand_in(*args, **kwargs):
        __tracebackhide__ = True
        {named}
        return "ANSWER"(args, kwargs)
"""


class StandIn:
    """Stands in for a function of the user's.

    Parameters
    ----------
    function : callable
        The user's function.

    Attributes
    ----------
    made : function
        What is to be called in its place.

    Examples
    --------
    >>> standing = StandIn(lambda x: x + 1)
    >>> calls = iter("ab")
    >>> standing.look(calls, lambda args, kwargs: "no more", lambda: None)
    >>> standing.made(1), standing.made(2), standing.made(3)
    (2, 3, 'no more')
    >>> standing.answer(lambda args, kwargs: args)
    >>> standing.made(4)
    (4,)
    >>> standing.plain()
    >>> standing.made(4)
    5
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        if isinstance(function, types.FunctionType):
            self._free = len(function.__code__.co_freevars)
            self._own = function.__code__
            self.made = types.FunctionType(
                function.__code__,
                function.__globals__,
                function.__name__,
                function.__defaults__,
                function.__closure__,
            )
            self.made.__kwdefaults__ = function.__kwdefaults__
            self.made.__qualname__, self.made.__doc__ = function.__qualname__, function.__doc__
            self.made.__module__ = function.__module__
            vars(self.made).update(vars(function))
            return
        self._free = 0
        self._own = _coded(_FORWARDING, 0, {"FUNCTION": function})
        inner: Any = function
        while isinstance(inner, functools.partial):
            inner = inner.func
        self.made = types.FunctionType(self._own, {}, inner.__name__)

    def look(
        self,
        calls: Iterator[Any],
        after: Callable[[tuple[Any, ...], dict[str, Any]], Any],
        failed: Callable[[], None],
    ) -> None:
        """Take one of `calls` at each call; `after` them has the arguments of one that is left.

        `failed` is called when the function raises.
        """
        what = {"NEXT": next, "CALLS": calls, "END": END, "FUNCTION": self._function}
        what |= {"AFTER": after, "FAILED": failed}
        self.made.__code__ = _coded(_LOOKING, self._free, what)

    def answer(self, answer: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> None:
        """Have `answer` answer each call."""
        self.made.__code__ = _coded(_ANSWERING, self._free, {"ANSWER": answer})

    def plain(self) -> None:
        """Be the user's function from here on."""
        self.made.__code__ = self._own


def _coded(text: str, free: int, what: dict[str, Any]) -> types.CodeType:
    """Give code with objects in place of the constants that name them."""
    code = _compiled(text, free)
    constants = (what.get(one, one) if isinstance(one, str) else one for one in code.co_consts)
    return code.replace(co_consts=tuple(constants))


@functools.cache
def _compiled(text: str, free: int) -> types.CodeType:
    """Compile a stand-in with as many names from outside as a function's code must have."""
    cells = ", ".join(f"cell{at}" for at in range(free))
    named = f"if False: {cells}" if cells else "pass"
    with silently():  # strings aren't callable
        source = text.format(cells=cells, named=named)
        whole = compile(source, __file__, "exec", dont_inherit=True)
    outer = next(one for one in whole.co_consts if isinstance(one, types.CodeType))
    return next(one for one in outer.co_consts if isinstance(one, types.CodeType))
