"""One `backend` fixture runs the suite on every backend; a fake clock; an event log."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import cloudpickle
import pytest

import nbexec
from nbexec.cell.execution import plain_first
from nbexec.placement import profiles
from nbexec.telemetry.events import Event
from nbexec.telemetry.observer import Observer
from nbexec.telemetry.state import RunState
from nbexec.worker import sent_modules

from . import lab

os.environ["NBEXEC_CACHE_DIR"] = profiles.OFF  # the user's own is left alone, by kernels too

# A shell has Ctrl-C ignored by what it starts in the background, and tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

INTERPRETERS = [name for name in nbexec.backends() if name == "interpreters"]  # since Python 3.14
BACKENDS = nbexec.backends()
REMOTE = ["processes", "dask"]
SENT = ["processes", *INTERPRETERS, "dask"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each backend in turn."""
    with _reachable(request):
        yield request.param


@pytest.fixture(params=REMOTE)
def remote(request: pytest.FixtureRequest) -> str:
    """Each backend whose workers are in other processes."""
    return request.param


@pytest.fixture(params=SENT)
def sent(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each backend that functions and items are pickled for."""
    with _reachable(request):
        yield request.param


@contextlib.contextmanager
def _reachable(request: pytest.FixtureRequest) -> Iterator[None]:
    """Send the test's functions by value to interpreters: they can't load hypothesis or pytest."""
    if request.param != "interpreters":
        yield
        return
    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)


@pytest.fixture(autouse=True)
def loops_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send all items of a cell's loop to workers, however little they take.

    A test marked `plain_first` has loops begin as they do for users: as the plain loop.
    """
    if request.node.get_closest_marker("plain_first") is None:
        monkeypatch.setattr(plain_first, "ENABLED", False)


@pytest.fixture(autouse=True)
def few_modules(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs take none of the suite's own modules along: there are 200, and they hold much.

    Tests of what modules hold are in `tests/fidelity` and `tests/worker`: their runs take the
    test's module along, and those of its folder that are there for tests to use.
    """
    folder = request.path.parent.name
    own = sent_modules.own_modules

    def wanted(name: str) -> bool:
        if name.partition(".")[0] != "tests":
            return True
        if folder not in ("fidelity", "worker"):
            return False
        above, _, last = name.rpartition(".")
        helper = above == f"tests.{folder}" and not last.startswith("test_")
        return helper or name == request.module.__name__

    monkeypatch.setattr(
        sent_modules,
        "own_modules",
        lambda: {name: it for name, it in own().items() if wanted(name)},
    )


@pytest.fixture(autouse=True)
def quiet():
    """No progress in tests, unless a test asks for it; nothing is known of earlier runs."""
    profiles.forget()
    with nbexec.options(progress="off", workers=2):
        yield


class FakeClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def go(self, seconds: float) -> float:
        self.now += seconds
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Log(Observer):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def observe(self, event: Event, state: RunState) -> None:
        self.events.append(event)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """The events of the runs that the test starts."""
    log = Log()
    monkeypatch.setattr("nbexec.observers.watchers", lambda options, task: [log])
    return log


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    """A browser's context."""
    with lab.browser() as context:
        yield context
