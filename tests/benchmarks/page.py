"""The table and the chart in docs/performance.md, between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import wording
from .catalog import Benchmark, benchmarks
from .chart import draw
from .goals import Result, Verdict
from .record import Record

BEGIN = "<!-- measured: begin; written by python -m tests.benchmarks --chart -->"
END = "<!-- measured: end -->"
BUSY = 2  # processes that want a core, for each core: the benchmarks alone are fewer
CHART = Path("images", "performance.svg")


def write(record: Record, page: Path) -> None:
    """Bring what was measured into the page, and draw the chart beside it."""
    known = benchmarks()
    results = sorted(
        (one for one in record.results if one.against in known[one.benchmark].goals),
        key=lambda one: (
            list(known).index(one.benchmark),
            list(known[one.benchmark].goals).index(one.against),
        ),
    )
    (page.parent / CHART).write_text(draw(results))
    page.write_text(between(page.read_text(), measured(record, results, known)))


def between(text: str, new: str) -> str:
    """Put `new` between the marks of a page."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must have the lines {BEGIN!r} and {END!r}, in this order")
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{after}"


def measured(record: Record, results: list[Result], known: Mapping[str, Benchmark]) -> str:
    """Give the machine, the chart and the table, in Markdown."""
    parts = [_where(record, results)]
    parts.append(f"![Time of each, relative to the other's]({CHART.as_posix()})")
    rows = ["| work | against | nbexec | the other | measured | goal | |", "|---" * 7 + "|"]
    before = ""
    for result in results:
        title = f"`{result.benchmark}`: {known[result.benchmark].title}"
        rows.append(_row(result, "" if title == before else title))
        before = title
    parts.append("\n".join(rows))
    parts += [_stages(result) for result in results if result.parts]
    there = {(result.benchmark, result.against) for result in results}
    left = [
        f"{name} against {against}"
        for name, one in known.items()
        for against in one.goals
        if (name, against) not in there
    ]
    if left:
        parts.append(f"Not measured: {', '.join(left)}.")
    notes = [_note(result) for result in results if result.note and not result.parts]
    if notes:
        parts.append("What each was given:\n\n" + "\n".join(notes))
    return "\n\n".join(parts)


def _where(record: Record, results: list[Result]) -> str:
    machine = record.machine
    versions = [f"{name} {version}" for name, version in record.versions.items() if version]
    absent = [name for name, version in record.versions.items() if not version]
    loads = [result.load[0] for result in results if result.load]
    pairs = sorted({len(result.ours) for result in results if result.ours})
    said = [
        f"Measured on {record.began}: {machine.get('cpu')}, {machine.get('cores')} cores, "
        f"{machine.get('memory_gb')} GB, {machine.get('system')}.",
        f"{' or '.join(map(str, pairs))} pairs a line; the load average before a line was "
        f"{min(loads):.1f} to {max(loads):.1f}."
        if loads and pairs
        else "",
        f"{', '.join(versions)}." + (f" Not installed: {', '.join(absent)}." if absent else ""),
        "**Others computed on this machine meanwhile: the ratios to other libraries are rough, "
        "and those to an ideal mean nothing.**"
        if loads and max(loads) > BUSY * machine.get("cores", 1)
        else "",
        "**These are of tiny sizes, to try the benchmarks, and mean nothing.**"
        if record.quick
        else "",
    ]
    return "\n".join(filter(None, said))


def _row(result: Result, title: str) -> str:
    _, against, ours, theirs, ratio, spread, goal, verdict = wording.columns(result)
    if result.verdict is Verdict.FAILED:
        verdict = f"failed: {result.problem}".replace("|", "\\|")
    elif result.verdict is Verdict.NOT_MET:
        verdict = "**not met**"
    told = f"{ratio} ({spread})" if ratio else ""
    return f"| {' | '.join((title, against, ours, theirs, told, goal, verdict))} |"


def _stages(result: Result) -> str:
    """Give what the parts of a result add up to, in a table."""
    unit = result.goal.unit
    rows = [f"| {unit} | median | spread |", "|---|---|---|"]
    for name, readings in result.parts.items():
        middle, low, high = map(wording.number, wording.middle_and_ends(readings))
        rows.append(f"| {name} | {middle} | {low} to {high} |")
    note = f" ({result.note})" if result.note else ""
    return f"Where the time of an item goes{note}:\n\n" + "\n".join(rows)


def _note(result: Result) -> str:
    name = " against ".join(filter(None, (result.benchmark, result.against)))
    return f"- {name}: {result.note}"
