"""Nodes: the steps of a pipeline, each a function with what it takes and what it gives."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import OptionError
from ..options import resolve
from ..options.checks import suggest

SAID = "__nbexec_step__"  # on a function: what the decorator was given
# Options that a step may have: those of its calls, and where they run.
OF_A_STEP = (
    *("backend", "workers", "retries", "retry_wait", "retry_on", "crash_retries", "timeout"),
    *("rate", "slow_down", "memory_limit", "hedge_after", "priority"),
)


class Skipped(Enum):
    """Stands where a pipeline has no output, since a route took another branch; it is false.

    Examples
    --------
    >>> import nbexec
    >>> @nbexec.route(to=["half"])
    ... def even(x):
    ...     return "half" if x % 2 == 0 else None
    >>> def half(x):
    ...     return x // 2
    >>> nbexec.Pipeline(even, half).map(over="x", x=[3, 4], progress="off")
    {'half': [SKIPPED, 2]}
    """

    __module__ = "nbexec"

    SKIPPED = "skipped"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "SKIPPED"


SKIPPED = Skipped.SKIPPED


@dataclass(frozen=True, eq=False)
class Node:
    """One function of a pipeline.

    Attributes
    ----------
    fn : callable
        The function; the `Pipeline` itself where that is a step.
    name : str
        What it is called.
    outputs : tuple of str
        Names of what it gives: one for its result, or several for the parts of a tuple.
    inputs : tuple of str
        Names of what it takes.
    defaults : mapping
        Values of those that need not be given.
    options : mapping
        Options of its calls; others are the pipeline's.
    optional : bool
        Whether it is left out where an input of it isn't given.
    branches : mapping
        Of a route: the name of the step that runs, by what the function gives.
    parameters, keys : tuple of str
        The function's own names for `inputs` and `outputs`, where those are others.
    """

    fn: Callable[..., Any]
    name: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    branches: Mapping[Any, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments of a call, as far as there are values for them."""
        names = zip(self.parameters or self.inputs, self.inputs, strict=True)
        return {own: values[name] for own, name in names if name in values}

    @property
    def default_arguments(self) -> dict[str, Any]:
        """Arguments of a call for which there are no values."""
        return self.arguments(self.defaults)

    def parameter(self, name: str) -> str:
        """Give the function's own name of an input."""
        return (self.parameters or self.inputs)[self.inputs.index(name)]

    def picked(self, value: Any) -> str | None:
        """Give the name of the step that a route picks; None where it picks none."""
        if value is None and None not in self.branches:
            return None
        try:
            return self.branches[value]
        except (KeyError, TypeError):
            known = ", ".join(map(repr, self.branches))
            raise ValueError(
                f"route {self.name} gave {value!r}, which is none of its branches ({known})"
            ) from None

    def parts(self, value: Any) -> dict[str, Any]:
        """Give what a call gave, by the names of the outputs."""
        if len(self.outputs) == 1:
            return {self.outputs[0]: value}
        if isinstance(value, Mapping):
            keys = self.keys or self.outputs
            missing = [name for name in keys if name not in value]
            if missing:
                raise ValueError(f"step {self.name} gave no {', '.join(missing)}: {list(value)}")
            return {name: value[key] for name, key in zip(self.outputs, keys, strict=True)}
        if not isinstance(value, tuple | list) or len(value) != len(self.outputs):
            count = f" of {len(value)}" if isinstance(value, tuple | list) else ""
            raise ValueError(
                f"step {self.name} must give a tuple of {len(self.outputs)}, "
                f"{', '.join(self.outputs)}, or a dict of them, not {type(value).__name__}{count}"
            )
        return dict(zip(self.outputs, value, strict=True))


