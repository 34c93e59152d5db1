"""What is seen while it goes, and the table at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from .catalog import Benchmark
from .goals import Result, Verdict
from .wording import columns

HEAD = ("", "against", "nbexec", "the other", "measured", "spread", "goal", "")
WIDE = 130  # characters
COLOURS = {Verdict.MET: "green", Verdict.NOT_MET: "red", Verdict.FAILED: "red"}


class Lines:
    """A line for each line of the table, as it ends."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = 0

    def begin(self, benchmark: Benchmark, against: str, pairs: int) -> None:
        """Say what is measured now."""
        self._done += 1
        name = " against ".join(filter(None, (benchmark.name, against)))
        print(f"[{self._done}/{self._count}] {name} ...", end=" ", file=sys.stderr, flush=True)

    def told(self, kind: str, what: Any) -> None:
        """Take in a reading."""

    def end(self, result: Result) -> None:
        """Say what came of it."""
        *_, measured, spread, goal, verdict = columns(result)
        said = f"{measured} ({spread})" if measured else result.problem
        print(" ".join(filter(None, (said, goal and f"goal {goal}", verdict))), file=sys.stderr)

    def close(self) -> None:
        """Clear up."""

    def table(self, results: Iterable[Result]) -> None:
        """Print all of it."""
        rows = [HEAD, *(columns(result) for result in results)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip())


class Rich(Lines):
    """A bar for the whole, a bar for the pairs of what is measured, and a table, with rich."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:g}/{task.total:g}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._progress.start()
        self._all = self._progress.add_task("all", total=count)
        self._one = self._progress.add_task("")

    def begin(self, benchmark: Benchmark, against: str, pairs: int) -> None:
        name = " against ".join(filter(None, (benchmark.name, against)))
        self._progress.reset(self._one, description=name, total=pairs)

    def told(self, kind: str, what: Any) -> None:
        if kind == "ours":
            self._progress.advance(self._one)

    def end(self, result: Result) -> None:
        name, against, *_, measured, spread, goal, verdict = columns(result)
        said = f"{measured} ({spread})" if measured else result.problem
        colour = COLOURS.get(result.verdict, "default")
        self._console.print(
            f"{name} {against}: {said} {goal and f'goal {goal}'} [{colour}]{verdict}",
            highlight=False,
        )
        self._progress.advance(self._all)

    def close(self) -> None:
        self._progress.stop()

    def table(self, results: Iterable[Result]) -> None:
        from rich.console import Console
        from rich.table import Table

        console, table = Console(), Table(box=None)
        console.width = max(console.width, WIDE)
        for head in HEAD:
            table.add_column(head, no_wrap=True)
        for result in results:
            *cells, verdict = columns(result)
            colour = COLOURS.get(result.verdict, "default")
            table.add_row(*cells, f"[{colour}]{verdict}[/]")
        console.print(table)


def display(count: int) -> Lines:
    """Give what suits where this is seen."""
    if sys.stderr.isatty():
        try:
            return Rich(count)
        except ImportError:
            pass
    return Lines(count)
