"""Nodes: the steps of a pipeline, each a function with what it takes and what it gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError
from ..options import resolve

SAID = "__nbexec_step__"  # on a function: what the decorator was given
# Options that a step may have: those of its calls, and where they run.
OF_A_STEP = (
    *("backend", "workers", "retries", "retry_wait", "retry_on", "crash_retries", "timeout"),
    *("rate", "slow_down", "memory_limit"),
)


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
        Names of its parameters.
    defaults : mapping
        Values of those that need not be given.
    options : mapping
        Options of its calls; others are the pipeline's.
    """

    fn: Callable[..., Any]
    name: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def parts(self, value: Any) -> dict[str, Any]:
        """Give what a call gave, by the names of the outputs."""
        if len(self.outputs) == 1:
            return {self.outputs[0]: value}
        if isinstance(value, Mapping):
            missing = [name for name in self.outputs if name not in value]
            if missing:
                raise ValueError(f"step {self.name} gave no {', '.join(missing)}: {list(value)}")
            return {name: value[name] for name in self.outputs}
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
    **options
        Options of this step's calls: ``backend``, ``workers``, ``retries``, ``retry_wait``,
        ``retry_on``, ``crash_retries``, ``timeout``, ``rate``, ``slow_down``, ``memory_limit``.

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
    unknown = [one for one in options if one not in OF_A_STEP]
    if unknown:
        raise OptionError(
            f"a step has no option {unknown[0]!r} (options: output, name, {', '.join(OF_A_STEP)})"
        )
    resolve(options)
    names = (output,) if isinstance(output, str) else output
    if names is not None and not (
        isinstance(names, tuple) and names and all(isinstance(one, str) for one in names)
    ):
        raise OptionError(f"output must be a name, or a tuple of names, not {output!r}")

    def said(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            setattr(function, SAID, {"outputs": names, "name": name, "options": options})
        except AttributeError:
            raise OptionError(f"{function!r} can't be made a step: wrap it in a def") from None
        return function

    return said if fn is None else said(fn)


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
    return Node(fn, name, tuple(map(str, outputs)), inputs, defaults, said.get("options", {}))
