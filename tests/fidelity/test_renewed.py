"""What a worker sees where the kernel changes between the calls of an executor, and in nested runs.

Covers `nbexec.backends.remote`, `nbexec.worker.task_cache` and `nbexec.serialize.failures`.
"""

from __future__ import annotations

import io
import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbexec

OWN = """
import sys
import threading
import types


class Settings:
    def __init__(self):
        self.rate = 1
        self.lock = threading.Lock()


class Doubling(types.ModuleType):
    @property
    def double(self):
        return 2 * self.options["rate"]


settings = alias = Settings()
options = {"rate": 1}
sys.modules[__name__].__class__ = Doubling
"""
USER = "from own_renewed import options\n"


class Refused(Exception):
    def __init__(self, reply: dict[str, int]) -> None:
        super().__init__("refused")
        self.reply = reply


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    logger, text = logging.getLogger("tests.renewed"), io.StringIO()
    handler = logging.StreamHandler(text)
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, text
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_levels_that_change_between_calls(
    backend: str, log: tuple[logging.Logger, io.StringIO]
) -> None:
    logger, text = log

    def say(word: str) -> int:
        found = logging.getLogger("tests.renewed")
        found.info(word)
        return found.level

    with nbexec.Executor(backend, 2) as executor:
        for level in (logging.WARNING, logging.INFO, logging.ERROR):
            logger.setLevel(level)
            assert executor.submit(say, f"at-{level}").result() == level
        nbexec.map(say, ["between"], backend=backend, workers=2, progress="off")
        logger.setLevel(logging.INFO)
        executor.submit(say, "last").result()
    assert text.getvalue().split() == [f"at-{logging.INFO}", "last"]


def test_filters_that_change_between_calls(backend: str) -> None:
    def warn(x: int) -> int:
        warnings.warn("old", FutureWarning, stacklevel=1)
        return x

    with warnings.catch_warnings(), nbexec.Executor(backend, 2) as executor:
        for action in ("ignore", "error", "ignore"):
            warnings.simplefilter(action, FutureWarning)
            future = executor.submit(warn, 1)
            if action == "error":
                with pytest.raises(FutureWarning):
                    future.result()
            else:
                assert future.result() == 1


def test_a_nested_run_that_fails(backend: str) -> None:
    def inner(x: int) -> int:
        if x == 2:
            raise Refused({"status": x})
        return x

    def outer(x: int) -> int:
        return sum(nbexec.map(inner, [1, x], backend="serial", progress="off"))

    found = nbexec.map(
        outer, [1, 2], backend=backend, workers=2, progress="off", on_error="collect"
    )
    failure = found[1]
    assert found[0] == outer(1)
    assert failure.exception.reply == {"status": 2}
    assert failure.exception.partial_results[0] == 1
    assert pickle.loads(pickle.dumps(found)).failures[0].exception.reply == {"status": 2}


def test_an_exception_of_python_s_own_keeps_its_text(backend: str) -> None:
    with pytest.raises(UnicodeDecodeError, match="can't decode byte 0xff"):
        nbexec.map(bytes.decode, [b"a", b"\xff"], backend=backend, workers=2, progress="off")


def test_names_of_modules_that_are_one_object_and_two(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_renewed.py").write_text(OWN)
    (tmp_path / "user_renewed.py").write_text(USER)
    monkeypatch.syspath_prepend(tmp_path)
    own: Any = __import__("own_renewed")
    user: Any = __import__("user_renewed")

    def seen(x: int) -> object:
        same = own.options is user.options, own.settings is own.alias
        rates = own.options["rate"], user.options["rate"], own.settings.rate, own.double
        return same, rates

    try:
        own.settings.rate = 3
        for _ in range(2):
            found = nbexec.map(seen, range(3), backend=backend, workers=2, progress="off")
            assert found == [*map(seen, range(3))]
            own.options = {"rate": 5}  # not the user's any more
    finally:
        for name in ("own_renewed", "user_renewed"):
            sys.modules.pop(name, None)


def test_functions_that_an_initializer_refers_to_find_the_globals_of_each_call(remote):
    names = {}
    exec("rate = 1\ndef helper(): return rate\ndef begin(): helper()", names)
    with nbexec.Executor(remote, workers=1, initializer=names["begin"]) as executor:
        assert executor.submit(names["helper"]).result() == 1
        names["rate"] = 2
        assert executor.submit(names["helper"]).result() == 2
