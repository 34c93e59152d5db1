"""`DelayedDisplay`: what shows a run is opened once it has lasted, and is told all of it then."""

from __future__ import annotations

from typing import Any

from nbexec.cell.execution.delayed_display import PATIENCE, DelayedDisplay
from nbexec.telemetry.observer import Observer


class Shown(Observer):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def attach(self, run: Any) -> None:
        self.seen.append(run)

    def observe(self, event: Any, state: Any) -> None:
        self.seen.append(event)


def test_a_short_run_is_not_shown_and_one_that_lasts_is_from_its_beginning() -> None:
    now = [0.0]
    shown = Shown()
    delayed = DelayedDisplay([shown], lambda: now[0])
    delayed.attach("run")
    delayed.observe("first", None)  # type: ignore[arg-type]
    delayed.idle()
    assert shown.seen == []
    now[0] = PATIENCE
    delayed.idle()
    assert shown.seen == ["run", "first"]
    delayed.observe("second", None)  # type: ignore[arg-type]
    assert shown.seen == ["run", "first", "second"]
