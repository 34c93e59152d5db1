"""The machine, the versions of everything, and what else is going on."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

import nbexec
from nbexec.system.machine import cores

from .peers import OTHERS, PEERS

PACKAGES = ["numpy", "cloudpickle", "ipykernel"]


def load() -> list[float]:
    """Give how many processes wanted to run, in the last 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()] if hasattr(os, "getloadavg") else []


def machine() -> dict[str, object]:
    """Describe what this runs on."""
    import psutil

    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
    }


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def versions() -> dict[str, str | None]:
    """Give the version of Python and of every peer; None where one is not installed."""
    peers = [peer.package for peer in PEERS.values() if peer.package]
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        "nbexec": nbexec.__version__,
    }
    for package in sorted({*PACKAGES, *peers, *OTHERS.values()}):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found
