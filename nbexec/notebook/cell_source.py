"""CellSource: the Python source of a cell under the magic, with the cell's own line numbers.

The magic's line stays, as a comment, and blank lines stay, so that line numbers in tracebacks
are those of the cell.
"""

from __future__ import annotations

import ast
from types import TracebackType
from typing import Any

from ..errors import NbexecError
from ..system.silence import silently
from . import futures
from .flags import parse

MAGIC = "%%parallel"


def from_cell(traceback: TracebackType | None, filename: str) -> TracebackType | None:
    """Give a traceback from the cell's own line on; the frames above are nbexec's."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename != filename:
        traceback = traceback.tb_next
    return traceback


class CellSource:
    """Makes Python of a cell, and raises a syntax error before anything of it runs.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        Where the cell runs.
    """

    has_side_effects = True  # so that IPython doesn't ask while the cell is being written

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._above = ("", 0)  # a cell, and the blank lines above its magic

    def __call__(self, lines: list[str]) -> list[str]:
        """Check a cell before IPython does; give its lines unchanged.

        Raises
        ------
        SyntaxError
            It has the magic, and is not Python: IPython shows that as for any cell.
        """
        blank = _blank(lines)
        if blank < len(lines) and lines[blank].startswith(MAGIC):
            first = lines[blank][len(MAGIC) :]
            body = "".join(lines[blank + 1 :])
            if not first[:1].strip():  # it is this magic, and no longer name
                self._above = body, blank
                self._check(first.strip(), body)
        return lines

    def _check(self, line: str, body: str) -> None:
        try:
            options, rest = parse(line)
        except NbexecError:
            return  # the run of the cell reports that
        if rest or options.get("help"):
            return
        source = self.python(line, body)
        number = len(self._shell.history_manager.input_hist_raw)
        filename = self._shell.compile.cache(source, number, raw_code=f"{MAGIC} {line}\n{body}")
        flags = futures.in_force(self._shell) | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        with silently():  # when the cell runs, they are shown
            compile(source, filename, "exec", flags, dont_inherit=True)

    def python(self, line: str, body: str) -> str:
        """Give the source of a cell whose magic has the flags `line`."""
        above = self._above[1] if self._above[0].strip() == body.strip() else 0
        lines = body.splitlines(keepends=True)
        blank = _blank(lines)
        python: str = self._shell.transform_cell(
            "".join(lines[blank:])
        )  # it takes blank lines away
        return "\n" * above + f"# {MAGIC} {line}\n" + "\n" * blank + python


def _blank(lines: list[str]) -> int:
    """Count the blank lines before the first that isn't."""
    return next((at for at, line in enumerate(lines) if line.strip()), 0)
