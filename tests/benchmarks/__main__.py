"""Run every benchmark and print a table: ``python -m tests.benchmarks [pairs]``."""

from __future__ import annotations

import platform
import sys

from nbexec.machine import cores

from . import cells, overhead, panel


def main() -> None:
    """Measure, a line at a time."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"Python {platform.python_version()}, {cores()} cores, {pairs} pairs; ratio of medians")
    for row in overhead.importing(pairs):
        print(row, flush=True)
    print(cells.row(), flush=True)
    for benchmark in (overhead.processes, overhead.threads, panel.panel):
        print(benchmark(pairs).row(), flush=True)


if __name__ == "__main__":
    main()
