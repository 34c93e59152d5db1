"""Settings of modules that a worker takes on: locale, pandas options and the like.

Each is read and set only where its module is loaded in the kernel.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_PANDAS = "pandas._config.config"


class _Setting(NamedTuple):
    module: str  # that has to be loaded
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]


def settings_here() -> dict[str, Any]:
    """Give the settings of this process, by the module that they belong to.

    Examples
    --------
    >>> settings_here()["sys"] == sys.get_int_max_str_digits()
    True
    """
    found = {}
    for one in _SETTINGS:
        module = sys.modules.get(one.module)
        if module is not None:
            with contextlib.suppress(Exception):
                found[one.module] = one.read(module)
    return found


def set_here(wanted: dict[str, Any]) -> None:
    """Take on the settings of another process, where they differ."""
    for one in _SETTINGS:
        if one.module not in wanted:
            continue
        value, module = wanted[one.module], sys.modules.get(one.module)
        if module is None:
            if value == _UNCHANGED.get(one.module):
                continue
            __import__(one.module)
            module = sys.modules[one.module]
        with contextlib.suppress(Exception):  # a locale that isn't there
            if one.read(module) != value:
                one.write(module, value)


def _options(config: Any) -> dict[str, Any]:
    """Give the options of pandas that are not as they were at first."""
    known = config._registered_options
    return {
        key: value
        for key, value in _flat(config._global_config, "")
        if key in known and not (value is known[key].defval or value == known[key].defval)
    }


def _flat(part: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _set_options(config: Any, wanted: dict[str, Any]) -> None:
    import pandas

    for key in _options(config).keys() - wanted.keys():
        pandas.reset_option(key)
    for key, value in wanted.items():
        pandas.set_option(key, value)


def _set_zone(module: Any, wanted: Any) -> None:
    """Read the time zone of the environment, which was set before."""
    if hasattr(time, "tzset"):
        time.tzset()


_UNCHANGED: dict[str, Any] = {_PANDAS: {}, "csv": 131_072}
_SETTINGS = (
    _Setting(
        "sys",
        lambda module: module.get_int_max_str_digits(),
        lambda module, value: module.set_int_max_str_digits(value),
    ),
    _Setting("time", lambda module: (module.timezone, module.tzname), _set_zone),
    _Setting(
        "locale",
        lambda module: module.setlocale(module.LC_ALL),
        lambda module, value: module.setlocale(module.LC_ALL, value),
    ),
    _Setting(
        "csv",
        lambda module: module.field_size_limit(),
        lambda module, value: module.field_size_limit(value),
    ),
    _Setting(_PANDAS, _options, _set_options),
)
