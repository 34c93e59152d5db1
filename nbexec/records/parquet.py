"""Parquet in pieces: rows as they come, bad ones in a file of their own, both there or neither."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..model import Failure
from . import arrow_rows
from .field_errors import FieldError, field_errors

PIECE = 20_000  # rows of a piece: some MB, which is a row group of the file


class PieceWriter:
    """Writes rows to a file beside its place, in pieces; `finish` puts it there.

    Parameters
    ----------
    path : path
        Where the file is to be.
    schema : pyarrow.Schema or None
        None: that of the first piece.
    """

    def __init__(self, path: Any, schema: Any = None) -> None:
        self.path = Path(os.path.abspath(path))
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._schema, self._given = schema, schema is not None
        self._writer: Any = None
        self._rows: list[Any] = []
        self.count = 0

    def require_place(self) -> None:
        """Raise OSError where the file can't be in its place: not only once all is computed."""
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        if not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path.parent))

    def add(self, row: Any) -> None:
        """Take in a row, and write a piece where there is one."""
        self._rows.append(row)
        if len(self._rows) >= PIECE:
            self._write()

    def _write(self) -> None:
        from pyarrow import parquet

        rows, self._rows = self._rows, []
        dicts = [arrow_rows.as_dict(row) for row in rows]
        if self._writer is None:
            if self._schema is None:
                self._schema = arrow_rows.first_schema(dicts, rows[0] if rows else {})
            self._writer = parquet.ParquetWriter(self._part, self._schema)
        if dicts:
            self._writer.write_batch(arrow_rows.batch(dicts, self._schema, self._given))
            self.count += len(dicts)

    def close(self) -> None:
        """Write what is left; the file is whole, and not yet in its place."""
        if self._rows or self._writer is None:
            self._write()
        self._writer.close()
        self._writer = None

    def put(self) -> None:
        """Put the file in its place, in one step."""
        os.replace(self._part, self.path)

    def drop(self) -> None:
        """Remove what was written."""
        with contextlib.suppress(Exception):
            if self._writer is not None:
                self._writer.close()
        self._part.unlink(missing_ok=True)


Files = tuple[PieceWriter, PieceWriter | None]  # of rows, and of failures


def open_files(path: Any, failures: Any = None, schema: Any = None) -> Files:
    """Give what writes to files; whatever is wrong with them is said before a row is taken.

    Parameters
    ----------
    path, failures : path
        Files; None for no file of failures.
    schema : pyarrow.Schema or None
        Of the rows.

    Raises
    ------
    ImportError
        pyarrow is not installed.
    OptionError
        The schema is none, or both files are one.
    OSError
        A file can't be in its place: there is a folder of that name, or none to hold it.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            "to_parquet() writes with pyarrow, which is not installed: pip install pyarrow"
        ) from error
    if schema is not None and not isinstance(schema, pyarrow.Schema):
        raise OptionError(f"schema must be a pyarrow.Schema, or None, not {schema!r}")
    good, bad = PieceWriter(path, schema), None
    if failures is not None:
        names = [("row", pyarrow.int64())]
        names += [(name, pyarrow.string()) for name in ("field", "error", "input")]
        bad = PieceWriter(failures, pyarrow.schema(names))
        if bad.path == good.path:
            raise OptionError(f"rows and failures can't both go to {path}: give two files")
    for writer in (good, bad):
        if writer is not None:
            writer.require_place()
    return good, bad


def write(
    values: Iterable[Any],
    failed: Callable[[Any], bool],
    files: Files,
    apart: Callable[[Failure], object] = lambda failure: None,
) -> int:
    """Write rows to their file, and the errors of those that failed to theirs; give how many.

    Parameters
    ----------
    values : iterable
        Rows, and a `Failure` where one failed.
    failed : callable
        Whether a value is such a one.
    files : tuple
        Of `open_files`; where there is none for failures, each is given to `apart`.

    Raises
    ------
    OptionError
        A row is none, or doesn't fit.
    """
    good, bad = files
    writers = [one for one in files if one is not None]
    try:
        for value in values:
            if not failed(value):
                good.add(value)
            elif bad is None:
                apart(value)
            else:
                for one in field_errors(value):
                    texts = map(_text, (one.field, one.error, one.input))
                    bad.add(dict(zip(FieldError._fields, (one.row, *texts), strict=True)))
        _settle(writers)
    except BaseException:
        for writer in writers:
            writer.drop()
        raise
    return good.count


def _settle(writers: Sequence[PieceWriter]) -> None:
    """Have all files be whole before the first one is put in its place."""
    for writer in writers:
        writer.close()
    for writer in writers:
        writer.put()


def _text(value: Any) -> str:
    """Give what stood in a row, as text: of any type, also a half of a surrogate pair."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # it is the user's code, and one row is no reason to lose all
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()
