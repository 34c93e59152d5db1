"""History: the runs of this kernel and those in journals; `runs` lists them, `attach` gives one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import Any, cast

from .errors import JournalError
from .journal import known_files, past
from .journal.database import full_path
from .journal.locks import clock
from .model import Failure
from .observers import from_above
from .run import registry
from .run.handle import Run
from .run.results import Results
from .telemetry import wording
from .telemetry.bars import Bars
from .telemetry.observer import WatchedRun
from .telemetry.stats import Stats, WorkerShare


@dataclass(frozen=True, slots=True)
class RunRecord:
    """An entry of `runs`: a run of this kernel, or of a journal.

    Attributes
    ----------
    id : str
        What `attach` takes.
    name : str
        What it was called.
    began : float
        When, as Unix time.
    ended : str
        How: "done", "failed", "cancelled" or "crashed"; "died" where its kernel ended before it
        did; "running" where it goes on.
    stats : Stats or None
        Its numbers when they were last written; None where no item had ended.
    path : Path or None
        The journal; None where it has none.
    background : bool
        Whether it was started in this kernel without anybody waiting for it.
    """

    __module__ = "nbexec"

    id: str
    name: str
    began: float
    ended: str
    stats: Stats | None
    path: Path | None
    background: bool = False

    @property
    def done(self) -> int:
        """Items that had a value."""
        return self.stats.done if self.stats is not None else 0

    @property
    def failed(self) -> int:
        """Items that had failed for good."""
        return self.stats.failed if self.stats is not None else 0

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Id, time, name, items and state, as text."""
        counts = wording.counts(self.stats) if self.stats is not None else "0"
        failed = f", {self.failed:,} failed" if self.failed else ""
        state = self.ended
        if state == "running" and self.stats is not None and self.stats.phase == "paused":
            state = "paused"
        if self.background and self.ended == "running":
            state += " in the background"
        name = wording.one_line(self.name, wording.NAME_LIMIT)
        return self.id, clock(self.began), name, counts + failed, state

    def __str__(self) -> str:
        run_id, began, name, counts, state = self.cells
        return f"{run_id}  {began}  {name}: {counts}, {state}"


