"""Which backends can do what a run wants of its workers: what can't is said before it begins."""

from __future__ import annotations

from typing import Any

from ..backends.base import Backend
from ..errors import OptionError
from ..options.record import Options
from ..system import affinity

WHO = {
    "teardown": "'serial', 'threads', 'processes', 'asyncio', 'interpreters' and 'dask'",
    "worker_name": (
        "'serial', 'threads', 'processes', 'asyncio', 'interpreters' and 'dask' (a local cluster)"
    ),
    "pin": "'threads', 'processes' and 'dask' (a local cluster)",
    "env": "'processes' and 'dask' (a local cluster)",
    "recycle_after": "'threads', 'processes' and 'dask' (a local cluster)",
    "recycle_above": "'processes' and 'dask' (a local cluster)",
}
ANYWHERE = ("teardown", "worker_name")  # that "auto" can do wherever it goes


def wanted(options: Options, teardown: Any = None) -> dict[str, Any]:
    """Give the options about workers that are set."""
    given = {name: getattr(options, name) for name in WHO if name != "teardown"}
    given["teardown"] = teardown
    return {name: value for name, value in given.items() if value not in (None, False)}


def check(options: Options, backend: Backend | None, teardown: Any = None) -> None:
    """Raise an `OptionError` where `backend` (None: "auto") can't do what is wanted of workers."""
    for name, value in wanted(options, teardown).items():
        given = name if name == "teardown" else f"{name}={value!r}"
        if backend is None:
            if name not in ANYWHERE:
                raise OptionError(
                    f"{given} needs a backend of its own name, since backend='auto' may stay in "
                    f"the kernel: {WHO[name]} can do it"
                )
        elif name not in backend.takes:
            raise OptionError(
                f"{given} does not work with backend={options.backend!r}: {WHO[name]} can do it"
            )
        if name == "pin" and not affinity.possible():
            raise OptionError("pin=True needs a system that can, such as Linux: leave it out")
