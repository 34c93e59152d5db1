"""Keys of items: digests of the function, the item, and its number among equal items."""

from __future__ import annotations

import hashlib
import sys

from ..errors import JournalError
from ..model import Chunk, Task
from .code_fingerprint import CodePrint, Codes
from .fingerprint import SIZE, NoFingerprint, digest
from .notes import Notes
from .occurrences import Occurrences


def function_print(codes: Codes, task: Task, name: str) -> CodePrint:
    """Give the fingerprint of a task's function and setup.

    Raises
    ------
    JournalError
        One of them has none; the message calls the run `name`.
    """
    try:
        found = codes.function(task.fn)
        setup = codes.function(task.setup) if task.setup is not None else None
    except NoFingerprint as error:
        raise JournalError(
            f"`{name}` can't be kept in a journal, since nobody could tell whether it "
            f"has changed: {error}. Make that inside the function or in setup=, or leave "
            "checkpoint= out"
        ) from error
    parts = dict(found.parts)
    pieces = [found.digest, bytes([task.star]), f"{sys.version_info[:2]}".encode()]
    if setup is not None:
        parts |= {f"in setup, {part}": its for part, its in setup.parts.items()}
        pieces.append(setup.digest)
    if _seeded(task):
        parts["the seed"] = str(task.streams.seed)
        pieces.append(b"seed %d" % task.streams.seed)
    return CodePrint(digest(pieces), parts)


def _seeded(task: Task) -> bool:
    """Whether an item's value follows from a seed, and from the item's index."""
    return task.streams is not None and task.streams.given


class ItemKeys:
    """Makes the keys of one run's items, which come in their order.

    Parameters
    ----------
    codes : Codes
        Fingerprints of classes and functions.
    function : bytes
        The digest of the run's function.
    notes : Notes
        Where an item without a fingerprint is noted.
    task : Task or None
        Where it has a seed, the indices of items count, rather than how many equal ones came
        before.
    """

    def __init__(
        self, codes: Codes, function: bytes, notes: Notes, task: Task | None = None
    ) -> None:
        self._by_index = task is not None and _seeded(task)
        self._codes = codes
        self._function = function
        self._notes = notes
        self._occurrences = Occurrences()

    def of(self, chunk: Chunk) -> list[bytes | None]:
        """Give a key for each item of a chunk; None for one without a fingerprint."""
        made: dict[int, bytes] = {}
        for offset, item in enumerate(chunk.items):
            try:
                made[offset] = self._codes.item(item)
            except NoFingerprint as error:
                words = f"items run every time that have no fingerprint: {error}"
                self._notes.add(words, once="items")
        keys: list[bytes | None] = [None] * len(chunk)
        counts = self._occurrences.count([*made.values()])
        start, make = self._function, hashlib.blake2b
        for (offset, one), count in zip(made.items(), counts, strict=True):
            number = chunk.indices[offset] if self._by_index else count
            whole = start + one + number.to_bytes(8, "little")
            keys[offset] = make(whole, digest_size=SIZE).digest()
        return keys

    def close(self) -> None:
        """Delete the file that counts equal items, if there is one."""
        self._occurrences.close()
