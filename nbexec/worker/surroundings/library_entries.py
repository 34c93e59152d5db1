"""Entries of libraries: options that a whole process has, of the standard library and others.

Each is read only where its module is loaded in the kernel.
"""

from __future__ import annotations

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
    return {key: one for key, one in _flat(config.config, "") if usual.get(key, ...) != one}


def _set_dask(wanted: dict[str, Any]) -> None:
    config = _module("dask.config")
    usual = dict(_flat(config.merge(*config.defaults), ""))
    for key in _dask().keys() - wanted.keys():
        if key in usual:
            config.set({key: usual[key]})
    config.set(wanted)


# A worker has no window to draw in.
_NOT_SENT = {"backend", "backend_fallback", "interactive", "toolbar"}


def _matplotlib() -> dict[str, Any]:
    """Give the settings of matplotlib that are not its own."""
    matplotlib = _module("matplotlib")
    now, usual = matplotlib.rcParams, matplotlib.rcParamsDefault
    # past `rcParams[...]`, which would choose a backend
    return {
        key: value
        for key, value in dict.items(now)
        if key not in _NOT_SENT and value != dict.get(usual, key)
    }


def _set_matplotlib(wanted: dict[str, Any]) -> None:
    matplotlib = _module("matplotlib")
    usual = matplotlib.rcParamsDefault
    for key in _matplotlib().keys() - wanted.keys():
        matplotlib.rcParams[key] = dict.__getitem__(usual, key)
    matplotlib.rcParams.update(wanted)


def _mimetypes() -> Any:
    module = _module("mimetypes")
    if not module.inited:
        return [{}, {}, {}, {}]
    known = (module.types_map, module.common_types, module.encodings_map, module.suffix_map)
    usual = ("types_map", "common_types", "encodings_map", "suffix_map")
    pairs = zip(known, usual, strict=True)
    return [
        {key: one for key, one in now.items() if _usual_of(module, name).get(key) != one}
        for now, name in pairs
    ]


def _usual_of(module: Any, name: str) -> dict[str, str]:
    found: dict[str, str] = getattr(module, f"_{name}_default", {})
    return found


def _set_mimetypes(wanted: Any) -> None:
    module = _module("mimetypes")
    for suffix, kind in wanted[0].items():
        module.add_type(kind, suffix)
    for suffix, kind in wanted[1].items():
        module.add_type(kind, suffix, strict=False)
    module.encodings_map.update(wanted[2])
    module.suffix_map.update(wanted[3])


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


def _csv() -> int:
    return int(_module("csv").field_size_limit())


def _set_calendar(wanted: int) -> None:
    _module("calendar").setfirstweekday(wanted)


ENTRIES = (
    Entry(
        *("longest field of csv", _csv, lambda wanted: _module("csv").field_size_limit(wanted)),
        module="csv",
        usual=131_072,
    ),
    Entry(
        "timeout of sockets",
        lambda: _module("socket").getdefaulttimeout(),
        lambda wanted: _module("socket").setdefaulttimeout(wanted),
        module="socket",
        usual=None,
    ),
    Entry(
        "first day of the week of calendar",
        lambda: _module("calendar").firstweekday(),
        _set_calendar,
        module="calendar",
        usual=0,
    ),
    Entry("MIME types", _mimetypes, _set_mimetypes, module="mimetypes"),
    Entry("options of pandas", _pandas, _set_pandas, module=_PANDAS, usual={}),
    Entry("options of polars", _polars, _set_polars, module="polars"),
    Entry("options of xarray", _xarray, _set_xarray, module="xarray"),
    Entry("configuration of dask", _dask, _set_dask, module="dask.config"),
    Entry("rcParams of matplotlib", _matplotlib, _set_matplotlib, module="matplotlib", usual={}),
    Entry("precision of mpmath", _mpmath, _set_mpmath, module="mpmath"),
    Entry("default dtype of torch", _torch, _set_torch, module="torch"),
)
