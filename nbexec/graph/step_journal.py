"""StepJournal: one run of a pipeline that keeps its values in a journal, by step and item."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..errors import JournalError
from ..items.chunk_size import COSTLY
from ..journal import known_files, locks
from ..journal.database import connect, full_path, load_class, select, sort
from ..journal.values import Values, read
from ..journal.writer import Batch, Writer
from ..model import Failure
from ..run.registry import new_id
from ..serialize import pickling
from ..telemetry import wording
from ..telemetry.stats import Stats
from .graph_rows import Row
from .nodes import Node
from .step_counts import StepCounts
from .step_keys import StepKeys
from .step_recall import RecalledRow, StepRecall
from .wiring import Wiring

AT_ONCE = 500  # values that are looked up together


class StepJournal:
    """One run's use of a journal by a pipeline: each step is a run in there.

    Parameters
    ----------
    path : str or path
        The file; made where there is none.
    name : str
        What the pipeline is called.
    wiring : Wiring
        Of the pipeline.
    steps : sequence of Node
        Those that run, in order.
    outputs : sequence of str
        What is wanted of each row.
    over : collection of str
        Inputs with a value for each row.

    Attributes
    ----------
    notes : list of str
        What there is to be said.

    Raises
    ------
    JournalError
        A function has no fingerprint.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str,
        wiring: Wiring,
        steps: Sequence[Node],
        outputs: Sequence[str],
        over: Collection[str],
    ) -> None:
        self.path = full_path(path)
        self.notes: list[str] = []
        self._name, self._steps = name, steps
        self._shared = _shared(wiring, steps, over)
        self._written: set[bytes] = set()  # keys of these
        self._keys = StepKeys(wiring, steps, over, self._note)
        run = new_id()
        self._names = _names(steps)
        self._runs = {one: f"{run}-{name}" for one, name in self._names.items()}
        self._recall = StepRecall(wiring, steps, outputs, self._keys, self._read)
        self._reader: sqlite3.Connection | None = None
        self._values: Values | None = None
        self._writer: Writer | None = None
        self._counts: Mapping[Node, StepCounts] = {}
        self._began = self._due = 0.0

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    # ------------------------------------------------------------ before rows begin

    def begin(self, counts: Mapping[Node, StepCounts]) -> None:
        """Write that the run begins.

        Raises
        ------
        JournalError
            The file can't be used, or another run of one of the steps is writing to it.
        """
        do = self._reader = connect(self.path)
        self._values = Values(self._keys.codes, load_class(do))
        self._began, self._counts = time.time(), counts
        try:
            with locks.starting:
                do.execute("BEGIN IMMEDIATE")
                try:
                    for step in self._steps:
                        locks.refuse_second(do, self.path, self._keys.prints[step].digest)
                    for step in self._steps:
                        self._register(do, step)
                    sort(do)
                    do.execute("COMMIT")
                except BaseException:
                    do.execute("ROLLBACK")
                    raise
                locks.going.update(self._runs.values())
            known_files.add(self.path)
            self._writer = Writer(connect(self.path), self._alive, self._stop)
        except sqlite3.Error as error:
            raise JournalError(f"the journal {self.path} can't be written to: {error}") from error

    def _register(self, do: sqlite3.Connection, step: Node) -> None:
        found, name = self._keys.prints[step], f"{self._name}.{self._names[step]}"
        query = "SELECT 1 FROM functions WHERE digest = ?"
        if do.execute(query, (found.digest,)).fetchone() is not None:
            self._recall.known.add(step)
        else:
            parts = locks.changed_parts(do, name, found.parts)
            if parts is not None:
                what = ", ".join(parts[0][:3]) or "how it is wired"
                self._recall.changed[step] = f"{what} changed since {locks.clock(parts[1])}"
            row = (found.digest, name, json.dumps(found.parts), self._began)
            do.execute("INSERT INTO functions VALUES (?, ?, ?, ?)", row)
        do.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, NULL)",
            (self._runs[step], name, found.digest, self._began, self._began, *locks.here()),
        )

    # ------------------------------------------------------------ rows that begin

    def recall(self, number: int, values: Mapping[str, Any]) -> RecalledRow:
        """Give what there is of a row, and which steps have to run."""
        found = self._recall.row(values)
        if self._going and found.reused:
            places = [
                (self._runs[step], number, 1, None, found.keys.steps[step]) for step in found.reused
            ]
            self._put(Batch(places=places))
        return found

    def again(self, row: Row, lost: Collection[Node]) -> None:
        """Take in a row that goes on from steps that failed in another run."""
        if row.keys is not None:
            row.keys = self._keys.again(row.keys, lost)

    def _read(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, Any]]:
        """Give the values that there are of some keys."""
        do, values = self._reader, self._values
        if not self._going or do is None or values is None:
            return
        try:
            for at in range(0, len(keys), AT_ONCE):
                for row in select(do, [*keys[at : at + AT_ONCE]]):
                    try:
                        value = read(do, values, row)
                    except (sqlite3.Error, MemoryError):
                        raise
                    except Exception as error:
                        why = wording.one_line(f"{type(error).__name__}: {error}")
                        self._note(f"some values could not be read back, and run again: {why}")
                    else:
                        yield row[0], value
        except sqlite3.Error as error:
            self._stop(error)

    @property
    def _going(self) -> bool:
        """Whether anything is read or written."""
        return self._writer is not None and self._writer.error is None

    def _put(self, batch: Batch) -> None:
        if self._writer is not None:
            self._writer.put(batch)

    # ------------------------------------------------------------ steps that end

    def keep(self, row: Row, step: Node, value: Any) -> None:
        """Have what a step gave be written; before other steps have it, which may change it."""
        values = self._values
        if not self._going or values is None or row.keys is None:
            return
        if step.branches:
            self._keys.pick(row.keys, step, row.picked[step])
        key = self._keys.key(row.keys, step)
        if key is None:
            return
        if key in self._written:  # by a row that differs in nothing that leads to it
            self._put(Batch(places=[(self._runs[step], row.index, 1, None, key)]))
            return
        counts = self._counts[step]
        costly = counts.seconds >= COSTLY * max(1, counts.done)
        batch = Batch(count=1, costly=costly)
        try:
            batch.items.append((key, values.pack(value)))
        except Exception as error:
            why = wording.one_line(f"{type(error).__name__}: {error}")
            self._note(f"results of {step.name} can't be kept, and will run again: {why}")
            return
        batch.places.append((self._runs[step], row.index, 1, None, key))
        if step in self._shared:
            self._written.add(key)
        batch.classes = list(values.new_classes.items())
        values.new_classes.clear()
        self._put(batch)

    def failed(self, row: Row, step: Node, failure: Failure) -> None:
        """Have a failure be written."""
        if not self._going:
            return
        data = None
        with contextlib.suppress(Exception):
            data = pickling.dumps_for_later(failure.exception)
        error = failure.exception
        words = f"{type(error).__name__}: {wording.message(error)}"
        shown, trace = wording.safe_repr(failure.item), failure.traceback
        place = (self._runs[step], row.index, shown, data, words, trace, "", 1, failure.kind)
        self._put(Batch(failures=[place], count=1))

    def _stop(self, error: Exception) -> None:
        words = f"the journal stopped, what ends from now on is not kept: {error} ({self.path})"
        logging.getLogger("nbexec").error(words)
        self._note(words)
        if self._writer is not None:
            self._writer.error = error

    def _alive(self, do: sqlite3.Connection) -> None:
        """Write a heartbeat with the numbers of each step, now and then."""
        now = time.time()
        if now >= self._due:
            self._due = now + 1.0
            self._write_counts(do, now, "running", None)

    def _write_counts(
        self, do: sqlite3.Connection, now: float, phase: Any, ended: str | None
    ) -> None:
        zeros: dict[str, Any] = dict.fromkeys(("cancelled", "retried", "running", "workers"), 0)
        zeros |= dict.fromkeys(("rate", "cpu_seconds", "effective_cores", "utilisation"), 0.0)
        zeros |= dict.fromkeys(("backend", "reason"), "")
        for step, run in self._runs.items():
            one = self._counts[step]
            stats = Stats(
                name=f"{self._name}.{self._names[step]}",
                phase=phase,
                total=None,
                done=one.done + one.reused,
                failed=one.failed,
                elapsed=now - self._began,
                busy_seconds=one.seconds,
                restored=one.reused,
                eta=None,
                **zeros,
            )
            do.execute(
                "UPDATE runs SET seen = ?, stats = ?, ended = ?, reason = ? WHERE id = ?",
                (now, json.dumps(asdict(stats)), now if ended else None, ended, run),
            )

    # ------------------------------------------------------------ its end

    def end(self, reason: str, counts: Mapping[Node, StepCounts]) -> None:
        """Write the rest, and that the run has ended."""
        locks.going.difference_update(self._runs.values())
        self._keys.close()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            if self._reader is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._write_counts(self._reader, time.time(), reason, reason)
            writer.connection.close()
        if self._reader is not None:
            self._reader.close()


def _names(steps: Sequence[Node]) -> dict[Node, str]:
    """Give each step a name of its own: functions that give different outputs may share one."""
    count = Counter(one.name for one in steps)
    return {
        one: one.name if count[one.name] == 1 else f"{one.name} ({', '.join(one.outputs)})"
        for one in steps
    }


def _shared(wiring: Wiring, steps: Sequence[Node], over: Collection[str]) -> set[Node]:
    """Give the steps that not all of what is different in rows leads to: many have one value."""
    leads: dict[Node, set[str]] = {}
    among = {*steps}
    for step in steps:
        leads[step] = {name for name in step.inputs if name in over}.union(
            *(leads[maker] for maker in wiring.waits_for(step) if maker in among)
        )
    return {step for step, names in leads.items() if len(names) < len({*over})}
