"""Entries of libraries: options that a whole process has.

Each is read only where its module is loaded in the kernel.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .register_entry import Entry

_PANDAS = "pandas"
_CONFIG = "pandas._config.config"


def _module(name: str) -> Any:
    return sys.modules[name]


def _pandas() -> dict[str, Any]:
    """Give the options of pandas that are not as they were at first."""
    config = _module(_CONFIG)
    known = config._registered_options
    return {
        key: value
        for key, value in _flat(config._global_config, "")
        if key in known and not (value is known[key].defval or value == known[key].defval)
    }


def _flat(part: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _set_pandas(wanted: dict[str, Any]) -> None:
    import pandas

    for key in _pandas().keys() - wanted.keys():
        pandas.reset_option(key)
    for key, value in wanted.items():
        pandas.set_option(key, value)


def _dask() -> dict[str, Any]:
    """Give what was set of dask's configuration since it was loaded."""
    config = _module("dask.config")
    usual = dict(_flat(config.merge(*config.defaults), ""))
    found = {
        key: copy.copy(one) if type(one) in (list, dict) else one  # they are changed in place, too
        for key, one in _flat(config.config, "")
        if usual.get(key, ...) != one
    }
    _dask_first.update(() if _dask_first else {"": None, **found})
    return found


_dask_first: dict[str, Any] = {}  # what was there at the first look, when no item had run


def _set_dask(wanted: dict[str, Any]) -> None:
    config = _module("dask.config")
    usual = dict(_flat(config.merge(*config.defaults), ""))
    for key in _dask().keys() - wanted.keys():
        if key in usual:
            config.set({key: usual[key]})
        elif key not in _dask_first:
            config.pop(key, None)
    config.set(wanted)


# A worker has no window to draw in.
_NOT_SENT = {"backend", "backend_fallback", "interactive", "toolbar"}


def _matplotlib() -> dict[str, Any]:
    """Give the settings of matplotlib that are not its own, or may be others."""
    matplotlib = _module("matplotlib")
    now, usual = matplotlib.rcParams, matplotlib.rcParamsDefault
    # Past `rcParams[...]`, which would choose a backend.  Lists are changed in place, too, and are
    # those of the defaults: whether they were nobody can see.
    return {
        key: [*value] if type(value) is list else value
        for key, value in dict.items(now)
        if key not in _NOT_SENT and (type(value) is list or value != dict.get(usual, key))
    }


def _set_matplotlib(wanted: dict[str, Any]) -> None:
    matplotlib = _module("matplotlib")
    usual = matplotlib.rcParamsDefault
    for key in _matplotlib().keys() - wanted.keys():
        matplotlib.rcParams[key] = dict.__getitem__(usual, key)
    matplotlib.rcParams.update(wanted)


def _xarray() -> dict[str, Any]:
    return dict(_module("xarray").get_options())


def _set_xarray(wanted: dict[str, Any]) -> None:
    now = _xarray()  # to set some, such as those that have no effect any more, warns
    _module("xarray").set_options(
        **{name: one for name, one in wanted.items() if now.get(name) != one}
    )


def _polars() -> Any:
    return _module("polars").Config.save()


def _set_polars(wanted: Any) -> None:
    _module("polars").Config.load(wanted)


def _mpmath() -> Any:
    mpmath = _module("mpmath")
    return mpmath.mp.prec, mpmath.iv.prec, mpmath.mp.pretty


def _set_mpmath(wanted: Any) -> None:
    mpmath = _module("mpmath")
    mpmath.mp.prec, mpmath.iv.prec, mpmath.mp.pretty = wanted


def _torch() -> Any:
    torch = _module("torch")
    return (
        *(torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _set_torch(wanted: Any) -> None:
    torch = _module("torch")
    torch.set_default_dtype(wanted[0])
    torch.use_deterministic_algorithms(wanted[1], warn_only=wanted[2])


_PRINTED = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")


def _torch_printing() -> dict[str, Any]:
    options = _module("torch")._tensor_str.PRINT_OPTS
    return {name: getattr(options, name) for name in _PRINTED}


def _set_torch_printing(wanted: dict[str, Any]) -> None:
    options = _module("torch")._tensor_str.PRINT_OPTS
    for name, value in wanted.items():
        setattr(options, name, value)


def _torch_precision() -> str:
    return str(_module("torch").get_float32_matmul_precision())


def _torch_running() -> Any:
    torch = _module("torch")
    cudnn = torch.backends.cudnn
    found = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    return found, (cudnn.benchmark, cudnn.deterministic)


def _set_torch_running(wanted: Any) -> None:
    torch = _module("torch")
    torch.autograd.set_detect_anomaly(*wanted[0])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = wanted[1]


ENTRIES = (
    Entry("options of pandas", _pandas, _set_pandas, module=_PANDAS, usual={}),
    Entry("options of polars", _polars, _set_polars, module="polars"),
    Entry("options of xarray", _xarray, _set_xarray, module="xarray"),
    Entry("configuration of dask", _dask, _set_dask, module="dask.config"),
    Entry("rcParams of matplotlib", _matplotlib, _set_matplotlib, module="matplotlib", usual={}),
    Entry("precision of mpmath", _mpmath, _set_mpmath, module="mpmath"),
    Entry("default dtype of torch", _torch, _set_torch, module="torch"),
    Entry("print options of torch", _torch_printing, _set_torch_printing, module="torch"),
    Entry(
        "precision of matrix products of torch",
        _torch_precision,
        lambda wanted: _module("torch").set_float32_matmul_precision(wanted),
        module="torch",
    ),
    Entry(
        "anomaly detection and cuDNN of torch", _torch_running, _set_torch_running, module="torch"
    ),
)
