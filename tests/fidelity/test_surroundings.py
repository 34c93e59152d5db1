"""The state of the kernel's process, as items see it, and context variables.

Covers nbexec.serialize.context_vars.
"""

from __future__ import annotations

import calendar
import contextvars
import csv
import decimal
import gc
import locale
import mimetypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.worker.surroundings import register
from nbexec.worker.surroundings.kernel_state import Surroundings

from .ways import WAYS

try:
    import matplotlib as mpl
except ImportError:
    mpl = None

user = contextvars.ContextVar("user", default="nobody")


def look(_: Any = None) -> dict[str, Any]:
    """Give what code in this place sees."""
    return {
        "folder": os.getcwd(),
        "variable": os.environ.get("FIDELITY"),
        "path": [*sys.path],
        "arguments": [*sys.argv],
        "depth": sys.getrecursionlimit(),
        "digits": sys.get_int_max_str_digits(),
        "gc": gc.get_threshold(),
        "zone": time.strftime("%Z", time.localtime(0)),
        "locale": locale.setlocale(locale.LC_ALL),
        "csv": csv.field_size_limit(),
        "socket": socket.getdefaulttimeout(),
        "week": calendar.firstweekday(),
        "mime": mimetypes.guess_type("a.fidelity"),
        "pandas": pd.get_option("display.max_rows"),
        "matplotlib": mpl and mpl.rcParams["lines.linewidth"],
        "decimal": str(decimal.Decimal(1) / 3),
        "numpy": str(np.array([1 / 3])),
        "errstate": np.geterr(),
        "context": user.get(),
    }


def settings_of(value: int) -> list[Callable[[], Any]]:
    """Give what sets each of them, in one of several ways."""
    folder = os.path.realpath(os.sep if value % 2 else os.path.dirname(__file__))
    zone = ["UTC", "Asia/Tokyo", "America/Lima"][value % 3]

    def environment() -> None:
        os.environ.pop("FIDELITY", None)
        if value % 3:
            os.environ["FIDELITY"] = str(value)

    def time_zone() -> None:
        os.environ["TZ"] = zone
        time.tzset()

    return [
        lambda: os.chdir(folder),
        environment,
        time_zone,
        lambda: sys.path.__setitem__(slice(None), [*sys.path[:3], *sys.path[3:], f"/{value}"]),
        lambda: sys.argv.__setitem__(slice(1, None), [str(value)]),
        lambda: sys.setrecursionlimit(5000 + value),
        lambda: sys.set_int_max_str_digits(4300 + value),
        lambda: gc.set_threshold(700 + value, 10, 10),
        lambda: locale.setlocale(locale.LC_ALL, ["C", "C.UTF-8"][value % 2]),
        lambda: csv.field_size_limit(1000 + value),
        lambda: socket.setdefaulttimeout(value or None),
        lambda: calendar.setfirstweekday(value % 7),
        lambda: pd.set_option("display.max_rows", 10 + value),
        lambda: mpl and mpl.rcParams.__setitem__("lines.linewidth", float(value)),
        lambda: setattr(decimal.getcontext(), "prec", 5 + value),
        lambda: np.set_printoptions(precision=1 + value % 7),
        lambda: np.seterr(divide=["warn", "ignore", "raise"][value % 3]),  # type: ignore[list-item]
        lambda: user.set(f"user {value}"),
    ]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before, variables = Surroundings.here(), dict(os.environ)
    token = user.set("nobody")
    yield
    user.reset(token)
    for entry in register.entries():
        if entry.name in before.values and entry.name != "context variables":
            entry.take_on(before.values[entry.name])
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()


@pytest.fixture
def started(backend: str) -> str:
    """The backend, once it was used: a local Dask cluster adds to the kernel's import path."""
    nbexec.map(abs, [1], backend=backend)
    return backend


@pytest.mark.parametrize("way", WAYS)
def test_items_see_what_the_plain_loop_sees(started: str, way: str) -> None:
    for value in (1, 2):  # the second time on warm workers
        for change in settings_of(value):
            change()
        found, plain = WAYS[way](look, range(3), started), [look(x) for x in range(3)]
        if way == "%%parallel":  # a cell has room for frames of ours; it can go as deep as alone
            assert all(
                one.pop("depth") >= own.pop("depth") for one, own in zip(found, plain, strict=True)
            )
        assert found == plain


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 17), st.integers(0, 5)), max_size=6))
def test_whatever_was_set_between_two_runs(remote: str, changes: list[tuple[int, int]]) -> None:
    for which, value in changes:
        if which != 5:  # hypothesis minds
            settings_of(value)[which]()
    assert nbexec.map(look, range(2), backend=remote) == [look(), look()]


