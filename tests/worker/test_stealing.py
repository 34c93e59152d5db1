"""What waits behind an item that takes long goes to idle workers, and is run once."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

import nbexec
from nbexec.telemetry.events import Returned
from nbexec.worker.chunk_state import SharedChunkState
from nbexec.worker.stealing import StealListener, ask

QUICK = 60  # items before those that are looked at


class Gathering:
    """The item `waits` ends when so many others have begun, or when it is told to."""

    def __init__(self, place: Path, waits: int, others: int) -> None:
        self.place = str(place)
        self.waits, self.others = waits, others

    def __call__(self, item: int) -> int:
        with open(os.path.join(self.place, f"ran-{item}"), "a") as file:
            file.write("x")
        if item == self.waits:
            end = time.monotonic() + 30
            while len(os.listdir(self.place)) <= self.others:
                assert time.monotonic() < end, "nobody took what waits behind this item"
                time.sleep(0.002)
        return item


ABLE = ["threads", "processes", "asyncio", "dask"]


@pytest.mark.parametrize("able", ABLE)
def test_an_item_may_wait_for_all_others(able, tmp_path, log, monkeypatch):
    for given in "size", "stealable_size":
        monkeypatch.setattr(f"nbexec.items.chunk_size.ChunkSizer.{given}", lambda *_: 10)
    monkeypatch.setattr("nbexec.items.chunk_size.ChunkSizer.prefetch", lambda *_: True)
    items = range(QUICK + 40)
    gather = Gathering(tmp_path, QUICK, len(items) - 1)
    assert nbexec.map(gather, items, backend=able) == list(items)
    assert all((tmp_path / f"ran-{item}").read_text() == "x" for item in items)
    returned = {index for e in log.events if isinstance(e, Returned) for index in e.chunk.indices}
    assert returned >= set(range(QUICK + 1, QUICK + 10))


@pytest.mark.parametrize("able", ABLE)
def test_what_has_ended_of_a_chunk_is_kept_when_the_run_is_cancelled_in_its_middle(able, tmp_path):
    gather = Gathering(tmp_path, QUICK, QUICK + 1)
    run = nbexec.start(gather, range(QUICK + 40), backend=able, chunk=QUICK + 20, workers=1)
    while not (tmp_path / f"ran-{QUICK}").exists():
        time.sleep(0.002)
    run.cancel()
    (tmp_path / "another").touch()  # so that the item ends
    with pytest.raises(nbexec.RunCancelled) as cancelled:
        run.result()
    assert cancelled.value.partial_results[:QUICK] == list(range(QUICK))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
class TestStealListener:
    @pytest.fixture
    def told(self):
        return []

    @pytest.fixture
    def listener(self, tmp_path, told):
        return StealListener(str(tmp_path), lambda *what: told.append(what))

    def test_what_has_begun_is_kept(self, listener, told):
        chunk_state = SharedChunkState([1, 2, 3])
        assert listener.begin(7, chunk_state, 3)
        assert next(iter(chunk_state.items)) == 1
        listener.give_back(7)
        assert told == [(7, 1)]
        assert list(chunk_state.items) == []

    def test_what_has_not_come_yet_is_given_back_whole(self, listener, told):
        listener.give_back(7)
        assert told == [(7, 0)]
        assert not listener.begin(7, SharedChunkState([1]), 1)
        assert listener.begin(8, SharedChunkState([1]), 1)

    def test_of_what_has_ended_nothing_is_said(self, listener, told):
        listener.begin(7, SharedChunkState([1]), 1)
        listener.end(7)
        listener.give_back(7)
        assert told == []

    def test_it_is_asked_through_its_pipe(self, tmp_path):
        heard = threading.Event()
        StealListener(str(tmp_path), lambda serial, kept: heard.set())
        ask(str(tmp_path), os.getpid(), 7)
        assert heard.wait(10)

    def test_a_worker_that_is_gone_may_be_asked(self, tmp_path):
        ask(str(tmp_path), os.getpid() + 1, 7)
