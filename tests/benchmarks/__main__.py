"""The command line: ``python -m tests.benchmarks --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import page, runner
from .catalog import Benchmark, benchmarks
from .record import Record
from .show import display

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
PAIRS = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, list or draw; give 1 if something failed."""
    asked = parser().parse_args(argv)
    known = benchmarks()
    if asked.list:
        for one in known.values():
            print(f"{one.name:<16} {one.title}")
            for against, goal in one.goals.items():
                print(f"{'':<16}   {against:<22} {goal}".rstrip())
        return 0
    if asked.chart:
        page.write(Record.read(asked.chart), PAGE)
        return 0
    unknown = [name for name in asked.names if name not in known]
    if unknown:
        print(
            f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr
        )
        return 2
    chosen = [known[name] for name in asked.names or known]
    if asked.more and (asked.json is None or not asked.json.exists()):
        print(f"--more adds to a file, and --json {asked.json} is none", file=sys.stderr)
        return 2
    before = Record.read(asked.json) if asked.more else None
    if before is not None and before.quick != asked.quick:
        print(f"--more: tiny sizes are not mixed with others, as {asked.json} has", file=sys.stderr)
        return 2
    record = measure(lines(chosen, asked.against), asked.pairs, asked.quick, asked.json, before)
    return int(any(result.problem and not result.missing for result in record.results))


def parser() -> argparse.ArgumentParser:
    """Give what the command line may say."""
    it = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure nbexec and other libraries in turn, and compare the medians.",
    )
    it.add_argument("names", nargs="*", help="benchmarks; all of them by default")
    it.add_argument(
        "--against", action="append", metavar="PEER", help="only these; may be said again"
    )
    it.add_argument("--pairs", type=int, default=PAIRS, help=f"by default {PAIRS}")
    it.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works")
    it.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="keep every measured time; lines that are there already are replaced, others kept",
    )
    it.add_argument("--list", action="store_true", help="say what there is")
    it.add_argument(
        "--more",
        action="store_true",
        help="add to the pairs that FILE has of these lines: each is one more process",
    )
    it.add_argument(
        "--chart", type=Path, metavar="FILE", help="bring such a file into docs/performance.md"
    )
    return it


def lines(
    chosen: Sequence[Benchmark], against: Sequence[str] | None
) -> list[tuple[Benchmark, str]]:
    """Give the lines of the table that were asked for."""
    return [
        (benchmark, other)
        for benchmark in chosen
        for other in benchmark.goals
        if not against or other in against
    ]


def measure(
    asked: Sequence[tuple[Benchmark, str]],
    pairs: int,
    quick: bool,
    path: Path | None,
    before: Record | None = None,
) -> Record:
    """Measure line by line; each is written as soon as it is there."""
    record = Record.here(pairs, quick)
    shown = display(len(asked))
    try:
        for benchmark, against in asked:
            shown.begin(benchmark, against, pairs)
            result = runner.run(benchmark, against, pairs, quick, shown.told)
            earlier = before.of(result) if before is not None else None
            result = result if earlier is None else result.after(earlier)
            shown.end(result)
            record = record.with_result(result)
            if path is not None:
                record.over(path).write(path)
    finally:
        shown.close()
        shown.table(record.results)
    return record


if __name__ == "__main__":
    sys.exit(main())
