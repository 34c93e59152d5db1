"""Starts a process for each line of the table, one after the other, and hears it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

from . import facts, peers
from .catalog import Benchmark
from .goals import Result
from .one import MARK

LIMIT = 600  # seconds that one line may take

Told = Callable[[str, Any], None]


def run(benchmark: Benchmark, against: str, pairs: int, quick: bool, told: Told) -> Result:
    """Measure one line; what is read on the way goes to `told`."""
    result = Result(benchmark.name, against, benchmark.goals[against], load=facts.load())
    package = peers.missing(against)
    if package:
        return replace(result, problem=f"{package} is not installed", missing=True)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        argv = [benchmark.name, against, str(pairs), "quick" if quick else "full"]
        with subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.one", *argv],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            env={**os.environ, "NBEXEC_STATE_DIR": folder},
            start_new_session=True,  # its workers end with it, whatever happens
        ) as process:
            overdue = threading.Timer(LIMIT, _kill, [process])
            overdue.start()
            try:
                assert process.stdout is not None
                result, ended = _hear(process.stdout, result, told)
                if ended:
                    _wait(process)
            finally:
                late = not overdue.is_alive()
                overdue.cancel()
                _kill(process)
        if ended:
            return result
        errors.seek(0)
        last = (errors.read().strip().splitlines() or [f"it ended with {process.returncode}"])[-1]
        problem = f"it took over {LIMIT} s" if late else last
        return Result(benchmark.name, against, result.goal, load=result.load, problem=problem)


def _hear(lines: IO[str], result: Result, told: Told) -> tuple[Result, bool]:
    """Give what was told, and whether it was told to the end."""
    for line in lines:
        if not line.startswith(MARK):
            continue
        kind, what = json.loads(line[len(MARK) :])
        if kind == "end":
            return result, True
        if kind == "note":
            result = replace(result, note=what)
        else:
            whole, parts = what
            getattr(result, kind).append(whole)
            for name, part in parts.items():
                result.parts.setdefault(name, []).append(part)
        told(kind, what)
    return result, False


def _wait(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:  # a peer's processes may not want to end
        pass


def _kill(process: subprocess.Popen[str]) -> None:
    """End the process, and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
