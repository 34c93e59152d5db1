"""CPython's own tests of executors, as they come with the Python that runs; see `test_cpython`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "test.test_concurrent_futures"  # since Python 3.12; one module before
DEBIAN = Path("/usr/lib/python3.11/test/test_concurrent_futures.py")
TRIED = ((3, 11), (3, 12), (3, 13))
PARTS = (
    "util",
    "executor",
    "test_as_completed",
    "test_deadlock",
    "test_future",
    "test_init",
    "test_process_pool",
    "test_shutdown",
    "test_thread_pool",
    "test_wait",
)


def missing() -> str:
    """Say what is missing, and how to get it; "" where the tests are there."""
    version = sys.version_info[:2]
    if version not in TRIED:
        return f"CPython's tests of executors have not been gone through for {version}"
    if version == (3, 11):
        if DEBIAN.exists():
            return ""
        return f"{DEBIAN} is missing: apt-get install libpython3.11-testsuite"
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        found = None
    return "" if found else f"this Python came without {PACKAGE}"


class Suite:
    """The modules that the tests are in, as if they were one.

    Parameters
    ----------
    modules : list of module
        They.
    folder : str or None
        What must be on ``sys.path`` where the tests run.
    """

    def __init__(self, modules: list[ModuleType], folder: str | None = None) -> None:
        self.modules = modules
        self.folder = folder

    def __getattr__(self, name: str) -> Any:
        for module in self.modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)

    def put(self, name: str, value: Any) -> None:
        """Put another thing in the place of what the tests know by a name."""
        known = [module for module in self.modules if hasattr(module, name)]
        assert known, name
        for module in known:
            setattr(module, name, value)

    def close(self) -> None:
        """Take its folder off ``sys.path``."""
        if self.folder is not None:
            sys.path.remove(self.folder)


def load() -> Suite:
    """Import the tests under a name that workers can import them by, too."""
    if sys.version_info >= (3, 12):
        return Suite([importlib.import_module(f"{PACKAGE}.{part}") for part in PARTS])
    folder = tempfile.mkdtemp(prefix="cpython-", dir=os.environ["NBEXEC_STATE_DIR"])
    (Path(folder) / DEBIAN.name).symlink_to(DEBIAN)
    sys.path.append(folder)  # multiprocessing gives it to workers that start from now on
    return Suite([importlib.import_module(DEBIAN.stem)], folder)
