"""The chunks that run in this process."""

from __future__ import annotations

from .chunk_state import ChunkState

by_thread: dict[int, ChunkState] = {}
