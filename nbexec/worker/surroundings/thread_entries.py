"""Entries that each thread, or each context, has its own of: arithmetic, context variables."""

from __future__ import annotations

import sys
import threading
from typing import Any

from ...serialize import context_vars
from ..arithmetic import error_handler, set_error_handler
from .register_entry import Entry


def _decimal() -> Any:
    """Give decimal's context, with the signals that were raised in it so far."""
    return sys.modules["decimal"].getcontext().copy()


class DecimalContext:
    """decimal's context as a value that can be compared."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DecimalContext) and repr(self.context) == repr(other.context)

    __hash__ = None  # type: ignore[assignment]


def _set_decimal(wanted: DecimalContext) -> None:
    sys.modules["decimal"].setcontext(wanted.context.copy())


def _numpy() -> Any:
    numpy = sys.modules["numpy"]
    printing = numpy.get_printoptions()
    printing.pop("override_repr", None)
    return printing, numpy.geterr()


def _set_numpy(wanted: Any) -> None:
    numpy = sys.modules["numpy"]
    numpy.set_printoptions(**wanted[0])
    numpy.seterr(**wanted[1])


def _sklearn() -> dict[str, Any]:
    return dict(sys.modules["sklearn"].get_config())


def _set_sklearn(wanted: dict[str, Any]) -> None:
    sys.modules["sklearn"].set_config(**wanted)


def _torch() -> Any:
    torch = sys.modules["torch"]
    return torch.is_grad_enabled(), torch.get_default_device()


def _set_torch(wanted: Any) -> None:
    torch = sys.modules["torch"]
    torch.set_grad_enabled(wanted[0])
    if torch.get_default_device() != wanted[1]:
        torch.set_default_device(wanted[1])


_AUTOCAST = ("cpu", "cuda")


def _autocast() -> Any:
    torch = sys.modules["torch"]
    return [(torch.is_autocast_enabled(on), torch.get_autocast_dtype(on)) for on in _AUTOCAST]


def _set_autocast(wanted: Any) -> None:
    torch = sys.modules["torch"]
    for on, (enabled, kind) in zip(_AUTOCAST, wanted, strict=True):
        torch.set_autocast_enabled(on, enabled)
        torch.set_autocast_dtype(on, kind)


_modes = threading.local()


def _inference() -> bool:
    return bool(sys.modules["torch"].is_inference_mode_enabled())


def _set_inference(wanted: bool) -> None:
    """Enter a mode, as ``with torch.inference_mode(wanted)`` does, until another is wanted."""
    entered = getattr(_modes, "entered", None)
    if entered is not None:
        _modes.entered = None
        entered.__exit__(None, None, None)
    if _inference() != wanted:
        entered = sys.modules["torch"].inference_mode(wanted)
        entered.__enter__()
        _modes.entered = entered


def _nothing(wanted: Any) -> None:
    """Set nothing: the variables come one by one, since one may be of no use in a worker."""


ENTRIES = (
    Entry(
        *("context of decimal", lambda: DecimalContext(_decimal()), _set_decimal),
        module="decimal",
        extent="thread",
    ),
    Entry("errstate and print options of NumPy", _numpy, _set_numpy, "numpy", "thread"),
    Entry(
        *("handler of NumPy's floating-point errors", error_handler, set_error_handler),
        module="numpy",
        extent="thread",
    ),
    Entry("configuration of scikit-learn", _sklearn, _set_sklearn, "sklearn", "thread"),
    Entry("grad mode and default device of torch", _torch, _set_torch, "torch", "thread"),
    Entry("autocast of torch", _autocast, _set_autocast, "torch", "thread"),
    Entry("inference mode of torch", _inference, _set_inference, "torch", "thread"),
    Entry("context variables", context_vars.set_here, _nothing, extent="thread"),
)
