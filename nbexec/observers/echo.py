"""Echo: writes the output of items here, as if they ran here."""

from __future__ import annotations

import sys

from ..telemetry.events import Event, Output
from ..telemetry.observer import Observer
from ..telemetry.state import RunState


class Echo(Observer):
    """Writes the items' output to standard output and error, as it comes."""

    def observe(self, event: Event, state: RunState) -> None:
        """Write an item's output: whole lines, so that items don't write into each other's."""
        if isinstance(event, Output) and not event.shown:
            stream = getattr(sys, event.stream)
            if stream is not None:
                stream.write(event.text)
                stream.flush()
