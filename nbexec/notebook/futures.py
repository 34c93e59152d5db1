"""The ``from __future__`` imports that a notebook keeps from one cell to the next."""

from __future__ import annotations

from typing import Any

from ..system.parsing import tree_of


def in_force(shell: Any) -> int:
    """Give the compiler flags of those that earlier cells left to the next one.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        What ``get_ipython()`` gives.

    Examples
    --------
    >>> from IPython.core.interactiveshell import InteractiveShell
    >>> in_force(InteractiveShell())
    0
    """
    from ..cell.analysis.source import inherited

    return inherited(getattr(shell.compile, "flags", 0))


def leave(shell: Any, source: str, options: dict[str, Any]) -> None:
    """Leave those of a cell to later ones, as IPython does when it compiles the cell.

    Raises
    ------
    OptionError
        An option can't be used, so that nothing of the cell runs.
    """
    from ..cell.analysis.source import future_flags
    from ..cell.run import checked

    try:
        flags = future_flags(tree_of(source))
    except SyntaxError:
        return  # the run of the cell reports that
    if flags:
        checked({name: value for name, value in options.items() if name != "strict"})
        shell.compile.flags |= flags
