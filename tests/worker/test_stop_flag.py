"""`worker/stop_flag`: an item waits until it is not wanted."""

from __future__ import annotations

import threading

import pytest

from nbexec.system import flag_files
from nbexec.worker.stop_flag import StopFile, StopFlag

from ..waiting import until


def waits(flag):
    """Wait in another thread; give it, and what it is told."""
    told = []
    thread = threading.Thread(target=lambda: told.append(flag.wait(60)), daemon=True)
    thread.start()
    return thread, told


def test_all_that_wait_are_woken():
    flag = StopFlag()
    assert not flag.wait(0.001)
    assert not flag._waiting
    several = [waits(flag) for _ in range(4)]
    until(lambda: len(flag._waiting) == 4)
    assert flag.wanted()
    flag.stop()
    flag.stop()
    for thread, told in several:
        thread.join(20)
        assert told == [True]
    assert not flag.wanted()
    assert flag.wait(60)  # at once


def test_a_file_is_looked_for(tmp_path):
    path = str(tmp_path / "flag")
    flag = StopFile(path)
    assert flag.wanted()
    assert not flag.wait(0.001)
    thread, told = waits(flag)
    flag_files.raise_flag(path)
    thread.join(20)
    assert told == [True]
    assert flag.stopped  # so that nothing more begins, whether the file is there or not
    (tmp_path / "flag").unlink()
    assert not flag.wanted()


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_it_may_wait_for_ever(seconds, tmp_path):
    for flag in (StopFlag(), StopFile(str(tmp_path / "flag"))):
        thread = threading.Thread(target=flag.wait, args=(seconds,))
        thread.start()
        flag.stop()
        thread.join(20)
        assert not thread.is_alive()
