"""Whose code it is: Python's or an installed package's, or the user's own."""

from __future__ import annotations

import functools
import sys
import types


@functools.cache
def _library_folders() -> tuple[str, ...]:
    import sysconfig  # 1 ms of a worker's start

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({sysconfig.get_path(name).rstrip("/\\") for name in names})


# Python, attrs, NumPy and NetworkX write such code themselves.
_WRITTEN = (
    "<frozen ",
    "<attrs generated ",
    "<__array_function__ ",
    "<class 'networkx.utils.decorators.argmap'>",
)


@functools.lru_cache(4096)
def is_library_file(filename: str) -> bool:
    if filename.startswith(_WRITTEN):
        return True
    parts = filename.replace("\\", "/").split("/")
    return (
        "site-packages" in parts
        or "dist-packages" in parts
        or filename.startswith(_library_folders())
    )


@functools.lru_cache(4096)
def is_library_module(name: str) -> bool:
    """Whether a module came with Python or was installed, rather than written here.

    Examples
    --------
    >>> is_library_module("json"), is_library_module("__main__")
    (True, False)
    """
    top = name.partition(".")[0]
    if top == "__main__":
        return False
    if top in sys.stdlib_module_names or top == "nbexec":
        return True
    module = sys.modules.get(name) or sys.modules.get(top)
    if module is None:
        return False
    origin = getattr(module, "__file__", None)
    paths = [origin] if origin else list(getattr(module, "__path__", []))
    return bool(paths) and all(is_library_file(path) for path in paths)


def is_own_code(code: types.CodeType) -> bool:
    """Whether code was written in the notebook or in a module of the user's."""
    return not is_library_file(code.co_filename)
