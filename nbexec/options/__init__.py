"""Options: session defaults and scoped defaults; the record of them is in `record`.

This module is imported with the package, so it imports nothing but `contextvars`.  Flags of the
magics, which are made from the record, are in `nbexec.notebook`.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False  # typing takes 10 ms to import
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any

    from .record import Options

_session: Options | None = None
_scoped: ContextVar[Options | None] = ContextVar("nbexec_options", default=None)


def resolve(changes: dict[str, Any]) -> Options:
    """Give the options in force here (session, then ``with`` blocks), updated by `changes`."""
    from .record import Options

    return (_scoped.get() or _session or Options()).updated(changes)


def configure(**changes: Any) -> Options:
    """Set the defaults of this session, and give them.

    Parameters
    ----------
    **changes
        Any of `Options`; with none given, nothing changes.

    Returns
    -------
    Options
        The session's defaults from now on.

    Raises
    ------
    OptionError
        An unknown option or a value that can't be used; nothing is changed then.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.configure(on_error="collect").on_error
    'collect'
    >>> nbexec.configure(on_error="raise").on_error
    'raise'
    """
    from .record import Options

    global _session
    _session = (_session or Options()).updated(changes)
    return _session


class options:
    """Change the defaults inside a ``with`` block, in this thread or task only.

    Parameters
    ----------
    **changes
        Any of `Options`.

    Raises
    ------
    OptionError
        An unknown option or a value that can't be used.

    Examples
    --------
    >>> import nbexec
    >>> with nbexec.options(backend="threads", progress="off") as inside:
    ...     nbexec.map(abs, [-1, 2]), inside.backend
    ([1, 2], 'threads')
    """

    __module__ = "nbexec"

    def __init__(self, **changes: Any) -> None:
        self._options = resolve(changes)
        self._tokens: list[Token[Options | None]] = []

    def __enter__(self) -> Options:
        """Give the defaults inside the block."""
        self._tokens.append(_scoped.set(self._options))
        return self._options

    def __exit__(self, *_: object) -> None:
        _scoped.reset(self._tokens.pop())
