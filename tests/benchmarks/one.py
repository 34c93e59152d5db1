"""Measure one line of the table, in a process of its own: nothing of the others is left there.

Each reading is told at once, as a line of JSON behind a mark: peers write what they like.
"""

from __future__ import annotations

import json
import sys

from .catalog import Setting, benchmarks
from .measure import Reading, in_turn

MARK = "\x1e"


def tell(kind: str, what: object) -> None:
    """Send a message to the runner."""
    print(f"\n{MARK}{json.dumps([kind, what])}", flush=True)


def main(name: str, against: str, pairs: int, quick: bool) -> None:
    """Open the benchmark and measure."""

    def read(side: str, reading: Reading) -> None:
        whole, parts = reading if isinstance(reading, tuple) else (reading, {})
        tell(side, [whole, parts])

    with benchmarks()[name].open(Setting(against, quick)) as sides:
        tell("note", sides.note)
        in_turn(sides, pairs, read)
        tell("end", None)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "quick")
