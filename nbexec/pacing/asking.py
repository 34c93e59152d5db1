"""Asking: what an item's error asks for: that the run slows down, and for how long."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import OptionError
from ..model import Error, SlowDown
from ..options.pacing_checks import function_of
from ..options.record import Options


def asking(options: Options) -> Callable[[Error], SlowDown | None] | None:
    """Give the function that says what an item's error asks for; None: nothing ever does."""
    wanted = options.slow_down
    if wanted is None:
        wanted = options.crash_retries > 0
    if wanted in (False, "off"):
        return None
    if wanted in (True, "on"):
        return lambda error: error.asked
    says = function_of("slow_down", wanted)

    def asks(error: Error) -> SlowDown | None:
        if error.asked is not None or error.kind != "error":
            return error.asked
        said = says(error.exception)
        if said is None or said is False:
            return None
        if said is True:
            return SlowDown(0, None)
        if isinstance(said, int | float) and said >= 0:
            return SlowDown(0, float(said))
        raise OptionError(f"slow_down= must give True, False or seconds, not {said!r}")

    return asks