class RunRecords(list[RunRecord]):
    """Runs, shown a line each."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "no runs"

    def _repr_html_(self) -> str:
        """Give a table."""
        if not self:
            return "no runs"
        head = "".join(f"<th>{title}</th>" for title in ("id", "began", "name", "items", ""))
        rows = (
            "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in record.cells)
            for record in self
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def runs(path: str | os.PathLike[str] | None = None) -> RunRecords:
    """List runs: those that go on in this kernel, and then past ones, the latest first.

    Of those that go on, the ones that run in the background come first.  Of this kernel's
    runs that have ended, those are listed that are still held, by a name or by their results;
    of background runs whose results nobody has taken yet, the last 10 too.

    Parameters
    ----------
    path : str, path or None
        A journal, whose runs alone are listed; None is this kernel's runs and those of every
        journal that was written with ``checkpoint=`` on this machine and still is where it was.

    Returns
    -------
    RunRecords
        A list of `RunRecord`, shown a line each.

    Raises
    ------
    JournalError
        There is no journal at `path`. Without a path, journals that can't be read are left out.

    Examples
    --------
    >>> import nbexec, os, tempfile
    >>> journal = os.path.join(tempfile.mkdtemp(), "run.db")
    >>> results = nbexec.map(abs, [-1, -2], checkpoint=journal, progress="off")
    >>> [(run.name, run.done, run.ended) for run in nbexec.runs(journal)]
    [('abs', 2, 'done')]
    >>> nbexec.runs()[0].id == results.run.id
    True
    """
    if path is not None:
        return RunRecords(sorted(_of(full_path(path)), key=_latest_first))
    here = [_record(run) for run in registry.run_registry.runs()]
    known = {record.id for record in here}
    over = [record for record in here if record.ended != "running"]
    for one in known_files.paths():
        with contextlib.suppress(JournalError):
            over += [record for record in _of(one) if record.id not in known]
    going = [record for record in here if record.ended == "running"]
    return RunRecords([*going, *sorted(over, key=_latest_first)])


def _latest_first(record: RunRecord) -> float:
    return -record.began


def _record(run: WatchedRun) -> RunRecord:
    """Make the entry of a run of this kernel."""
    stats = run.stats
    ended = stats.phase if run.done and stats.ended else "running"
    journal = run.journal
    return RunRecord(run.id, run.name, run.began, ended, stats, journal, run.background)


def _of(path: Path) -> list[RunRecord]:
    records = []
    for id, name, began, ended, stats in past.runs(path):
        records.append(RunRecord(id, name, began, ended, _stats(stats, ended), path))
    return records


def _stats(written: str | None, ended: str) -> Stats | None:
    if written is None:
        return None
    known = {one.name for one in fields(Stats)} - {"items", "by_worker"}
    kept = json.loads(written)
    values = {name: value for name, value in kept.items() if name in known}
    shares = kept.get("by_worker", {})
    by_worker = {worker: WorkerShare(*share) for worker, share in shares.items()}
    stats = Stats(**{**values, "notes": tuple(values["notes"]), "by_worker": by_worker})
    if ended == "died":
        note = "its kernel died; the same call runs what is missing"
        stats = replace(stats, phase="failed", running=0, eta=None, notes=(*stats.notes, note))
    return stats


def attach(run_id: str, path: str | os.PathLike[str] | None = None) -> Run | PastRun:
    """Give a run of this kernel, or what its journal kept of one whose kernel is gone.

    Loading the values unpickles them: the journal must be one that you trust.

    Parameters
    ----------
    run_id : str
        From `runs`, or `Run.id`.
    path : str, path or None
        The journal to read it from; None looks among all that `runs` lists.

    Returns
    -------
    Run or PastRun
        The run itself, if it is of this kernel and still held. Else the record in its journal:
        `results`, `failures` and `stats`; shown as the panel's summary.

    Raises
    ------
    JournalError
        There is no such run.

    Examples
    --------
    >>> import nbexec, os, tempfile
    >>> journal = os.path.join(tempfile.mkdtemp(), "run.db")
    >>> run = nbexec.start(abs, [-1, -2], checkpoint=journal, progress="off")
    >>> run.wait()
    True
    >>> nbexec.attach(run.id) is run
    True
    >>> nbexec.attach(run.id, journal).results
    [1, 2]
    """
    here = registry.run_registry.find(run_id) if path is None else None
    if here is not None:
        return cast(Run, here)
    found = [record for record in runs(path) if record.id == run_id and record.path is not None]
    if not found:
        where = str(full_path(path)) if path is not None else "this kernel and the journals known"
        raise JournalError(
            f"there is no run {run_id!r} in {where}; nbexec.runs() lists them. A run without "
            "checkpoint= is gone when nobody holds it, or its results, any more"
        )
    return PastRun(found[0])


class PastRun:
    """A run as its journal kept it, for reading.

    Made by `nbexec.attach`.

    Attributes
    ----------
    record : RunRecord
        Its entry in `runs`.
    """

    __module__ = "nbexec"

    def __init__(self, record: RunRecord) -> None:
        assert record.path is not None, "only a journal brings a run back"
        self.record = record
        self._path = record.path

    @property
    def id(self) -> str:
        """What `attach` takes."""
        return self.record.id

    @property
    def name(self) -> str:
        """What the run was called."""
        return self.record.name

    @property
    def stats(self) -> Stats | None:
        """Its numbers when they were last written; None where no item had ended."""
        return self.record.stats

    @property
    def failures(self) -> list[Failure]:
        """Items that failed for good; of each item its repr was kept."""
        return past.failures(self._path, self.id)

    @property
    def results(self) -> Results:
        """Results in the order of the items, with a `Failure` where there is no value.

        All are read each time; `values` gives them one by one.
        """
        total = self.stats.total if self.stats is not None else None
        why = JournalError("the journal has no value of this item")

        def missing(index: int) -> Failure:
            return Failure(index, None, why, kind="cancelled", run=self.id)

        placed: list[Any] = [*map(missing, range(total or 0))]
        for index, value in [*self.values(), *((one.index, one) for one in self.failures)]:
            while len(placed) <= index:
                placed.append(missing(len(placed)))
            placed[index] = value
        return Results(placed, origin=self.id)

    @property
    def advice(self) -> str:
        """Empty: a journal keeps no measurements for advice."""
        return ""

    def timeline(self) -> Bars:
        """Give no bars: a journal does not keep the times of items."""
        return Bars()

    def result(self) -> Results:
        """Give the results, as `Run.result` does; those of a run that failed too."""
        return self.results

    def values(self) -> Iterator[tuple[int, Any]]:
        """Give index and value of each finished item, in the order of their ends, one by one."""
        return past.values(self._path, self.id)

    def __repr__(self) -> str:
        return f"<PastRun {self.record}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Give the summary that replaces a panel at the end."""
        if self.stats is None:
            return {"text/plain": repr(self)}
        bundle: dict[str, str] = from_above("past run")(self)
        return bundle
