"""Events: the records that a function given as ``on_event=`` is called with.

Their order is ``RunStarted (...)* RunEnded``, and each item that was `Submitted` ends in one
`Finished`; docs/observing.md has what each says.
"""

from __future__ import annotations

from .telemetry.events import (
    Dropped,
    Event,
    Finished,
    Hedged,
    Output,
    Part,
    Progressed,
    Restored,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Sampled,
    Spending,
    Steered,
    Submitted,
)

__all__ = [
    "Dropped",
    "Event",
    "Finished",
    "Hedged",
    "Output",
    "Part",
    "Progressed",
    "Restored",
    "Retried",
    "Returned",
    "RunEnded",
    "RunStarted",
    "Sampled",
    "Spending",
    "Steered",
    "Submitted",
]
