"""route: a step of a pipeline that picks which branch runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import OptionError
from .nodes import check_options, marked


def route(
    fn: Callable[..., Any] | None = None,
    *,
    to: Iterable[str] | Mapping[Any, str] | None = None,
    output: str | None = None,
    name: str | None = None,
    **options: Any,
) -> Any:
    """Make a function a step that picks which of some others runs; it stays what it is.

    The branches may give the same output: what takes it takes that of the branch that ran.
    Where a branch doesn't run, neither does what needs it, unless that has a default in its
    place; an `nbexec.Skipped` stands for outputs that there are not.

    Parameters
    ----------
    fn : callable or None
        Gives the name of the step that is to run; None for none of them.  Without it: a
        decorator.
    to : iterable of str, mapping or None
        The names of the branches; or a dict of them, by what the function gives.  None takes them
        from its return type, ``Literal["small", "large"]``.
    output, name, **options
        As for `nbexec.step`.

    Returns
    -------
    callable
        The function itself.

    Raises
    ------
    OptionError
        An option that a step can't have, or names of branches that can't be used.

    Examples
    --------
    >>> import nbexec
    >>> @nbexec.route(to={True: "shorten", False: "keep"})
    ... def is_long(text):
    ...     return len(text) > 5
    >>> @nbexec.step(output="title")
    ... def shorten(text):
    ...     return text[:4] + "…"
    >>> @nbexec.step(output="title")
    ... def keep(text):
    ...     return text
    >>> pipe = nbexec.Pipeline(is_long, shorten, keep)
    >>> pipe.map(over="text", text=["bees", "bumblebees"], progress="off")["title"]
    ['bees', 'bumb…']
    """
    check_options("a route", ("to", "output", "name"), options)
    if output is not None and not isinstance(output, str):
        raise OptionError(f"output of a route must be a name, not {output!r}")
    outputs = None if output is None else (output,)
    return marked(fn, outputs=outputs, name=name, options=options, branches=_named(to))


def _named(to: Any) -> Mapping[Any, str] | None:
    if to is None:
        return None
    if isinstance(to, str) or not isinstance(to, Iterable):
        raise OptionError(f"to= must be names of steps, or a dict of them, not {to!r}")
    branches = dict(to) if isinstance(to, Mapping) else {one: one for one in to}
    for one in branches.values():
        if not isinstance(one, str):
            raise OptionError(f"to= must be names of steps, not {one!r}")
    return branches
