"""Reissue: what items logged and warned in workers is issued in the kernel, in order.

The kernel's filters, handlers and registries decide what is shown, as if the items had run here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...run.kernel_handlers import handle
from ...worker.issued import unpack
from ...worker.warned import Warned


def reissue(warned: Iterable[Warned | bytes], namespace: dict[str, Any]) -> None:
    """Issue warnings and log records where they were issued: in the notebook, or in a module.

    Parameters
    ----------
    warned : iterable of Warned or bytes
        The warnings of an iteration, and its log records as they were packed.
    namespace : dict
        The notebook's names, one of which is the registry of what was shown.
    """
    for one in warned:
        handle(unpack(one) if isinstance(one, bytes) else one, namespace)
