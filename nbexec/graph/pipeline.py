"""Pipeline: functions wired by the names of their parameters and outputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import GraphError, OptionError
from ..options import resolve
from ..tracking import track
from .nodes import OF_A_STEP, Node, node_of
from .pictures import svg, text
from .pipeline_flow import PipelineFlow
from .sweep import PipelineResults, SweepRows
from .wiring import Wiring


class Pipeline:
    """Functions that are wired by name: a parameter named like an output is that output.

    Parameters
    ----------
    *functions : callable
        The steps, in any order; also another `Pipeline`.  What a step gives has the name of its
        function, or what `nbexec.step` says.  A parameter that is no output is an input.
    name : str
        What it is called.
    **options
        Of all steps that don't say otherwise: ``backend``, ``workers``, ``retries`` and so on,
        as `nbexec.step` takes them.

    Attributes
    ----------
    inputs, optional : tuple of str
        What has to be given, and what may be, since it has a default.
    outputs : tuple of str
        What no step takes: what `run` and `map` give unless they are asked for something else.

    Raises
    ------
    GraphError
        Two functions give one output, functions wait for each other, or annotations contradict
        each other.
    OptionError
        A function or an option that can't be used.

    Examples
    --------
    >>> import nbexec
    >>> def tokens(text):
    ...     return text.split()
    >>> def count(tokens):
    ...     return len(tokens)
    >>> def longest(tokens):
    ...     return max(tokens, key=len)
    >>> pipe = nbexec.Pipeline(tokens, count, longest)
    >>> pipe.run(text="a bee sees")
    {'count': 3, 'longest': 'sees'}
    >>> print(pipe)
    pipeline: text -> count, longest
      tokens(text)
      count(tokens)
      longest(tokens)
    """

    __module__ = "nbexec"

    def __init__(
        self, *functions: Callable[..., Any], name: str = "pipeline", **options: Any
    ) -> None:
        unknown = [one for one in options if one not in OF_A_STEP]
        if unknown:
            raise OptionError(
                f"a pipeline has no option {unknown[0]!r} (options: name, {', '.join(OF_A_STEP)})"
            )
        resolve(options)
        self.name = self.__name__ = name
        self._options = options
        self.wiring = Wiring([node_of(one) for one in functions])
        self.inputs, self.optional = self.wiring.inputs, self.wiring.optional
        self.outputs = self.outputs_as_step = self.wiring.finals
        self.__signature__ = inspect.Signature(self._parameters())

    def _parameters(self) -> list[inspect.Parameter]:
        """Give its inputs as parameters: what it takes where it is a step of another one."""
        kind = inspect.Parameter.KEYWORD_ONLY
        defaults = {name: default for one in self.steps for name, default in one.defaults.items()}
        needed = [inspect.Parameter(name, kind) for name in self.inputs]
        optional = [inspect.Parameter(name, kind, default=defaults[name]) for name in self.optional]
        return needed + optional

    @property
    def steps(self) -> tuple[Node, ...]:
        """The steps, each after those that it waits for."""
        return self.wiring.steps

    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        until: str | Sequence[str] | None = None,
        **given: Any,
    ) -> dict[str, Any]:
        """Run each step once, independent ones at the same time.

        Parameters
        ----------
        inputs : mapping or None
            Inputs by name, for those whose names are `run`'s own.
        until : str, sequence of str or None
            The outputs that are wanted: only what they need runs.  None is `outputs`.
        **given
            Inputs by name.

        Returns
        -------
        dict
            The outputs, by name.

        Raises
        ------
        GraphError
            An input is missing, or something is given that no step takes; nothing has run.
        Exception
            What the first step that failed has raised, with a note that names it.
        """
        values = {**(inputs or {}), **given}
        flow = self._flow(until, values, collect=False)
        ((_, result),) = flow.finished([values])
        return result

    def map(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        over: str | Sequence[str],
        mode: str = "zip",
        until: str | Sequence[str] | None = None,
        on_error: str = "raise",
        progress: Any = None,
        **given: Any,
    ) -> PipelineResults:
        """Send many items through the steps; a slow step of one never blocks another item.

        Parameters
        ----------
        inputs : mapping or None
            As for `run`.
        over : str or sequence of str
            The inputs that have an iterable of values; others are the same for all items.
        mode : {"zip", "product"}
            With several: whether the first values go together, or each with each.
        until : str, sequence of str or None
            As for `run`.
        on_error : {"raise", "collect"}
            Whether a failing step ends everything, or costs its item that output and what needs
            it: a `Failure` stands there.
        progress : str or object or None
            As the option of that name.
        **given
            Inputs by name.

        Returns
        -------
        PipelineResults
            A dict of the outputs, each a list in the order of the items.

        Raises
        ------
        GraphError
            As for `run`; or lengths differ.
        Exception
            With ``on_error="raise"``, what a step has raised, with a note that names step and
            item.
        """
        rows = SweepRows(over, mode, {**(inputs or {}), **given})
        found = list(self._tracked(rows, until, on_error, progress))
        found.sort(key=lambda one: one[0])
        names = self._wanted(until)
        values = {name: [result[name] for _, _, result in found] for name in names}
        labels = {name: [row[name] for _, row, _ in found] for name in rows.over}
        return PipelineResults(values, labels, rows.shape(len(found)))

    def imap(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        over: str | Sequence[str],
        mode: str = "zip",
        until: str | Sequence[str] | None = None,
        on_error: str = "raise",
        progress: Any = None,
        **given: Any,
    ) -> Iterator[dict[str, Any]]:
        """Give the outputs of each item in order, as they come, in bounded memory.

        Parameters
        ----------
        inputs, over, mode, until, on_error, progress, **given
            As for `map`.  With "zip", iterables may be endless.

        Returns
        -------
        iterator of dict
            The outputs of an item, by name.

        Raises
        ------
        GraphError, Exception
            As for `map`.
        """
        rows = SweepRows(over, mode, {**(inputs or {}), **given})
        return _in_order(self._tracked(rows, until, on_error, progress, bounded=True))

    def __call__(self, **given: Any) -> Any:
        """Give its output, or a tuple of several: what a step of another pipeline does."""
        result = self.run(given)
        values = tuple(result[name] for name in self.outputs)
        return values[0] if len(values) == 1 else values

    def _tracked(
        self, rows: SweepRows, until: Any, on_error: str, progress: Any, bounded: bool = False
    ) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
        """Give the number, the values and the outputs of each row as it ends."""
        if on_error not in ("raise", "collect"):
            raise OptionError(f"on_error must be 'raise' or 'collect', not {on_error!r}")
        flow = self._flow(until, rows.names, on_error == "collect")
        begun: dict[int, dict[str, Any]] = {}

        def noted() -> Iterator[dict[str, Any]]:
            for index, row in enumerate(rows):
                begun[index] = {name: row[name] for name in rows.over}
                yield row

        ended = track(flow.finished(noted(), bounded), rows.total, self.name, progress)
        return ((index, begun.pop(index), result) for index, result in ended)

    def _wanted(self, until: str | Sequence[str] | None) -> tuple[str, ...]:
        if until is None:
            return self.outputs
        return (until,) if isinstance(until, str) else tuple(until)

    def _flow(self, until: Any, given: Any, collect: bool) -> PipelineFlow:
        wanted = self._wanted(until)
        if not wanted:
            raise GraphError("until= names the outputs that are wanted; it is empty")
        steps = self.wiring.needed(wanted)
        self.wiring.check(given, steps)
        return PipelineFlow(self.wiring, steps, wanted, self._options, collect)

    def __str__(self) -> str:
        return text(self.name, self.wiring)

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {len(self.steps)} steps>"

    def svg(self) -> str:
        """Give a picture of it, as SVG."""
        return svg(self.wiring)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "image/svg+xml": self.svg()}


def _in_order(
    ended: Iterator[tuple[int, dict[str, Any], dict[str, Any]]],
) -> Iterator[dict[str, Any]]:
    early: dict[int, dict[str, Any]] = {}
    following = 0
    for index, _, result in ended:
        early[index] = result
        while following in early:
            yield early.pop(following)
            following += 1
