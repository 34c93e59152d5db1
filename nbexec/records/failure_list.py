"""Failures: the rows that are set apart, and their errors by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Failure
from .field_errors import FieldError, field_errors

if TYPE_CHECKING:
    import pandas


class Failures(list[Failure]):
    """A list of `Failure` objects, and a frame of them.

    Examples
    --------
    >>> import nbexec
    >>> results = nbexec.map(int, ["1", "x"], on_error="collect", progress="off")
    >>> results.failures.errors()[0].error
    "ValueError: invalid literal for int() with base 10: 'x'"
    """

    def errors(self) -> list[FieldError]:
        """Give what is wrong with each field of each row: tuples of row, field, error, input."""
        return [one for failure in self for one in field_errors(failure)]

    def to_frame(self) -> pandas.DataFrame:
        """Give a pandas DataFrame with a row for each field that is wrong.

        Returns
        -------
        pandas.DataFrame
            With the columns "row" (the item's index, from 0), "field" (a path such as
            "address.zip"; "" where the error is about the whole item), "error" and "input" (what
            stood there).

        Raises
        ------
        ImportError
            pandas is not installed.

        Examples
        --------
        >>> import nbexec
        >>> results = nbexec.map(int, ["1", "x"], on_error="collect", progress="off")
        >>> list(results.failures.to_frame()["row"])
        [1]
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "to_frame() makes a pandas DataFrame, and pandas is not installed: "
                "pip install pandas; failures.errors() gives the same as tuples"
            ) from error
        rows = self.errors()
        columns = zip(*rows, strict=True) if rows else ((),) * len(FieldError._fields)
        kinds = {"row": "int64", "input": object}
        # value by value: pandas would make a table of a list of lists
        return pandas.DataFrame(
            {
                name: pandas.Series(list(column), dtype=kinds.get(name, "str" if rows else object))
                for name, column in zip(FieldError._fields, columns, strict=True)
            }
        )
