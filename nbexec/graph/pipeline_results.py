"""What a pipeline gives: outputs by name, with the report of its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import GraphError
from ..model import Failure
from .graph_rows import Unfinished
from .step_counts import PipelineReport

if TYPE_CHECKING:
    import pandas

Retry = Callable[[list[Unfinished], "PipelineResults"], "PipelineResults"]


class PipelineOutputs(dict[str, Any]):
    """What `Pipeline.run` gives: the outputs, by name.

    Attributes
    ----------
    report : PipelineReport
        What became of each step.

    Examples
    --------
    >>> import nbexec
    >>> def square(x):
    ...     return x * x
    >>> outputs = nbexec.Pipeline(square).run(x=3)
    >>> outputs, outputs.report
    ({'square': 9}, square  1 ran)
    """

    __module__ = "nbexec"

    def __init__(self, values: Mapping[str, Any], report: PipelineReport) -> None:
        super().__init__(values)
        self.report = report


class PipelineResults(dict[str, list[Any]]):
    """What `Pipeline.map` gives: each output's values, in the order of the items.

    Attributes
    ----------
    inputs : dict
        The values of each name in ``over``, item by item.
    shape : tuple of int
        How many values each of these names has: one number for all where they were zipped.
    report : PipelineReport
        What became of each step.

    Examples
    --------
    >>> import nbexec
    >>> def square(x):
    ...     return x * x
    >>> results = nbexec.Pipeline(square).map(over="x", x=[1, 2, 3], progress="off")
    >>> results["square"], results.inputs
    ([1, 4, 9], {'x': [1, 2, 3]})
    """

    __module__ = "nbexec"

    _unfinished: tuple[Unfinished, ...] = ()
    _retry: Retry | None = None

    def __init__(
        self,
        values: Mapping[str, list[Any]],
        inputs: Mapping[str, list[Any]],
        shape: tuple[int, ...],
        report: PipelineReport | None = None,
    ) -> None:
        super().__init__(values)
        self.inputs = dict(inputs)
        self.shape = shape
        self.report = report or PipelineReport(())

    def __reduce__(self) -> Any:
        """Leave behind what only this process can go on with."""
        return type(self), (dict(self), self.inputs, self.shape, self.report)

    def can_retry(self, retry: Retry, unfinished: list[Unfinished]) -> PipelineResults:
        """Take in how to go on with what has failed."""
        self._retry, self._unfinished = retry, tuple(unfinished)
        return self

    @property
    def failures(self) -> list[Failure]:
        """Failures of items, in their order, with ``on_error="collect"``: each once."""
        found = [
            one
            for row in zip(*self.values(), strict=True)
            for one in row
            if isinstance(one, Failure)
        ]
        return list({id(one): one for one in found}.values())

    def retry_failed(self) -> PipelineResults:
        """Go on with the items that have failed, from the steps that did.

        Steps of theirs that have a value don't run again.

        Returns
        -------
        PipelineResults
            Of all items: new values among the old.  Its report is about these items.

        Raises
        ------
        GraphError
            The results were pickled: what led to them is in another process.

        Examples
        --------
        >>> import nbexec
        >>> there = []
        >>> def load(x):
        ...     return x * 10
        >>> def stored(load):
        ...     return load if there or load == 10 else 1 / 0
        >>> pipe = nbexec.Pipeline(load, stored, backend="threads")
        >>> results = pipe.map(over="x", x=[1, 2], on_error="collect", progress="off")
        >>> there.append("it is back")
        >>> again = results.retry_failed()
        >>> again["stored"], again.report
        ([10, 20], load    nothing
        stored  1 ran)
        """
        if self._retry is None:
            raise GraphError(
                "these results can't be retried: they come from another process; call map() again, "
                "with checkpoint= it runs what is missing"
            )
        return self._retry([*self._unfinished], self)

    def to_frame(self) -> pandas.DataFrame:
        """Give a DataFrame: a row for each item, a column for each input and output."""
        import pandas

        return pandas.DataFrame({**self.inputs, **self})

    def to_xarray(self) -> Any:
        """Give an ``xarray.Dataset``, with a dimension for each name in ``over``.

        Raises
        ------
        GraphError
            Several names were zipped: they have one dimension.
        """
        import numpy
        import xarray  # type: ignore[import-not-found,unused-ignore]

        if len(self.shape) != len(self.inputs):
            raise GraphError("to_xarray needs a dimension for each input: mode='product'")
        dims = list(self.inputs)
        coords = {}
        for at, name in enumerate(dims):
            stride = math.prod(self.shape[at + 1 :])
            coords[name] = self.inputs[name][:: stride or 1][: self.shape[at]]
        arrays = {}
        for name, values in self.items():
            array = numpy.array(values) if all(map(numpy.isscalar, values)) else None
            if array is None or not _as_they_were(array, values):
                array = numpy.empty(len(values), dtype=object)
                array[:] = values
            arrays[name] = (dims, array.reshape(self.shape))
        return xarray.Dataset(arrays, coords)


def _as_they_were(array: Any, values: list[Any]) -> bool:
    """Whether values in an array are what they were: numbers beside text would be text."""
    made = array.tolist()
    mixed = array.dtype.kind in "USO" or len({*map(type, values)}) > 1
    pairs = zip(made, values, strict=True)
    return not mixed or all(one == two or (one != one and two != two) for one, two in pairs)


class PipelineStream(Iterator[dict[str, Any]]):
    """What `Pipeline.imap` gives: the outputs of each item, in order, as they come.

    Attributes
    ----------
    report : PipelineReport
        What has become of each step so far.

    Examples
    --------
    >>> import nbexec
    >>> def square(x):
    ...     return x * x
    >>> for outputs in nbexec.Pipeline(square).imap(over="x", x=[1, 2], progress="off"):
    ...     print(outputs)
    {'square': 1}
    {'square': 4}
    """

    __module__ = "nbexec"

    def __init__(
        self, outputs: Iterator[dict[str, Any]], report: Callable[[], PipelineReport]
    ) -> None:
        self._outputs, self._report = outputs, report

    @property
    def report(self) -> PipelineReport:
        return self._report()

    def __next__(self) -> dict[str, Any]:
        return next(self._outputs)

    def close(self) -> None:
        """End what runs; what has been given stays."""
        self._outputs.close()  # type: ignore[attr-defined]

    def throw(self, error: BaseException) -> dict[str, Any]:
        """Raise an exception where it waits, which ends what runs."""
        return self._outputs.throw(error)  # type: ignore[attr-defined,no-any-return]
