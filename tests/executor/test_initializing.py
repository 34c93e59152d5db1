"""What an executor calls in its workers before the first call and after the last one."""

from __future__ import annotations

import concurrent.futures

import pytest

import nbexec
from nbexec.errors import OptionError


def closing(folder):
    """Give setup and teardown that keep a list of calls, and write it down at the end."""

    def setup():
        return []

    def teardown(calls):
        import uuid

        (folder / f"ended-{uuid.uuid4().hex}").write_text(",".join(sorted(calls)))

    return {"setup": setup, "teardown": teardown}


def ended(folder):
    found = [path.read_text().split(",") for path in folder.glob("ended-*")]
    return sorted(word for words in found for word in words)


def test_every_call_has_the_state_as_its_last_positional_argument(backend, tmp_path):
    def call(word, calls, *, times=1):
        calls.append(word)
        return word * times

    with nbexec.Executor(backend, workers=2, **closing(tmp_path)) as executor:
        assert executor.submit(call, "a", times=3).result(100) == "aaa"
        assert [*executor.map(call, "bcd")] == [*"bcd"]
        assert [*executor.map(call, "efg", chunksize=2)] == [*"efg"]
        assert executor.submit(call, "h").result(30) == "h"
    assert ended(tmp_path) == [*"abcdefgh"]


def test_named_kernels_have_no_state(tmp_path):
    with nbexec.Executor("threads", workers=2, **closing(tmp_path)) as executor:
        assert executor.compute("sum", range(5)) == 10
        assert executor.compute(lambda part, calls: len(part), range(5)) == [5]


def test_the_initializer_comes_first_and_keeps_its_own_to_itself(backend, tmp_path):
    found = {}

    def begin(place):
        found["at"] = place

    def setup():
        return f"opened at {found['at']}"

    def teardown(state):
        (tmp_path / f"{state} closed at {found['at']}").touch()

    given = {"initializer": begin, "initargs": ("home",), "setup": setup, "teardown": teardown}
    with nbexec.Executor(backend, workers=1, **given) as executor:
        assert executor.submit(lambda state: state).result(100) == "opened at home"
    assert [path.name for path in tmp_path.iterdir()] == ["opened at home closed at home"]


def test_a_setup_that_raises_fails_its_call_and_is_tried_again(backend, tmp_path):
    def setup():
        if not (tmp_path / "tried").exists():
            (tmp_path / "tried").touch()
            raise ConnectionError("not yet")
        return 5

    with nbexec.Executor(backend, workers=1, setup=setup) as executor:
        with pytest.raises(ConnectionError, match="not yet"):
            executor.submit(pow, 2).result(100)
        assert executor.submit(pow, 2).result(30) == 32


def test_a_teardown_alone_is_given_nothing(backend, tmp_path):
    def teardown():
        (tmp_path / "ended").touch()

    with nbexec.Executor(backend, workers=1, teardown=teardown) as executor:
        assert executor.submit(abs, -1).result(100) == 1
    assert (tmp_path / "ended").exists()


def test_an_initializer_that_raises_leaves_nothing_to_tear_down(tmp_path):
    def begin():
        raise OSError("no device")

    given = closing(tmp_path)
    executor = nbexec.Executor("threads", workers=1, initializer=begin, **given)
    with executor, pytest.raises(concurrent.futures.BrokenExecutor):
        executor.submit(abs, -1).result(30)
    assert ended(tmp_path) == []


def test_they_must_be_functions():
    with pytest.raises(OptionError, match="setup must be a function"):
        nbexec.Executor("threads", setup=3)
    with pytest.raises(OptionError, match="teardown must be a function"):
        nbexec.Executor("threads", teardown="close")
