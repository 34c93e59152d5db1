"""A terminal for tests: a script runs in a pseudo-terminal, and pyte says what is seen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[1]
WITHOUT_RICH = """\
import importlib.util, sys
sys.modules["rich"] = None
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "rich" else real(name, *more)
"""


def play(
    script: str,
    rich: bool,
    columns: int = 100,
    rows: int = 50,
    tell_of: Callable[[list[str]], object] | None = None,
) -> tuple[list[list[str]], bool]:
    """Run a script; give each state of the screen in which it was seen, and the cursor's.

    The last state is that at the end.  When the screen is first as `tell_of` says, the script
    is told so by SIGUSR1.
    """
    code = script if rich else WITHOUT_RICH + script
    child, master = pty.fork()
    if child == 0:
        env = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        for name in ("CI", "NO_COLOR", "COLUMNS"):
            env.pop(name, None)
        os.execve(sys.executable, [sys.executable, "-c", code], env)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    seen: list[list[str]] = []
    while True:
        select.select([master], [], [], 60)
        try:
            data = os.read(master, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not data:
            break
        stream.feed(data)
        seen.append([line.rstrip() for line in screen.display if line.strip()])
        if tell_of is not None and tell_of(seen[-1]):
            os.kill(child, signal.SIGUSR1)
            tell_of = None
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen[-1:]
    return seen, not screen.cursor.hidden
