"""Wording: numbers and states as text, the same in the panel, the text line and summaries."""

from __future__ import annotations

import types

from .stats import Stats

REPR_LIMIT = 200  # characters
NAME_LIMIT = 80  # characters, of a run's name


def safe_repr(value: object, limit: int = REPR_LIMIT) -> str:
    """Give the value's repr, cut to `limit` characters; one that raises is survived.

    Of a function it is the name: an address tells nobody anything, and is another one each time.

    Examples
    --------
    >>> safe_repr("x" * 50, limit=12)
    "'xxxxxxxxxx…"
    """
    try:
        if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
            text = value.__qualname__
        else:
            text = repr(value)
    except BaseException as error:  # the repr is the user's code
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(value: str, limit: int = REPR_LIMIT) -> str:
    """Give the first line of a text, cut to `limit` characters."""
    line = value.strip().partition("\n")[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"


def message(error: BaseException) -> str:
    """Give the first line of an exception's message; a `__str__` that raises is survived."""
    try:
        return one_line(str(error))
    except BaseException as raised:  # its __str__ is the user's code
        return f"<whose text raised {type(raised).__name__}>"


def seconds(value: float) -> str:
    """Give a duration: "41 ms", "3.2 s", "2 min 5 s".

    Examples
    --------
    >>> seconds(0.0412), seconds(125.3)
    ('41 ms', '2 min 5 s')
    """
    if value >= 3600:
        return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min"
    if value >= 99.95:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            number = value / size
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
    return "under 1 µs"


def about(value: float) -> str:
    """Give an estimate of a duration, as coarsely as it is known: "about 3 min".

    Examples
    --------
    >>> about(178.3), about(13.2), about(0.4), about(9_000)
    ('about 3 min', 'about 15 s', 'about 1 s', 'about 2.5 h')
    """
    if value < 9.5:
        return f"about {max(1, round(value))} s"
    if value < 57.5:
        return f"about {5 * round(value / 5)} s"
    if value < 57.5 * 60:
        minutes = value / 60
        return f"about {round(minutes) if minutes < 9.5 else 5 * round(minutes / 5)} min"
    hours = value / 3600
    return f"about {hours:.1f} h".replace(".0 h", " h") if hours < 9.5 else f"about {hours:.0f} h"


def size(value: float) -> str:
    """Give bytes: "2.1 GB".

    Examples
    --------
    >>> size(2_140_000_000)
    '2.1 GB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return (
                f"{value / factor:.1f} {unit}"
                if value < 100 * factor
                else f"{value / factor:.0f} {unit}"
            )
    return f"{value:.0f} B"


def rate(value: float) -> str:
    """Give items a second: "61 / s", "1.2 / s", "9 / min".

    Examples
    --------
    >>> rate(61.3), rate(0.15)
    ('61 / s', '9 / min')
    """
    if value >= 9.95:
        return f"{value:,.0f} / s"
    return f"{value:.1f} / s" if value >= 1 else f"{value * 60:.0f} / min"


def price(value: float) -> str:
    """Give a sum, of whatever it is: "1.24", "12,300".

    Examples
    --------
    >>> price(1.2449), price(0.00234), price(12_345.6), price(3.0)
    ('1.24', '0.0023', '12,346', '3')
    """
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.2g}"


def spent(stats: Stats) -> str:
    """Give what was spent: "spent 1.24 of 5, about 12.4 in all (11.8 to 13.1)"."""
    words = f"spent {price(stats.spent)}"
    if stats.budget is not None:
        words += f" of {price(stats.budget)}"
    if stats.expected is not None:
        about, least, most = map(price, stats.expected)
        words += f", about {about} in all"
        words += f" ({least} to {most})" if least != most else ""
    return words


def where(stats: Stats) -> str:
    """Give where a run's items go and why: "processes x 8: items take 41 ms of CPU"."""
    place = f"{stats.backend} × {stats.workers}" if stats.workers > 1 else stats.backend
    return f"{place}: {stats.reason}" if stats.reason else place


def counts(stats: Stats) -> str:
    """Give "692 / 1,487", or "692" while the total isn't known."""
    return f"{stats.done:,}" if stats.total is None else f"{stats.done:,} / {stats.total:,}"


def state(stats: Stats) -> str:
    """Give a run's state: "running", "idle", "paused, 8 finishing", "cancelled after 3 s, ..."."""
    if stats.phase in ("paused", "cancelling"):
        return f"{stats.phase}, {stats.running:,} finishing" if stats.running else stats.phase
    if stats.phase == "cancelled":
        kept = "1 result" if stats.done == 1 else f"{stats.done:,} results"
        return f"cancelled after {seconds(stats.elapsed)}, {kept} kept"
    if stats.waiting and stats.phase == "running":
        return stats.waiting
    if left_early(stats):
        return "left early"
    if idle(stats):
        return "idle"
    return "starting" if stats.phase == "waiting" else stats.phase


def idle(stats: Stats) -> bool:
    """Whether a run goes on and has nothing to do, as an executor that has no call."""
    endless = stats.phase == "running" and stats.total is None
    return endless and not (stats.waiting or stats.running or stats.queued)


def left_early(stats: Stats) -> bool:
    """Whether a run ended well before its last item: at a ``break``, or with the first found."""
    return stats.phase == "done" and stats.total is not None and stats.finished < stats.total


def labelled(stats: Stats) -> list[tuple[str, str]]:
    """Give the facts besides the counts, each with a label.

    The labels are "state", "rate", "queued", "left", "time", "cores", "spent", "restored",
    "failed", "retried", "hedged", "abandoned" and "note".
    """
    found = []
    if stats.phase in ("paused", "cancelling", "cancelled"):
        found.append(("state", state(stats)))
    else:
        if stats.waiting:
            found.append(("state", stats.waiting))
        if stats.rate and not stats.ended and not idle(stats):
            found.append(("rate", rate(stats.rate)))
    if stats.queued and stats.total is None:
        found.append(("queued", f"{stats.queued:,} queued"))
    if stats.eta is not None and not stats.ended:
        found.append(("left", f"{about(stats.eta)} left"))
    if stats.phase != "cancelled":
        found.append(("time", seconds(stats.elapsed)))
    if stats.ended and stats.cpu_seconds:
        busy = f"{stats.effective_cores:.1f} cores used, {stats.utilisation:.0%} busy"
        found.append(("cores", busy))
    if stats.spent or stats.budget is not None:
        found.append(("spent", spent(stats)))
    if stats.restored:
        found.append(("restored", f"{stats.restored:,} from the journal"))
    if stats.failed:
        found.append(("failed", f"{stats.failed:,} failed"))
    if stats.retried:
        found.append(("retried", f"{stats.retried:,} retried"))
    if stats.hedged:
        found.append(("hedged", f"{stats.hedged:,} hedged"))
    if stats.abandoned:
        found.append(("abandoned", f"{stats.abandoned:,} left running"))
    found += [("note", note) for note in stats.notes]
    return found


def facts(stats: Stats) -> list[str]:
    """Give the facts besides the counts, most important first."""
    return [words for _, words in labelled(stats)]


def summary(stats: Stats) -> str:
    """Give a run in one line, as it stands or as it ended."""
    parts = [f"{one_line(stats.name, NAME_LIMIT)}: {counts(stats)}", *facts(stats), where(stats)]
    return ", ".join(parts)