def leave_behind(_: Any) -> None:
    for change in settings_of(4):
        change()
    os.environ["LEFT_BEHIND"] = "1"
    os.umask(0o77)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 30)


def test_the_next_run_does_not_see_what_an_item_left(remote: str) -> None:
    nbexec.map(leave_behind, range(4), backend=remote, chunk=1)

    def found(_: Any) -> Any:
        umask = os.umask(0)
        os.umask(umask)
        return look(), umask, os.environ.get("LEFT_BEHIND"), signal.getsignal(signal.SIGUSR1)

    assert nbexec.map(found, range(4), backend=remote, chunk=1) == [found(x) for x in range(4)]
    timers = nbexec.map(lambda _: signal.getitimer(signal.ITIMER_REAL), range(4), backend=remote)
    assert timers == [(0.0, 0.0)] * 4


def test_two_runs_in_turn_on_the_same_workers(remote: str) -> None:
    """The first goes on in the surroundings that it began in."""
    os.environ["FIDELITY"] = "first"
    first = nbexec.imap(lambda x: os.environ["FIDELITY"], range(8), backend=remote, chunk=1)
    found = [next(first)]
    os.environ["FIDELITY"] = "second"
    second = nbexec.map(lambda x: os.environ["FIDELITY"], range(4), backend=remote, chunk=1)
    assert [*found, *first] == ["first"] * 8
    assert second == ["second"] * 4


def test_an_executor_follows(remote: str) -> None:
    with nbexec.Executor(remote, workers=2) as executor:
        executor.submit(abs, -1).result()
        os.environ["FIDELITY"] = "later"
        assert executor.submit(look).result()["variable"] == "later"
        del os.environ["FIDELITY"]
        assert executor.submit(look).result()["variable"] is None


NAME = "of the user's own"


class Units:
    system = "metric"


def set_system(wanted: str) -> None:
    Units.system = wanted


def test_something_of_the_users_own_is_carried(backend: str) -> None:
    nbexec.carry(NAME, lambda: Units.system, set_system)
    try:
        for system in ("imperial", "metric"):
            Units.system = system
            assert nbexec.map(lambda _: Units.system, range(3), backend=backend) == [system] * 3
    finally:
        nbexec.carry(NAME, None, None)


def test_what_reads_it_may_fail() -> None:
    nbexec.carry(NAME, lambda: 1 / 0, set_system)
    try:
        with pytest.raises(ZeroDivisionError) as caught:
            nbexec.map(abs, range(3), backend="processes")
    finally:
        nbexec.carry(NAME, None, None)
    assert any(NAME in note for note in caught.value.__notes__)


def test_what_can_not_be_sent_is_named() -> None:
    nbexec.carry(NAME, threading.Lock, print)
    try:
        with pytest.raises(nbexec.PickleError, match=NAME):
            nbexec.map(abs, range(3), backend="processes")
    finally:
        nbexec.carry(NAME, None, None)


@pytest.mark.parametrize(
    ("name", "read", "write", "error"),
    [("locale", str, str, ValueError), ("mine", 1, str, TypeError), ("mine", str, None, TypeError)],
)
def test_what_can_not_be_carried(name: str, read: Any, write: Any, error: type) -> None:
    with pytest.raises(error, match=r"name|must be callable"):
        nbexec.carry(name, read, write)


def test_a_context_variable_of_a_function_is_sent(sent: str) -> None:
    variable = contextvars.ContextVar("variable", default=(1,))
    other: contextvars.ContextVar[int] = contextvars.ContextVar("other")
    token = other.set(3)

    def read(_: Any) -> Any:
        variable.set((*variable.get(), other.get()))
        return variable.get(), other.get()

    assert nbexec.map(read, range(1), backend=sent) == [((1, 3), 3)]
    assert nbexec.map(lambda _: variable, range(1), backend=sent)[0] is variable
    other.reset(token)


def test_a_variable_whose_value_can_not_be_sent_is_left_out(remote: str) -> None:
    token = user.set(threading.Lock())  # type: ignore[arg-type]
    try:
        assert nbexec.map(lambda _: user.get(), range(2), backend=remote) == ["nobody"] * 2
    finally:
        user.reset(token)
