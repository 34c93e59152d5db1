"""RecentRate: rate and time left of a run, from recent work alone."""

from __future__ import annotations

from collections import deque

WINDOW = 10.0  # seconds of recent work that the rate and the ETA are made of, at least
TURNS = 3  # and so many chunks of a worker, since they all may end at about the same time
SENSE = 1.0  # seconds of work before which an ETA means nothing
MARK_EVERY = 0.1  # seconds between two remembered counts; keeps the window at 100 of them


class RecentRate:
    """Remembers how many items had ended at some recent times.

    Counts are of items that ran: those that a journal restored, or that were cancelled, say
    nothing about the rate.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()  # time, count
        self._turn = 0.0  # seconds that a worker takes for a chunk, lately

    def restart(self, time: float, count: int) -> None:
        """Begin a new window: work before a pause says nothing about the rate after it."""
        self._marks.clear()
        self._marks.append((time, count))

    def finished(self, time: float, count: int, turn: float | None) -> None:
        """Take in that a chunk ended, after which `count` items had.

        Parameters
        ----------
        time : float
            Now, on the clock of the events.
        count : int
            Items that have ended, in all.
        turn : float or None
            Seconds that its worker took; None where no item of it began.
        """
        if turn is not None:
            self._turn += (turn - self._turn) * (0.2 if self._turn else 1.0)
        marks = self._marks
        if len(marks) == 1 and not marks[0][1] and turn is not None:
            # workers took a while to start
            marks[0] = (max(marks[0][0], time - self._turn), 0)
        if len(marks) > 1 and time - marks[-2][0] < MARK_EVERY:
            marks[-1] = (time, count)
        else:
            marks.append((time, count))
        window = max(WINDOW, TURNS * self._turn)
        while len(marks) > 2 and time - marks[1][0] > window:
            marks.popleft()

    def rate(self, now: float, count: int) -> float:
        """Give items a second, in the window."""
        if not self._marks:
            return 0.0
        since, before = self._marks[0]
        return (count - before) / (now - since) if now > since else 0.0

    def eta(self, now: float, count: int, left: int, workers: int) -> float | None:
        """Give the seconds that `left` items will take; None before that means something."""
        if not self._marks:
            return None
        since, before = self._marks[0]
        ran = count - before
        # What runs now is not late before it takes longer than what ran lately.
        known = max(self._marks[-1][0], now - self._turn)
        if known - since < SENSE or ran < workers:
            return None
        return max(0.0, left * (known - since) / ran - (now - known))
