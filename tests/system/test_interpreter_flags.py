"""Workers have the options that the kernel's Python was started with: interpreter_flags."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, warnings
import nbexec

def look(_):
    flags = sys.flags
    few = flags.optimize, flags.utf8_mode, flags.dev_mode, flags.dont_write_bytecode
    return few, __debug__, hash("text") if seeded else 0, os.environ.get("PYTHONOPTIMIZE")

if __name__ == "__main__":
    seeded = "PYTHONHASHSEED" in os.environ
    found = nbexec.map(look, range(2), backend=sys.argv[1], workers=2, progress="off")
    print("same" if found == [look(0)] * 2 else (found, look(0)))
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("options", [["-O", "-B"], ["-X", "utf8", "-X", "dev", "-W", "ignore"]])
def test_workers_are_started_as_the_kernel_was(tmp_path, remote, options):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONHASHSEED": "3"}
    command = [sys.executable, *options, str(tmp_path / "program.py"), remote]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert found.stdout.strip() == "same", found.stderr
