"""PanelWidget: one anywidget; a snapshot and a tab's content go in, commands come out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

VIEW = "application/vnd.jupyter.widget-view+json"
_STATIC = Path(__file__).parent / "static"
_SCRIPTS = ("parts.js", "plots.js", "tabs.js", "panel.js")  # one after the other, one module

Command = dict[str, Any]

# Commands that the page may send: the name of each, with its arguments and their types.
COMMANDS: dict[str, dict[str, type]] = {
    "cancel": {},
    "pause": {},
    "resume": {},
    "workers": {"count": int},
    "tab": {"tab": str},
    "fold": {"folded": bool},
    "plot": {"tab": str, "library": bool},
    "retry": {},
    "close": {},
    "drawn": {"number": int},
}


class PanelWidget(anywidget.AnyWidget):  # type: ignore[misc]  # it has no types
    """Draws snapshots; calls `command(name, arguments)` for each that comes from the page.

    Parameters
    ----------
    snapshot : dict
        From `snapshot.snapshot`; set it again to draw anew.
    command : callable
        Called in any thread with a name and arguments as in `COMMANDS`.
    """

    # As text, not as paths: anywidget watches files with a thread.
    _esm = traitlets.Unicode(
        "\n".join((_STATIC / name).read_text("utf-8") for name in _SCRIPTS)
    ).tag(sync=True)
    _css = traitlets.Unicode((_STATIC / "panel.css").read_text("utf-8")).tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)  # what is in the open tab

    commands: ClassVar[dict[str, dict[str, type]]] = COMMANDS

    def __init__(self, snapshot: dict[str, Any], command: Callable[[str, Command], None]) -> None:
        super().__init__(snapshot=snapshot)
        self._command = command
        self.on_msg(self._on_command)

    def _on_command(self, widget: Any, content: Any, buffers: Any) -> None:
        name = content.get("do")
        wanted = self.commands.get(name)
        if wanted is None:
            return
        given = {key: content.get(key) for key in wanted}
        if all(type(given[key]) is kind for key, kind in wanted.items()):
            self._command(name, given)

    def view(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give what displays it, and the metadata, with which Colab finds its widget manager."""
        made = self._repr_mimebundle_()
        data, metadata = made if isinstance(made, tuple) else (made, {})
        return {VIEW: data[VIEW]}, metadata

    def close(self) -> None:
        """Close the comm, and the layout's, which ipywidgets leaves open."""
        if self.comm is not None:
            with self.hold_sync():  # nbclient saves what a closed widget had last
                self._esm, self._css, self.detail = "export default {}", "", {}
            self.layout.close()
        super().close()

    def __repr__(self) -> str:
        return "<nbexec panel>"  # with an address in it, no two runs of a notebook are equal
