"""Kill the kernel with SIGKILL at random moments, again and again, until all is done.

``python -m tests.chaos.kill 50`` does it 50 times and prints the figures.  The law: at the
end every result is there and right, and a kill costs no more reruns than items were in
flight: those at the workers, and those that had ended and were not yet committed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from nbexec.journal.writer import MOST

ROOT = Path(__file__).parents[2]
WORKERS = 2
LAG = 1.0  # seconds that a finished item may be from its commit

# Each call leaves a line in a file of its own process: what ran, and when it ended.
KERNEL = """
import os, sys, time, nbexec

def work(x):
    mark = f"{x}\\n".encode()
    file = os.open(f"{FOLDER}/{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(file, mark)
    os.close(file)
    time.sleep(SECONDS)
    return x * x, "v" * (x % 50)

if __name__ == "__main__":
    FOLDER, SECONDS, journal, backend, count = sys.argv[1:]
    SECONDS = float(SECONDS)
    results = nbexec.map(
        work, range(int(count)), checkpoint=journal, backend=backend, workers=2, progress="off"
    )
    assert results == [(x * x, "v" * (x % 50)) for x in range(int(count))]
    print("restored", results.stats.restored, flush=True)
"""


@dataclass
class Figures:
    """What a trial came to."""

    kills: int
    items: int
    ran: int  # calls of the function in all
    most_lost: int  # calls that one kill cost
    allowed: int  # that the law allows for a kill
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.items:,} items, {self.ran - self.items:,} ran again; at "
            f"most {self.most_lost} for a kill, of {self.allowed} that are allowed; "
            f"{self.seconds:.0f} s"
        )


def trial(folder: Path, kills: int, backend: str, seed: int) -> Figures:
    """Run until `kills` kernels were killed, then to the end; assert that all is there."""
    chance = random.Random(seed)
    calls, journal, script = folder / "calls", folder / "run.db", folder / "kernel.py"
    calls.mkdir()
    script.write_text(KERNEL)
    seconds = 0.002
    # More items than can end before the last kill, and yet not many more.
    items = int(kills * 0.8 * WORKERS / seconds)
    in_flight = 2 * WORKERS * 32  # a chunk that runs and one that waits, at each worker
    allowed = in_flight + min(MOST, int(LAG * WORKERS / seconds))
    command = [sys.executable, str(script), str(calls), str(seconds), str(journal), backend]
    command.append(str(items))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    begun, killed, most_lost = time.monotonic(), 0, 0
    kept_before = 0
    while True:
        ran_before = _ran(calls)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as kernel:
            assert kernel.stdout is not None
            if killed < kills:
                while kernel.poll() is None and _ran(calls) == ran_before:
                    time.sleep(0.01)  # until it is at work
                time.sleep(chance.uniform(0.0, 1.2))
                kernel.send_signal(signal.SIGKILL)
            said = kernel.stdout.read()
            code = kernel.wait(100)
        if code == 0:
            break
        assert code == -signal.SIGKILL, said
        killed += 1
        time.sleep(0.3)  # the workers of the killed kernel end by themselves
        kept = _kept(journal)
        lost = (_ran(calls) - ran_before) - (kept - kept_before)
        most_lost, kept_before = max(most_lost, lost), kept
    counts = Counter(line for file in calls.iterdir() for line in file.read_text().split())
    assert len(counts) == items, "an item never ran"
    assert f"restored {kept_before}" in said
    ran = sum(counts.values())
    return Figures(killed, items, ran, most_lost, allowed, time.monotonic() - begun)


def _ran(calls: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in calls.iterdir())


def _kept(journal: Path) -> int:
    if not journal.exists():
        return 0
    with contextlib.closing(sqlite3.connect(journal)) as do:
        try:
            assert do.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return int(do.execute("SELECT count(*) FROM items").fetchone()[0])
        except sqlite3.OperationalError:  # killed before there were tables
            return 0


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    for backend in sys.argv[2:] or ["threads", "processes"]:
        with tempfile.TemporaryDirectory() as folder:
            figures = trial(Path(folder), kills, backend, seed=0)
            sys.stdout.write(f"{backend}: {figures}\n")
            assert figures.most_lost <= figures.allowed


if __name__ == "__main__":
    main()
