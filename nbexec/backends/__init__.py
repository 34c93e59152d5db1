"""The registry: backends by name, by entry point, or as an object."""

from __future__ import annotations

import sys
from _thread import RLock  # threading takes 6 ms to import, and this comes with the package

from ..errors import BackendError, OptionError
from ..system import after_fork

TYPE_CHECKING = False  # typing takes 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .base import Backend

    Factory = Callable[[], Backend]

_BUILT_IN = {
    "serial": "nbexec.backends.serial:Serial",
    "threads": "nbexec.backends.threads:Threads",
    "processes": "nbexec.backends.processes:Processes",
    "interpreters": "nbexec.backends.interpreters:Interpreters",
    "asyncio": "nbexec.backends.aio:Asyncio",
    "dask": "nbexec.backends.dask:Dask",
}
_NEEDS = {"processes": "loky", "dask": "dask[distributed]"}
_SINCE = {"interpreters": (3, 14)}  # the Python that has what it needs

_factories: dict[str, Factory] = {}
_live: dict[str, Backend] = {}
_lock = RLock()


def _forget() -> None:
    """Have a forked child make backends of its own."""
    global _live, _lock
    after_fork.keep(_live)
    _live, _lock = {}, RLock()


after_fork.add(_forget)


def _entry_points() -> Any:
    from importlib.metadata import entry_points  # 20 ms: not at import

    return entry_points(group="nbexec.backends")


def backends() -> list[str]:
    """Names that ``backend=`` accepts, besides "auto".

    Examples
    --------
    >>> import nbexec
    >>> "threads" in nbexec.backends()
    True
    """
    ours = [name for name in _BUILT_IN if sys.version_info >= _SINCE.get(name, ())]
    found = [point.name for point in _entry_points()]
    return list(dict.fromkeys([*ours, *found, *_factories]))


def register_backend(name: str, factory: Factory) -> None:
    """Make a backend of your own known by name.

    A package can do the same with an entry point in the group ``nbexec.backends``.

    Parameters
    ----------
    name : str
        What ``backend=`` calls it; an earlier backend of that name is replaced.
    factory : callable
        Called without arguments at first use; gives a `nbexec.backends.base.Backend`.

    Raises
    ------
    OptionError
        `name` is "auto" or no identifier, or `factory` can't be called.

    Examples
    --------
    >>> import nbexec
    >>> from nbexec.backends.threads import Threads
    >>> nbexec.register_backend("my_threads", Threads)
    >>> nbexec.map(abs, [-1], backend="my_threads", progress="off")
    [1]
    """
    if not (isinstance(name, str) and name.isidentifier()) or name == "auto":
        raise OptionError(f"a backend's name must be an identifier other than 'auto', not {name!r}")
    if not callable(factory):
        raise OptionError(f"a backend's factory must be callable, not {factory!r}")
    with _lock:
        _factories[name] = factory
        old = _live.pop(name, None)
    if old is not None:
        old.close()


def get_backend(wanted: Any) -> Backend:
    """Give the live backend for a name or an object; one for each name, made at first use."""
    from ..system import at_exit  # here: `import nbexec` stays light
    from .base import Backend

    if isinstance(wanted, Backend):
        return wanted
    if not isinstance(wanted, str):
        return _adapt(wanted)
    with _lock:
        if wanted not in _live:
            at_exit.add_last(close_all)
            _live[wanted] = _make(wanted)
        return _live[wanted]


def is_warm(name: str) -> bool:
    """Whether a backend has workers already; it is not made for that, nor imported."""
    backend = _live.get(name)
    return backend is not None and backend.warm()


def _make(name: str) -> Backend:
    from ..system import subinterpreter

    if name in _factories:
        return _factories[name]()
    if name in _BUILT_IN and name != "serial" and not subinterpreter.daemons():
        raise BackendError(
            f"backend={name!r} can't be used in a sub-interpreter, whose threads may not be "
            "daemons: for a run within an item use backend='serial'"
        )
    if sys.version_info < _SINCE.get(name, ()):
        needed, here = (".".join(map(str, v[:3])) for v in (_SINCE[name], sys.version_info))
        raise BackendError(
            f"backend={name!r} needs Python {needed} or newer, and this is {here}: use "
            "backend='processes' to compute, or 'threads' to wait"
        )
    if name in _BUILT_IN:
        import importlib

        module, _, attribute = _BUILT_IN[name].partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)()  # type: ignore[no-any-return]
        except ModuleNotFoundError as error:
            package = _NEEDS.get(name, error.name)
            raise BackendError(
                f"backend={name!r} needs {error.name}, which is not installed: "
                f'pip install "{package}"'
            ) from error
    if name.startswith("joblib:"):
        from .joblib_adapter import JoblibAdapter

        return JoblibAdapter(name.removeprefix("joblib:"))
    if "://" in name:  # the scheduler of a cluster
        from .dask import Dask

        return Dask(name)
    for point in _entry_points().select(name=name):
        return point.load()()  # type: ignore[no-any-return]
    from ..options.checks import suggest

    known = ["auto", *backends()]
    raise OptionError(
        f"there is no backend {name!r}{suggest(name, known)} (backends: {', '.join(known)})"
    )


def _adapt(wanted: Any) -> Backend:
    from concurrent.futures import Executor

    if isinstance(wanted, Executor):
        from .executor_adapter import ExecutorBackend

        return ExecutorBackend(wanted)
    if type(wanted).__module__.partition(".")[0] == "distributed":
        from .dask import Dask

        return Dask(wanted)
    raise OptionError(
        f"backend must be a name, a Backend, a concurrent.futures.Executor or a "
        f"distributed.Client, not {wanted!r}"
    )


def close_all() -> None:
    """End every worker that nbexec started."""
    with _lock:
        live = list(_live.values())
        _live.clear()
    for backend in reversed(live):  # a client of our own cluster before the cluster
        backend.close()
