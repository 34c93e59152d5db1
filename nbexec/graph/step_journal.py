"""StepJournal: one run of a pipeline that keeps its values in a journal, by step and item."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
from .step_counts import AFTER, NEW, StepCounts
from .step_keys import RowKeys, StepKeys
from .wiring import Wiring

AT_ONCE = 500  # values that are looked up together


@dataclass(eq=False, slots=True)
class RecalledRow:
    """What a journal has of a row.

    Attributes
    ----------
    keys : RowKeys
        Of its steps.
    runs : set of Node
        The steps that have to run.
    reused : set of Node
        Those whose values are there, and needed.
    skipped : set of Node
        Those that a route leaves out.
    values : dict
        Of those that are there, by their names.
    """

    keys: RowKeys
    runs: set[Node] = field(default_factory=set)
    reused: set[Node] = field(default_factory=set)
    skipped: set[Node] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)


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
        self._name, self._wiring, self._steps, self._outputs = name, wiring, steps, outputs
        self._among = {*steps}
        self._keys = StepKeys(wiring, steps, over, self._note)
        run = new_id()
        self._runs = {one: f"{run}-{one.name}" for one in steps}
        self._known: set[Node] = set()  # steps of which there may be values
        self._changed: dict[Node, str] = {}  # why there are none of the others
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
        found, name = self._keys.prints[step], f"{self._name}.{step.name}"
        query = "SELECT 1 FROM functions WHERE digest = ?"
        if do.execute(query, (found.digest,)).fetchone() is not None:
            self._known.add(step)
        else:
            parts = locks.changed_parts(do, name, found.parts)
            if parts is not None:
                what = ", ".join(parts[0][:3]) or "how it is wired"
                self._changed[step] = f"{what} changed since {locks.clock(parts[1])}"
            row = (found.digest, name, json.dumps(found.parts), self._began)
            do.execute("INSERT INTO functions VALUES (?, ?, ?, ?)", row)
        do.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, NULL)",
            (self._runs[step], name, found.digest, self._began, self._began, *locks.here()),
        )

    # ------------------------------------------------------------ rows that begin

    def recall(self, number: int, values: Mapping[str, Any]) -> RecalledRow:
        """Give what there is of a row, and which steps have to run."""
        found = RecalledRow(self._keys.row(values))
        for step in self._steps:  # in order, so that a key never leads to many others
            if step.branches:
                self._load(found, [step])
            else:
                self._keys.key(found.keys, step)
        asked: set[Node] = set()
        wanted = [*self._outputs]
        while wanted or not asked:
            some = {
                maker
                for name in wanted
                for maker in self._wiring.makers.get(name, ())
                if maker in self._among
            } - asked
            asked |= some
            if not some:
                break
            self._load(found, [step for step in some if not step.branches])
            wanted = []
            for step in some:
                self._want(found, step, wanted)
        self._drop_unneeded(found)
        found.keys.why = {step: self._why(step, found) for step in found.runs}
        if self._writer is not None and found.reused:
            places = [
                (self._runs[step], number, 1, None, found.keys.steps[step]) for step in found.reused
            ]
            self._writer.put(Batch(places=places))
        return found

    def _want(self, found: RecalledRow, step: Node, wanted: list[str]) -> None:
        if self._keys.runs(found.keys, step) is False:
            found.skipped.add(step)
        elif step not in found.reused:
            found.runs.add(step)
            wanted += step.inputs
            route = self._wiring.routes.get(step)
            wanted += route.outputs if route is not None else ()

    def _load(self, found: RecalledRow, steps: Sequence[Node]) -> None:
        """Load the values of some steps, as far as they are there."""
        keys = {}
        for step in steps:
            if step in self._known and self._keys.runs(found.keys, step) is not False:
                key = self._keys.key(found.keys, step)
                if key is not None:
                    keys[key] = step
        if not keys or self._writer is None or self._writer.error is not None:
            return
        do, values = self._reader, self._values
        assert do is not None
        assert values is not None
        every = [*keys]
        try:
            for row in (
                one
                for at in range(0, len(every), AT_ONCE)
                for one in select(do, every[at : at + AT_ONCE])
            ):
                step = keys[row[0]]
                try:
                    value = read(do, values, row)
                    made = step.parts(value)
                    if step.branches:
                        self._keys.pick(found.keys, step, step.picked(value))
                except (sqlite3.Error, MemoryError):
                    raise
                except Exception as error:
                    why = wording.one_line(f"{type(error).__name__}: {error}")
                    self._note(f"some values could not be read back, and run again: {why}")
                    continue
                found.reused.add(step)
                found.values.update(made)
        except sqlite3.Error as error:
            self._stop(error)

    def _drop_unneeded(self, found: RecalledRow) -> None:
        """Let go of routes that were looked for, and that nothing needs."""
        needed = {name for step in found.runs for name in step.inputs} | {*self._outputs}
        for step in [one for one in (*found.reused, *found.runs) if one.branches]:
            running = any(self._wiring.routes.get(one) is step for one in found.runs)
            if not running and not needed.intersection(step.outputs):
                found.reused.discard(step)
                found.runs.discard(step)

    def _why(self, step: Node, found: RecalledRow) -> str:
        """Say why a step has to run in a row."""
        if step in self._changed:
            return self._changed[step]
        if step not in self._known:
            return "never ran before"
        for maker in self._wiring.waits_for(step):
            if maker in found.runs:
                return AFTER.format(maker.name)
        return NEW

    # ------------------------------------------------------------ steps that end

    def keep(self, row: Row, step: Node, value: Any) -> None:
        """Have what a step gave be written; before other steps have it, which may change it."""
        writer, values = self._writer, self._values
        if writer is None or writer.error is not None or values is None:
            return
        if step.branches:
            self._keys.pick(row.keys, step, row.picked[step])
        key = self._keys.key(row.keys, step)
        if key is None:
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
        batch.classes = list(values.new_classes.items())
        values.new_classes.clear()
        writer.put(batch)

    def failed(self, row: Row, step: Node, failure: Failure) -> None:
        """Have a failure be written."""
        if self._writer is None or self._writer.error is not None:
            return
        data = None
        with contextlib.suppress(Exception):
            data = pickling.dumps_for_later(failure.exception)
        error = failure.exception
        words = f"{type(error).__name__}: {wording.message(error)}"
        shown, trace = wording.safe_repr(failure.item), failure.traceback
        place = (self._runs[step], row.index, shown, data, words, trace, "", 1, failure.kind)
        self._writer.put(Batch(failures=[place], count=1))

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
        for step, run in self._runs.items():
            one = self._counts[step]
            stats = Stats(
                name=f"{self._name}.{step.name}",
                phase=phase,
                total=None,
                done=one.done + one.reused,
                failed=one.failed,
                elapsed=now - self._began,
                busy_seconds=one.seconds,
                restored=one.reused,
                **dict.fromkeys(("cancelled", "retried", "running", "workers"), 0),
                **dict.fromkeys(("rate", "cpu_seconds", "effective_cores", "utilisation"), 0.0),
                **dict.fromkeys(("backend", "reason"), ""),
                eta=None,
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
