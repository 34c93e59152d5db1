"""Keeps jsonschema from a package that compiles 38 grammars when it is imported, 1.4 s of CPU.

All that imports nbformat pays for it: pytest's processes, Jupyter servers, IPython with a notebook.
Without it jsonschema checks no IRIs, and nothing else changes.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from pathlib import Path

NAME = "rfc3987_syntax"


def here() -> None:
    """Keep this process from it."""
    sys.modules.setdefault(NAME, None)  # type: ignore[arg-type]


@functools.cache
def folder() -> str:
    """Give a folder for ``PYTHONPATH`` that keeps another process from it."""
    made = Path(tempfile.mkdtemp(prefix="quick-", dir=os.environ["NBEXEC_STATE_DIR"]))
    (made / f"{NAME}.py").write_text("raise ImportError\n")
    return str(made)
