"""Registers nbexec with joblib once a cell has imported joblib; nothing imports it before."""

from __future__ import annotations

import sys
from typing import Any


def register(shell: Any) -> None:
    """Make ``"nbexec"`` a backend of joblib, now or after the first cell that imports it.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        What ``get_ipython()`` gives.
    """
    if _is_registered():
        return

    def look(*_: Any) -> None:
        if _is_registered():
            shell.events.unregister("post_run_cell", look)

    shell.events.register("post_run_cell", look)


def _is_registered() -> bool:
    """Register, if joblib is there; give whether it is."""
    if "joblib.parallel" not in sys.modules or not hasattr(sys.modules["joblib"], "Parallel"):
        return False  # another thread may be importing it
    from ..integrations.registered_joblib import register_joblib

    register_joblib()
    return True
