"""What backend="auto" remembers of a function: in memory, and in the user's cache folder."""

from __future__ import annotations

import functools
import json
import os
import threading
import time

import pytest

import nbexec
from nbexec.placement import profiles
from nbexec.placement.profiles import Level, Profile
from nbexec.worker import execute

FACT = Profile(0.01, 1.0, 1.0, 1e-6, 2e-6)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A cache folder, and a kernel that has not read it."""
    monkeypatch.setenv("NBEXEC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(profiles, "_read", False)
    return profiles.file()


def fresh(monkeypatch):
    """Be another kernel."""
    profiles.forget()
    monkeypatch.setattr(profiles, "_read", False)


def defined(source):
    space = {}
    exec(source, space)
    return space["f"]


def test_a_function_is_told_by_its_name_and_its_code():
    first = defined("def f(x): return x + 1")
    assert profiles.key_of(first) == profiles.key_of(defined("\n\ndef f(x):\n  return x + 1"))
    others = ["def f(x): return x + 2", "def f(x): return [y for y in x]", "f = lambda x: x + 1"]
    assert len({profiles.key_of(defined(other)) for other in [*others, "def f(x): return x"]}) == 4
    assert profiles.key_of(first) not in {profiles.key_of(defined(other)) for other in others}
    assert profiles.key_of(functools.partial(first, 1)) == profiles.key_of(first)
    assert profiles.key_of(time.sleep) == profiles.key_of(time.sleep) != profiles.key_of(len)
    assert profiles.key_of(execute.call) is None  # it calls any

    class Callable:
        def __call__(self, x):
            return x

        def method(self, x):
            return x + 1

    assert profiles.key_of(Callable()) == profiles.key_of(Callable())
    assert profiles.key_of(Callable().method) != profiles.key_of(Callable())


def test_a_method_of_classes_is_told_by_the_class():
    """As of models, which share one: a model with a slow validator is another function."""

    class Base:
        @classmethod
        def made(cls, x):
            return x

    class Other(Base):
        pass

    assert profiles.key_of(Base.made) == profiles.key_of(Base.made) != profiles.key_of(Other.made)


def test_another_kernel_knows_it(file, monkeypatch):
    assert profiles.recall(len) is None
    profiles.learn(len, FACT)
    fresh(monkeypatch)
    assert profiles.recall(len) == FACT
    assert [one.name for one in file.parent.iterdir()] == ["auto.json"]
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"version": 1}',
        b'{"version": 2, "facts": {"a": 1}}',
        b'{"version": 1, "facts": {"a": 1}}',
        b'{"version": 1, "facts": {"a": [1, 2]}}',
        b'{"version": 1, "facts": {"a": [1, 2, "x", 4, 5, 6]}}',
        b'{"version": 1, "facts": {"a": [1, NaN, 2, 4, 5, 6]}}',
        b'{"version": 3, "levels": {"a threads": [1, "x", 2]}}',
        b'{"version": 3, "levels": []}',
    ],
)
def test_a_broken_file_is_no_file(broken, file, monkeypatch):
    file.parent.mkdir()
    file.write_bytes(broken)
    assert profiles.recall(len) is None
    profiles.learn(len, FACT)
    fresh(monkeypatch)
    assert profiles.recall(len) == FACT


def test_another_kernel_knows_how_many_ran_at_once(file, monkeypatch):
    assert profiles.recall_level(len, "threads") is None
    profiles.learn_level(len, "threads", Level(48, 0.02))
    profiles.learn(len, FACT)
    fresh(monkeypatch)
    assert profiles.recall_level(len, "threads") == Level(48, 0.02)
    assert profiles.recall_level(len, "asyncio") is None
    assert profiles.recall(len) == FACT


def test_how_many_ran_at_once_is_written_only_for_news(file):
    profiles.learn_level(len, "threads", Level(48, 0.02))
    before = file.read_bytes()
    profiles.learn_level(len, "threads", Level(50, 0.03))
    assert file.read_bytes() == before
    assert profiles.recall_level(len, "threads") == Level(50, 0.03)
    profiles.learn_level(len, "threads", Level(12, 0.03))
    assert file.read_bytes() != before


def test_what_another_kernel_wrote_meanwhile_is_kept(file, monkeypatch):
    profiles.learn(len, FACT)
    fresh(monkeypatch)
    profiles.learn(abs, FACT)
    fresh(monkeypatch)
    assert profiles.recall(len) == profiles.recall(abs) == FACT


def test_it_is_written_only_for_news(file):
    profiles.learn(len, FACT)
    before = file.stat().st_mtime_ns
    profiles.learn(len, FACT._replace(each=0.012))
    assert file.stat().st_mtime_ns == before
    profiles.learn(len, FACT._replace(each=0.03))
    assert file.stat().st_mtime_ns > before


def test_the_latest_are_kept(file, monkeypatch):
    monkeypatch.setattr(profiles, "MOST", 3)
    functions = [defined(f"def f(x): return {n}") for n in range(5)]
    for function in functions:
        profiles.learn(function, FACT)
    assert len(json.loads(file.read_text())["facts"]) == 3
    assert [profiles.recall(one) is None for one in functions] == [True, True, False, False, False]


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(file, monkeypatch):
    file.parent.write_text("a file")
    profiles.learn(len, FACT)
    assert profiles.recall(len) == FACT


def test_off_means_off(monkeypatch):
    assert os.environ["NBEXEC_CACHE_DIR"] == "off"  # as in all tests
    assert profiles.file() is None
    profiles.learn(len, FACT)
    assert profiles.recall(len) == FACT
    fresh(monkeypatch)
    assert profiles.recall(len) is None


# ---------------------------------------------------------------- in runs


def test_the_next_kernel_begins_with_as_many_at_once(file, monkeypatch):
    met = threading.Barrier(30)  # more than there are at first

    def meet(x):
        met.wait(20)

    with nbexec.options(workers=None):
        first = nbexec.map(meet, range(30), backend="threads").run.choice.workers
        fresh(monkeypatch)
        run = nbexec.start(meet, range(30), backend="threads")
        begun = run.choice.workers
        run.result()
    assert first >= 30
    assert begun >= first // 2


def nap(x):
    time.sleep(0.02)
    return x


@pytest.mark.alone
def test_what_was_never_weighed_is_before_it_is_sent():
    """It did not matter while the items ran in the kernel."""

    def total(numbers):
        return sum(numbers) and time.sleep(0.0005)

    profiles.learn(total, FACT._replace(each=0.0005, here=2.5e-7, there=2.5e-7))
    nbexec.map(abs, [1, 2], backend="processes")
    run = nbexec.map(total, [list(range(100_000))] * 60, workers=2).run
    assert not run.choice.reason.startswith("as in an earlier run")


@pytest.mark.alone
def test_the_second_run_begins_where_the_first_one_went():
    def where(x):
        return nap(threading.current_thread().name)

    first, second = nbexec.map(where, range(40)), nbexec.map(where, range(40))
    assert first.run.choice.backend == second.run.choice.backend == "threads"
    assert first[0] == "MainThread"
    assert first.run.choice.reason.startswith("items take")
    assert second.run.choice.reason.startswith("as in an earlier run, items take")
    assert "MainThread" not in second


def chew(x):
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        pass
    return x


@pytest.mark.alone
def test_what_is_remembered_may_be_wrong():
    profiles.learn(nap, Profile(0.02, 1.0, 1.0, 1e-6, 1e-6))  # it is said to compute
    run = nbexec.map(nap, range(300), workers=None).run
    assert run.choice.backend == "threads"
    assert run.choice.reason.startswith("by now items take")
    assert profiles.recall(nap).used < 0.5


@pytest.mark.alone
def test_items_that_cannot_be_sent_this_time_are_not_lost():
    profiles.learn(chew, Profile(0.02, 1.0, 1.0, 1e-6, 1e-6))
    locks = [threading.Lock() for _ in range(60)]
    run = nbexec.map(lambda x: chew(x) and None, locks).run
    assert run.stats.failed == 0
    profiles.learn(chew, Profile(0.02, 1.0, 1.0, 1e-6, 1e-6))
    results = nbexec.map(chew, locks)
    assert results.run.stats.failed == 0
    assert results[0] is locks[0]


@pytest.mark.alone
def test_an_executor_remembers_nothing_of_its_calls():
    with nbexec.Executor() as executor:
        assert list(executor.map(nap, range(10))) == list(range(10))
    assert profiles._known["facts"] == {}
