"""Entries of the standard library: settings of its modules that code everywhere sees."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from .register_entry import Entry

_DIALECT = (
    *("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting"),
    *("skipinitialspace", "strict"),
)
_DIALECTS_OF_CSV = {"excel", "excel-tab", "unix"}
_CONTEXT = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")  # of decimal


def _module(name: str) -> Any:
    return sys.modules[name]


def _csv() -> int:
    return int(_module("csv").field_size_limit())


def _dialects() -> dict[str, dict[str, Any]]:
    """Give the dialects of csv that are not its own."""
    csv = _module("csv")
    names = [name for name in csv.list_dialects() if name not in _DIALECTS_OF_CSV]
    return {name: {one: getattr(csv.get_dialect(name), one) for one in _DIALECT} for name in names}


def _set_dialects(wanted: dict[str, dict[str, Any]]) -> None:
    csv = _module("csv")
    for name in _dialects().keys() - wanted.keys():
        csv.unregister_dialect(name)
    for name, parts in wanted.items():
        csv.register_dialect(name, **parts)


def _set_calendar(wanted: int) -> None:
    _module("calendar").setfirstweekday(wanted)


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
    module._default_mime_types()  # without what an item has added
    module.inited, module._db = False, None
    if not any(wanted):
        return
    module.init()
    for suffix, kind in wanted[0].items():
        module.add_type(kind, suffix)
    for suffix, kind in wanted[1].items():
        module.add_type(kind, suffix, strict=False)
    module.encodings_map.update(wanted[2])
    module.suffix_map.update(wanted[3])


def _temporary() -> Any:
    """Give the folder of temporary files, where it is known by now."""
    return _module("tempfile").tempdir


def _set_temporary(wanted: Any) -> None:
    _module("tempfile").tempdir = wanted


def _decimal() -> Any:
    """Give the context that new threads begin with."""
    first = _module("decimal").DefaultContext
    traps = sorted(signal.__name__ for signal, raises in first.traps.items() if raises)
    return [getattr(first, name) for name in _CONTEXT], traps


def _set_decimal(wanted: Any) -> None:
    first = _module("decimal").DefaultContext
    for name, value in zip(_CONTEXT, wanted[0], strict=True):
        setattr(first, name, value)
    for signal in first.traps:
        first.traps[signal] = signal.__name__ in wanted[1]


def _https() -> str | None:
    """Give the name of the function of ssl that makes contexts for HTTPS; None of another one."""
    ssl = _module("ssl")
    found = ssl._create_default_https_context
    name = getattr(found, "__name__", "")
    return name if getattr(ssl, name, None) is found else None


def _set_https(wanted: str | None) -> None:
    ssl = _module("ssl")
    if wanted is not None:
        ssl._create_default_https_context = getattr(ssl, wanted)


def _open_files() -> int | None:
    """Give how many files may be open; None where nobody can have set it."""
    resource = sys.modules.get("resource")
    return None if resource is None else int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _set_open_files(wanted: int | None) -> None:
    if wanted is None:
        return
    with contextlib.suppress(ImportError, ValueError, OSError):  # the system may not allow it
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


ENTRIES = (
    Entry(
        *("longest field of csv", _csv, lambda wanted: _module("csv").field_size_limit(wanted)),
        module="csv",
        usual=131_072,
    ),
    Entry("dialects of csv", _dialects, _set_dialects, module="csv", usual={}),
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
    Entry(
        *("folder of temporary files", _temporary, _set_temporary),
        module="tempfile",
        extent="machine",
    ),
    Entry("context of decimal in new threads", _decimal, _set_decimal, module="decimal"),
    Entry(
        *("default context of HTTPS", _https, _set_https),
        module="ssl",
        usual="create_default_context",
    ),
    Entry("limit of open files", _open_files, _set_open_files, extent="machine"),
)