def step(
    fn: Callable[..., Any] | None = None,
    *,
    output: str | tuple[str, ...] | None = None,
    name: str | None = None,
    optional: bool = False,
    **options: Any,
) -> Any:
    """Say how a function is a step of a `Pipeline`; it stays the function that it is.

    Parameters
    ----------
    fn : callable or None
        The function.  None: a decorator, ``@nbexec.step(output="tokens")``.
    output : str, tuple of str or None
        The name of its result, by which others take it; several are those of the parts of a
        tuple, or the keys of a dict.  None is the function's name.
    name : str or None
        What the step is called; None is the function's name.
    optional : bool
        Whether a run without an input of this step leaves it out, instead of being an error.
        What takes its output then gets the default of that parameter.
    **options
        Options of this step's calls: ``backend``, ``workers``, ``retries``, ``retry_wait``,
        ``retry_on``, ``crash_retries``, ``timeout``, ``rate``, ``slow_down``, ``memory_limit``,
        ``hedge_after``, and ``priority``: of what is ready, the larger begins first.

    Returns
    -------
    callable
        The function itself.

    Raises
    ------
    OptionError
        An option that a step can't have, or a value that can't be used.

    Examples
    --------
    >>> import nbexec
    >>> @nbexec.step(output="tokens", workers=2)
    ... def tokenize(text):
    ...     return text.split()
    >>> nbexec.Pipeline(tokenize).outputs
    ('tokens',)
    """
    check_options("a step", ("output", "name", "optional"), options)
    names = (output,) if isinstance(output, str) else output
    if names is not None and not (
        isinstance(names, tuple) and names and all(isinstance(one, str) for one in names)
    ):
        raise OptionError(f"output must be a name, or a tuple of names, not {output!r}")
    return marked(fn, outputs=names, name=name, options=options, optional=bool(optional))


def check_options(what: str, others: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Raise an `OptionError` where a step or a pipeline can't have these options."""
    known = (*others, *OF_A_STEP)
    for one in options:
        if one not in known:
            raise OptionError(
                f"{what} has no option {one!r}{suggest(one, known)} (options: {', '.join(known)})"
            )
    resolve({name: value for name, value in options.items() if name != "priority"})
    priority = options.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise OptionError(f"priority must be an integer, not {priority!r}")


def marked(fn: Callable[..., Any] | None, **said: Any) -> Any:
    """Write on a function what a decorator says of it; without one, give the decorator."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            setattr(function, SAID, said)
        except AttributeError:
            raise OptionError(f"{function!r} can't be made a step: wrap it in a def") from None
        return function

    return mark if fn is None else mark(fn)


def node_of(fn: Any) -> Node:
    """Give the step that a function is.

    Raises
    ------
    OptionError
        It can't be called, or takes arguments without names.
    """
    if not callable(fn):
        raise OptionError(f"a pipeline is made of functions, not {fn!r}")
    said = getattr(fn, SAID, {})
    name = str(said.get("name") or getattr(fn, "__name__", type(fn).__name__))
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        raise OptionError(
            f"the parameters of {name} can't be seen, and so not wired: wrap it in a def"
        ) from None
    for one in parameters:
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            raise OptionError(
                f"step {name} takes {one}: parameters of steps have names, by which they are wired"
            )
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    inputs = tuple(one.name for one in parameters)
    outputs = said.get("outputs") or getattr(fn, "outputs_as_step", None) or (name,)
    if name == "<lambda>":
        name = str(outputs[0])
    options, optional = said.get("options", {}), said.get("optional", False)
    branches = _branches(fn, name, said["branches"]) if "branches" in said else {}
    return Node(fn, name, tuple(map(str, outputs)), inputs, defaults, options, optional, branches)


def _branches(fn: Any, name: str, said: Any) -> Mapping[Any, str]:
    """Give the branches of a route: what the decorator says, or its return type does."""
    if said is None:
        try:
            hint = typing.get_type_hints(fn).get("return")
        except Exception:  # a name that isn't there at run time
            hint = None
        given = [one for part in (hint, *typing.get_args(hint)) for one in _literals(part)]
        said = {one: one for one in given}
    if not said:
        raise OptionError(
            f"route {name} needs the names of its branches: to=('this', 'that'), or a return type "
            "Literal['this', 'that']"
        )
    return dict(said)


def _literals(hint: Any) -> tuple[str, ...]:
    if typing.get_origin(hint) is not typing.Literal:
        return ()
    return tuple(one for one in typing.get_args(hint) if isinstance(one, str))
