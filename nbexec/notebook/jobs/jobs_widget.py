"""JobsWidget: one anywidget; the rows go in, commands come out."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import traitlets

from ..panel import widget

_STATIC = Path(__file__).parent / "static"
_PANEL = Path(widget.__file__).parent / "static"


class JobsWidget(widget.PanelWidget):
    """Draws the rows of a snapshot; `PanelWidget` says how commands come."""

    _esm = traitlets.Unicode(
        "\n".join(path.read_text("utf-8") for path in (_PANEL / "parts.js", _STATIC / "jobs.js"))
    ).tag(sync=True)
    _css = traitlets.Unicode(
        "\n".join(path.read_text("utf-8") for path in (_PANEL / "panel.css", _STATIC / "jobs.css"))
    ).tag(sync=True)

    commands: ClassVar[dict[str, dict[str, type]]] = {
        "cancel": {"at": int},
        "pause": {"at": int},
        "resume": {"at": int},
        "run": {"at": int},
        "close": {},
        "fresh": {},  # a page has begun to show it
    }

    def __repr__(self) -> str:
        return "<nbexec jobs>"
