"""CallsExecutor: an executor for calls that another library has made futures for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..items.chunk_size import ChunkSizer
from ..options.record import Options
from ..worker.execute import Call
from .executor import Executor


class CallsExecutor(Executor):
    """An executor whose calls don't wait for each other: brief ones travel together.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> future = Future()
    >>> with CallsExecutor("threads", workers=2) as executor:
    ...     executor.hand([(Call(pow, (2, 5), {}), future)])
    >>> future.result()
    32
    """

    @staticmethod
    def _sizer(options: Options) -> ChunkSizer:
        return Executor._sizer(options) if options.alone else ChunkSizer()

    def hand(self, calls: Iterable[tuple[Call, Any]]) -> None:
        """Submit calls that have futures already.

        Raises
        ------
        RuntimeError
            The executor was shut down.
        """
        try:
            for call, future in calls:
                self._calls.add(call, future)
        finally:
            self._run.wake()
