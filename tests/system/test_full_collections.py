"""Full garbage collections are no cost of the items that they begin in."""

import gc
import sys
import threading
import time

import pytest

from nbexec.backends.serial import Stopwatch
from nbexec.system import full_collections
from nbexec.system.full_collections import collected


def test_a_collection_counts_for_the_thread_that_it_ran_in():
    here = threading.get_ident()
    before = collected(here)
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
    assert collected(here) == before
    gc.collect(1)
    assert collected(here) == before
    gc.collect()
    assert collected(here).wall > before.wall
    assert collected(here).cpu > before.cpu


def test_a_stopwatch_leaves_full_collections_out():
    kept = [[n] for n in range(500_000)]  # a full collection of these takes over 10 ms
    begun = time.thread_time()
    gc.collect()
    took = time.thread_time() - begun
    with Stopwatch() as watch:
        for _ in range(5):
            gc.collect()
        read, here = watch.read(), watch.here()
    assert len(kept) == 500_000
    assert here is not None
    assert read is not None
    assert max(here.wall, here.cpu, read.cpu) < took


def test_lesser_collections_and_earlier_ones_do_not_count():
    here = threading.get_ident()
    before = collected(here)
    for generation in (0, 1, 0, 1):
        gc.collect(generation)
    assert collected(here) == before
    gc.collect()
    gc.collect(0)
    after = collected(here)
    assert after.wall > before.wall
    gc.collect(1)
    assert collected(here) == after


@pytest.fixture
def ours_alone():
    """What others have called is gone: hypothesis has a function of Python in it, once it ran."""
    collected(threading.get_ident())
    others = [one for one in gc.callbacks if one is not full_collections._clock.call]
    gc.callbacks[:] = [full_collections._clock.call]
    gc.collect()  # so that the next one finds nothing that has an end of its own
    yield
    gc.callbacks.extend(others)


@pytest.mark.usefixtures("ours_alone")
def test_no_python_code_runs_in_a_collection():
    """It would let other threads run where the code that began the collection expects none."""
    ran = []
    sys.setprofile(lambda frame, event, _: ran.append((event, frame.f_code.co_name)))
    try:
        gc.collect()
    finally:
        sys.setprofile(None)
    called = [name for event, name in ran if event == "call"]
    assert [name for name in called if "full_collections" in name or name == "_take_in"] == []
    assert called == []
