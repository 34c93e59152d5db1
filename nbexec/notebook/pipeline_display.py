"""PipelineDisplay: a pipeline's picture in the cell that runs it, updated while it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import kernel


class PipelineDisplay:
    """The picture in a cell; the saved notebook has the last one.

    It is no widget: what changes is the display itself, in one message, which says nothing where
    nothing has changed.
    """

    def __init__(self) -> None:
        self._cell = kernel.current_cell()
        self._handle: Any = None
        self._last: Sequence[Any] = ()

    def draw(self, picture: Callable[[], dict[str, str]], states: Sequence[Any]) -> None:
        """Show it as it stands."""
        if self._handle is None:
            self._handle = kernel.display_in(self._cell, picture())
        elif states != self._last:
            self._handle.update(picture(), raw=True)
        self._last = states

    def finish(self, picture: Callable[[], dict[str, str]], states: Sequence[Any]) -> None:
        """Show it as it ended, where it was shown before."""
        if self._handle is not None:
            self.draw(picture, states)
