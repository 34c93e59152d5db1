"""Pipeline: functions wired by the names of their parameters and outputs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import GraphError, OptionError, RunCancelled
from ..options import resolve
from ..tracking import followed
from ..worker.execute import depth
from .flow_display import FlowDisplay
from .graph_rows import Unfinished
from .nested import nodes_of
from .nodes import SKIPPED, Node, check_options
from .pictures import svg, text
from .pipeline_flow import PipelineFlow, StepFailed
from .pipeline_results import PipelineOutputs, PipelineResults, PipelineStream
from .step_counts import PipelineReport
from .step_journal import StepJournal
from .sweep import SweepRows
from .wiring import Wiring

Path = str | os.PathLike[str]


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
    options : dict
        Of the steps that say nothing else.
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
        check_options("a pipeline", ("name",), options)
        self.name = self.__name__ = name
        self.options = options
        self.wiring = Wiring(nodes_of(functions))
        self.inputs, self.optional = self.wiring.inputs, self.wiring.optional
        self.outputs = self.outputs_as_step = self.wiring.finals
        self.__signature__ = inspect.Signature(self._parameters())

    def _parameters(self) -> list[inspect.Parameter]:
        """Give its inputs as parameters: what it takes where it is a step of another one."""
        kind = inspect.Parameter.KEYWORD_ONLY
        defaults = {name: default for one in self.steps for name, default in one.defaults.items()}
        needed = [inspect.Parameter(name, kind) for name in self.inputs]
        optional = [
            inspect.Parameter(name, kind, default=defaults.get(name, SKIPPED))
            for name in self.optional
        ]
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
        progress: Any = None,
        checkpoint: Path | None = None,
        **given: Any,
    ) -> PipelineOutputs:
        """Run each step once, independent ones at the same time.

        Parameters
        ----------
        inputs : mapping or None
            Inputs by name, for those whose names are `run`'s own.
        until : str, sequence of str or None
            The outputs that are wanted: only what they need runs.  None is `outputs`.
        progress : str or object or None
            As the option of that name.  A run that lasts is drawn, with the numbers of each step.
        checkpoint : str, path or None
            A file that keeps what each step gives.  What is there of before is not run again: a
            step runs where its function has changed, or an input, or a step that it takes from.
        **given
            Inputs by name.

        Returns
        -------
        PipelineOutputs
            A dict of the outputs; its ``report`` says what ran and why.

        Raises
        ------
        GraphError
            An input is missing, or something is given that no step takes; nothing has run.
        JournalError
            A file or a function that `checkpoint` can't use.
        Exception
            What the first step that failed has raised, with a note that names it.
        """
        values = {**(inputs or {}), **given}
        flow = self._flow(until, values, False, self._journal(until, values, (), checkpoint))
        try:
            with self._shown(flow, 1, progress):
                ((_, result),) = flow.finished([values])
            return PipelineOutputs(result, self._report(flow))
        except StepFailed as failed:
            error = failed.error
        raise error

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
        checkpoint: Path | None = None,
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
        checkpoint : str, path or None
            As for `run`: step by step and item by item, also after the kernel has died.
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
            item; or what an iterable has, once the items before have ended.  Like an interrupt,
            it has the results of the items that had ended as ``partial_results``.
        """
        rows = SweepRows(over, mode, {**(inputs or {}), **given})
        flow = self._flow_of(rows, until, on_error, checkpoint)
        flow.unfinished = [] if on_error == "collect" else None
        found: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
        made = functools.partial(self._results, flow, rows, until, progress, checkpoint, found)
        try:
            found.extend(self._tracked(flow, rows, progress))
            return made(rows.shape)
        except StepFailed as failed:
            error: BaseException = failed.error
        except (KeyboardInterrupt, Exception) as stopped:  # of the iterables of values, too
            error = stopped
        with contextlib.suppress(AttributeError):  # an exception with __slots__
            error.partial_results = made(lambda count: (count,))  # type: ignore[attr-defined]
        raise error

    def _results(
        self,
        flow: PipelineFlow,
        rows: SweepRows,
        until: Any,
        progress: Any,
        checkpoint: Path | None,
        found: list[tuple[int, dict[str, Any], dict[str, Any]]],
        shape: Callable[[int], tuple[int, ...]],
    ) -> PipelineResults:
        """Give what has ended, in the order of the items."""
        found.sort(key=lambda one: one[0])
        values = {name: [result[name] for _, _, result in found] for name in self._wanted(until)}
        labels = {name: [row[name] for _, row, _ in found] for name in rows.over}
        places = {index: place for place, (index, *_) in enumerate(found)}  # some aren't there
        retry = functools.partial(self._retried, rows, until, progress, checkpoint, places)
        made = PipelineResults(values, labels, shape(len(found)), self._report(flow))
        return made.can_retry(retry, [one for one in flow.unfinished or [] if one.index in places])

    def _retried(
        self,
        rows: SweepRows,
        until: Any,
        progress: Any,
        checkpoint: Path | None,
        places: Mapping[int, int],
        unfinished: list[Unfinished],
        before: PipelineResults,
    ) -> PipelineResults:
        """Go on with items that have failed; give the results of all."""
        flow = self._flow_of(rows, until, "collect", checkpoint)
        flow.unfinished = []
        values = {name: list(column) for name, column in before.items()}
        left = {one.index: one for one in unfinished}
        error: BaseException | None = None
        try:
            with self._shown(flow, len(unfinished), progress):
                for index, result in self._followed(flow, unfinished, len(unfinished), progress):
                    for name, value in result.items():
                        values[name][places[index]] = value
                    del left[index]
        except (KeyboardInterrupt, RunCancelled) as stopped:
            error = stopped
        retry = functools.partial(self._retried, rows, until, progress, checkpoint, places)
        made = PipelineResults(values, before.inputs, before.shape, self._report(flow))
        again = [one for one in flow.unfinished if one.index not in left]
        made.can_retry(retry, [*again, *left.values()])
        if error is None:
            return made
        error.partial_results = made  # type: ignore[attr-defined]
        raise error

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
        checkpoint: Path | None = None,
        **given: Any,
    ) -> PipelineStream:
        """Give the outputs of each item in order, as they come, in bounded memory.

        Parameters
        ----------
        inputs, over, mode, until, on_error, progress, checkpoint, **given
            As for `map`.  With "zip", iterables may be endless.

        Returns
        -------
        PipelineStream
            An iterator of dicts: the outputs of an item, by name.

        Raises
        ------
        GraphError, Exception
            As for `map`.
        """
        rows = SweepRows(over, mode, {**(inputs or {}), **given})
        flow = self._flow_of(rows, until, on_error, checkpoint)
        outputs = _in_order(self._tracked(flow, rows, progress, bounded=True))
        return PipelineStream(outputs, functools.partial(self._report, flow))

    def __call__(self, **given: Any) -> Any:
        """Give its output, or a tuple of several: what a step of another pipeline does."""
        result = self.run({name: one for name, one in given.items() if one is not SKIPPED})
        values = tuple(result[name] for name in self.outputs)
        return values[0] if len(values) == 1 else values

    def _tracked(
        self, flow: PipelineFlow, rows: SweepRows, progress: Any, bounded: bool = False
    ) -> Generator[tuple[int, dict[str, Any], dict[str, Any]], None, None]:
        """Give the number, the values and the outputs of each row as it ends."""
        begun: dict[int, dict[str, Any]] = {}

        def noted() -> Iterator[dict[str, Any]]:
            for index, row in enumerate(rows):
                begun[index] = {name: row[name] for name in rows.over}
                yield row

        with self._shown(flow, rows.total, progress):
            for index, result in self._followed(flow, noted(), rows.total, progress, bounded):
                yield index, begun.pop(index), result

    def _followed(
        self,
        flow: PipelineFlow,
        rows: Iterable[Any],
        total: int | None,
        progress: Any,
        bounded: bool = False,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give what ends, in the panel of a loop."""
        reason = f"items of {len(self.steps)} steps, which run on their own backends"
        opened: list[Generator[tuple[int, dict[str, Any]], None, None]] = []

        def source(hold: Callable[[], None]) -> Iterator[tuple[int, dict[str, Any]]]:
            opened.append(flow.finished(rows, bounded, hold))
            return opened[0]

        shown = followed(source, total, self.name, progress, reason)
        try:
            yield from shown
        finally:  # at once, whoever holds the frames of an exception
            for one in opened:
                one.close()

    def _shown(self, flow: PipelineFlow, total: int | None, progress: Any) -> FlowDisplay:
        return FlowDisplay(self.name, self.wiring, flow, total, progress)

    def _report(self, flow: PipelineFlow) -> PipelineReport:
        return PipelineReport(flow.counts.values(), flow.notes)

    def _wanted(self, until: str | Sequence[str] | None) -> tuple[str, ...]:
        if until is None:
            return self.outputs
        return (until,) if isinstance(until, str) else tuple(until)

    def _flow_of(
        self, rows: SweepRows, until: Any, on_error: str, checkpoint: Path | None
    ) -> PipelineFlow:
        if on_error not in ("raise", "collect"):
            raise OptionError(f"on_error must be 'raise' or 'collect', not {on_error!r}")
        journal = self._journal(until, rows.names, rows.over, checkpoint)
        return self._flow(until, rows.names, on_error == "collect", journal)

    def _steps_of(self, until: Any, given: Iterable[str]) -> tuple[Node, ...]:
        """Give the steps that it takes, or raise what is wrong with what is given."""
        wanted = self._wanted(until)
        if not wanted:
            raise GraphError("until= names the outputs that are wanted; it is empty")
        steps = self.wiring.needed(wanted, given)
        self.wiring.check(given, steps)
        return steps

    def _journal(
        self, until: Any, given: Iterable[str], over: Collection[str], path: Path | None
    ) -> StepJournal | None:
        changes = {} if path is None else {"checkpoint": path}
        path = resolve(changes).checkpoint  # a session's, too
        steps = self._steps_of(until, given)
        if path is None or depth.get():  # in an item of a run, that one's journal counts
            return None
        return StepJournal(path, self.name, self.wiring, steps, self._wanted(until), over)

    def _flow(
        self, until: Any, given: Iterable[str], collect: bool, journal: StepJournal | None
    ) -> PipelineFlow:
        steps, wanted = self._steps_of(until, given), self._wanted(until)
        return PipelineFlow(self.wiring, steps, wanted, self.options, collect, journal)

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
    ended: Generator[tuple[int, dict[str, Any], dict[str, Any]], None, None],
) -> Iterator[dict[str, Any]]:
    early: dict[int, dict[str, Any]] = {}
    following = 0
    try:
        for index, _, result in ended:
            early[index] = result
            while following in early:
                yield early.pop(following)
                following += 1
        return
    except StepFailed as failed:
        error = failed.error
    finally:
        ended.close()
    raise error
