"""Results: the list that a run gives, and what was learnt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import NbexecError
from ..model import Failure
from ..records.failure_list import Failures
from ..serialize import failures as _pickling  # noqa: F401  # how a `Failure` is pickled
from ..telemetry import wording
from ..telemetry.bars import Bars
from ..telemetry.observer import WatchedRun

if TYPE_CHECKING:
    import pandas

    from ..telemetry.stats import Stats


class Results(list[Any]):
    """The results of a run, in the order of its items: a list, and what was learnt.

    Attributes
    ----------
    run : Run or None
        The run that they come from; None for a list that was sliced, copied or unpickled.
    origin : str
        What `Failure.run` is of that run's own failures; "" where any `Failure` counts as one.

    Examples
    --------
    >>> import nbexec
    >>> results = nbexec.map(len, ["a", None, "ccc"], on_error="collect", progress="off")
    >>> results.ok()
    [1, 3]
    >>> results.failures[0].index
    1
    """

    __module__ = "nbexec"

    def __init__(
        self, values: Iterable[Any] = (), run: WatchedRun | None = None, origin: str = ""
    ) -> None:
        super().__init__(values)
        self.run = run
        self.origin = origin

    def __reduce__(self) -> tuple[Any, ...]:
        """Give the reduction for pickling and copying: the list, without its run."""
        state = {name: value for name, value in vars(self).items() if name != "run"}
        return type(self), (), state, iter(self)

    def __nbexec_content__(self) -> tuple[Any, ...]:
        """Give a reduction without `origin`, which is another one each time."""
        kind, arguments, state, items = self.__reduce__()
        return kind, arguments, {**state, "origin": ""}, items

    def failed(self, value: Any) -> bool:
        """Whether a value stands for an item that failed.

        A `Failure` that an item returned, as one that collects those of a run of its own may,
        is that item's value.
        """
        return isinstance(value, Failure) and self.origin in ("", value.run)

    @property
    def stats(self) -> Stats | None:
        """The run's `Stats`; None where there is no run."""
        return None if self.run is None else self.run.stats

    @property
    def failures(self) -> Failures:
        """The `Failure` objects among the results; ``failures.to_frame()`` has errors by field."""
        return Failures(value for value in self if self.failed(value))

    def ok(self) -> list[Any]:
        """Give the results without the failures."""
        return [value for value in self if not self.failed(value)]

    def timeline(self) -> Bars:
        """Give the run's `Bars`: which worker was busy when; none where there is no run."""
        return Bars() if self.run is None else self.run.timeline()

    def to_frame(self) -> pandas.DataFrame:
        """Give a pandas DataFrame with a row for each item.

        Returns
        -------
        pandas.DataFrame
            Indexed by the item's index, with the columns "value" (None where there is none),
            "kind" ("done", or that of the `Failure`), "error" (type and message), "worker" and
            "attempt"; the last three are empty or 0 where the item has a value.

        Raises
        ------
        ImportError
            pandas is not installed.

        Examples
        --------
        >>> import nbexec
        >>> results = nbexec.map(len, ["a", None], on_error="collect", progress="off")
        >>> frame = results.to_frame()
        >>> list(frame["kind"])
        ['done', 'error']
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "to_frame() makes a pandas DataFrame, and pandas is not installed: "
                "pip install pandas"
            ) from error
        rows = [
            (None, value.kind, _words(value.exception), value.worker, value.attempt)
            if self.failed(value)
            else (value, "done", "", "", 0)
            for value in self
        ]
        values, *others = zip(*rows, strict=True) if rows else ((),) * 5
        index = pandas.RangeIndex(len(rows), name="index")
        # value by value: pandas would make a table of a list of arrays
        column = pandas.Series(list(values), index=index, dtype=object).infer_objects()
        names = ("kind", "error", "worker", "attempt")
        return pandas.DataFrame(
            {"value": column, **dict(zip(names, map(list, others), strict=True))}, index=index
        )

    def to_parquet(self, path: Any, *, failures: Any = None, schema: Any = None) -> int:
        """Write the results that are rows to a Parquet file, as `imap`'s results do.

        Parameters
        ----------
        path : path
            The file.
        failures : path or None
            A file for the errors of rows that failed, as ``failures.to_frame()`` has them, each
            input as text.
        schema : pyarrow.Schema or None
            Of the rows; None: that of the first 20,000 and of their annotations.

        Returns
        -------
        int
            How many rows were written.

        Raises
        ------
        ImportError
            pyarrow is not installed.
        OptionError
            A result is no row, or a field doesn't fit; the message names it.
        OSError
            There can't be such a file.
        """
        from ..records import parquet

        return parquet.write(self, self.failed, parquet.open_files(path, failures, schema))


def _words(error: BaseException) -> str:
    said = wording.message(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def attach_results(error: BaseException, results: Results) -> None:
    """Put what was finished on the exception that ends the run."""
    try:
        error.partial_results = results  # type: ignore[attr-defined]
    except AttributeError:  # an exception with __slots__
        if isinstance(error, NbexecError):
            raise
