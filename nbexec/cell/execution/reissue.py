"""Reissue: warnings of items that ran in workers are issued in the kernel, in order.

The kernel's filters and registries decide which are shown, as if the items had run here.
"""

from __future__ import annotations

import functools
import sys
import types
import warnings
from collections.abc import Iterable
from typing import Any

from ..iteration.warned import Warned


def reissue(warned: Iterable[Warned], namespace: dict[str, Any]) -> None:
    """Issue warnings where they were issued: in the notebook, or in a module.

    Parameters
    ----------
    warned : iterable of Warned
        The warnings of an iteration.
    namespace : dict
        The notebook's names, one of which is the registry of what was shown.
    """
    for one in warned:
        scope = _scope(one.filename, namespace)
        registry = scope.setdefault("__warningregistry__", {})
        name = scope.get("__name__") or "<string>"
        warnings.warn_explicit(
            one.message, type(one.message), one.filename, one.line, name, registry
        )


def _scope(filename: str, namespace: dict[str, Any]) -> dict[str, Any]:
    name = _module_of(filename, len(sys.modules))
    module = sys.modules.get(name) if name else None
    return namespace if module is None else vars(module)


@functools.lru_cache(256)
def _module_of(filename: str, modules: int) -> str:
    """Give the name of the module with that file, of so many that are loaded; "" for none."""
    for name, module in [*sys.modules.items()]:
        known = name != "__main__" and isinstance(module, types.ModuleType)
        if known and vars(module).get("__file__") == filename:
            return name
    return ""
