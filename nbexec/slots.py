"""Crew: which slot has what.  Pure bookkeeping for the run's loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .backends.base import Running, Session
from .events import Part
from .model import Chunk

LATE = 0.5  # of a chunk's budget, after which others may have what is not begun of it


@dataclass(eq=False, slots=True)
class Slot:
    """A place at a session where chunks run one after the other."""

    session: Session
    number: int
    chunks: list[Chunk] = field(default_factory=list)
    retired: bool = False  # takes nothing more
    since: float = 0.0  # when its first chunk began, on the run's clock
    begun: bool = False  # whether its worker said that it did
    worker: str = ""  # who did what came back last

    @property
    def due(self) -> float:
        """When its first chunk is late."""
        return self.since + self.chunks[0].budget * LATE


class Crew:
    """The slots of a run, and the chunks that are at each."""

    def __init__(self) -> None:
        self.flying: dict[int, tuple[Slot, Chunk]] = {}  # by first index
        self._sessions: list[Session] = []
        self._slots: list[Slot] = []
        self._idle: dict[Slot, None] = {}  # ordered sets: the longest idle goes first
        self._half: dict[Slot, None] = {}  # have one chunk
        self._several: dict[Slot, None] = {}  # have items that may not be begun, nor asked back
        self._kept: dict[Chunk, int] = {}  # items that are left of a chunk, where others went back

    def engage(self, session: Session, count: int) -> None:
        """Have `count` slots of `session` take what comes; the old ones finish what they have."""
        self._lay_out(0)
        self._sessions.append(session)
        self._lay_out(count)

    def resize(self, count: int) -> None:
        """Have `count` slots from now on."""
        self._lay_out(count)
        self._sessions[-1].resize(count)

    def _lay_out(self, count: int) -> None:
        for slot in self._slots[count:]:
            self.retire(slot)
        del self._slots[count:]
        while len(self._slots) < count:
            slot = Slot(self._sessions[-1], len(self._slots))
            self._slots.append(slot)
            self._sort(slot)

    def free(self, depth: int) -> bool:
        """Whether a slot can take a chunk, with at most `depth` (1 or 2) at each."""
        return bool(self._idle or (depth > 1 and self._half))

    def assign(self, chunk: Chunk) -> Slot:
        """Give the slot for a chunk: an idle one if there is one."""
        slot = next(iter(self._idle or self._half))
        slot.chunks.append(chunk)
        slot.begun = False
        self.flying[chunk.indices[0]] = slot, chunk
        if len(chunk) > 1 or len(slot.chunks) > 1:
            self._several[slot] = None
        self._sort(slot)
        return slot

    def _sort(self, slot: Slot) -> None:
        """Put the slot where its chunks say."""
        self._idle.pop(slot, None)
        self._half.pop(slot, None)
        if not slot.retired and len(slot.chunks) < 2:
            (self._half if slot.chunks else self._idle)[slot] = None

    def awaits(self, chunk: Chunk) -> bool:
        """Whether a chunk is at a slot."""
        return self.flying.get(chunk.indices[0], (None, None))[1] is chunk

    def begun(self, chunk: Chunk, now: float) -> None:
        """Note that a worker begins the item of a chunk now."""
        slot, awaited = self.flying.get(chunk.indices[0], (None, None))
        if slot is not None and awaited is chunk:
            slot.since, slot.begun = now, True

    def release(self, chunk: Chunk) -> Slot | None:
        """Note that a chunk came back; give where from, or None if it was not awaited."""
        if not self.awaits(chunk):
            return None
        slot, _ = self.flying.pop(chunk.indices[0])
        slot.chunks.remove(chunk)
        if not slot.chunks or (len(slot.chunks) == 1 and len(slot.chunks[0]) == 1):
            self._several.pop(slot, None)
        self._sort(slot)
        return slot

    def overdue(self, now: float) -> list[tuple[Slot, list[Chunk]]]:
        """Give what idle slots might take back from late ones: each chunk once, the last first."""
        if not self._idle or not self._several:
            return []
        late = [slot for slot in self._several if slot.due <= now]
        for slot in late:
            del self._several[slot]
        return [(slot, slot.chunks[::-1]) for slot in late]

    def due(self) -> float | None:
        """When the next slot is late, where others are idle."""
        if not self._idle or not self._several:
            return None
        return min(slot.due for slot in self._several)

    def spare(self, slot: Slot, now: float) -> None:
        """Let a slot begin only now what it has: its worker is not there yet."""
        slot.since = now
        self._several[slot] = None

    def keep(self, chunk: Chunk, count: int) -> Chunk | None:
        """Note that of a chunk only `count` items are left; give the others, if that is news."""
        if not self.awaits(chunk) or count >= len(self.left_of(chunk)):
            return None
        rest = chunk.part(count, self._kept.get(chunk))
        if count:
            self._kept[chunk] = count
        else:
            self.release(chunk)
        return rest

    def left_of(self, chunk: Chunk) -> Chunk:
        """Give a chunk without what went back of it."""
        return chunk.part(0, self._kept[chunk]) if chunk in self._kept else chunk

    def forget(self, chunk: Chunk) -> Chunk:
        """Give the same, and forget that there was more."""
        left = self.left_of(chunk)
        self._kept.pop(chunk, None)
        return left

    def retire(self, slot: Slot) -> None:
        """Have a slot take nothing more; it finishes what it has."""
        slot.retired = True
        self._sort(slot)

    def busy(self) -> list[Slot]:
        """Give the slots that have something."""
        return list({id(slot): slot for slot, _ in self.flying.values()}.values())

    def running(self) -> tuple[Running, Chunk] | None:
        """Give the seconds of the chunk that runs now at the first slot, and the chunk."""
        running = self._sessions[-1].running()
        chunks = self._slots[0].chunks if self._slots else ()
        return (running, chunks[0]) if running is not None and chunks else None

    def elsewhere(self) -> Sequence[Part] | None:
        """Give what the workers use, where they are not the kernel's own processes."""
        return self._sessions[-1].elsewhere() if self._sessions else None

    def trim(self) -> None:
        """Have idle workers end that hold memory; others take their places when needed."""
        for session in self._sessions:
            session.trim()

    def close(self) -> None:
        """Give every session's workers back."""
        for session in self._sessions:
            session.close()
