"""PanelWidget: one anywidget; a snapshot goes in, commands come out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_STATIC = Path(__file__).parent / "static"


class PanelWidget(anywidget.AnyWidget):  # type: ignore[misc]  # it has no types
    """Draws snapshots; calls `command(name, argument)` for each that comes from the page.

    Parameters
    ----------
    snapshot : dict
        From `snapshot.snapshot`; set it again to draw anew.
    command : callable
        Called with ``("cancel", 0)``, ``("pause", 0)``, ``("resume", 0)`` or
        ``("workers", 1)``, in any thread.
    """

    # As text, not as paths: anywidget watches files with a thread.
    _esm = traitlets.Unicode((_STATIC / "panel.js").read_text("utf-8")).tag(sync=True)
    _css = traitlets.Unicode((_STATIC / "panel.css").read_text("utf-8")).tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)

    def __init__(self, snapshot: dict[str, Any], command: Callable[[str, int], None]) -> None:
        super().__init__(snapshot=snapshot)
        self._command = command
        self.on_msg(self._on_command)

    def _on_command(self, widget: Any, content: Any, buffers: Any) -> None:
        name, by = content.get("do"), content.get("by", 0)
        if name in ("cancel", "pause", "resume", "workers") and isinstance(by, int):
            self._command(name, by)

    def close(self) -> None:
        """Close the comm, and the layout's, which ipywidgets leaves open."""
        if self.comm is not None:
            with self.hold_sync():  # nbclient saves what a closed widget had last
                self._esm, self._css = "export default {}", ""
            self.layout.close()
        super().close()

    def __repr__(self) -> str:
        return "<nbexec panel>"  # with an address in it, no two runs of a notebook are equal
