"""Nothing that a test or an example does is left in the user's own folders.

And the examples of public names are found in the modules that define them, though these names
say `nbexec` as their module.
"""

from __future__ import annotations

import doctest
import inspect
import os
import shutil
import sys
import tempfile
from types import ModuleType
from typing import Any

import nbexec
from tests import quick_imports

# Thousands of Pythons are started: without byte code each would compile nbexec, in 0.4 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# xdist's processes have theirs in that of the process that started them.
ABOVE = os.environ.get("NBEXEC_STATE_DIR") if "PYTEST_XDIST_WORKER" in os.environ else None
STATE = os.environ["NBEXEC_STATE_DIR"] = tempfile.mkdtemp(prefix="nbexec-state-", dir=ABOVE)

quick_imports.here()

pytest_plugins = ["tests.side_by_side"]


def pytest_unconfigure() -> None:
    """Remove the folder once no test runs any more."""
    shutil.rmtree(STATE, ignore_errors=True)


_from_module = doctest.DocTestFinder._from_module  # type: ignore[attr-defined]


def _defined_in(finder: Any, module: ModuleType, thing: Any) -> bool:
    """Whether a module defines a thing, so that its examples are run from there, and once."""
    public = inspect.isclass(thing) or inspect.isfunction(thing)
    if public and thing.__module__ == "nbexec":
        home = nbexec._WHERE.get(thing.__name__)
        return module.__name__ == (f"nbexec.{home}" if home else "nbexec")
    found: bool = _from_module(finder, module, thing)
    return found


doctest.DocTestFinder._from_module = _defined_in  # type: ignore[attr-defined]
