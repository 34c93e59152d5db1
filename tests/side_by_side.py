"""How the suite runs side by side, with pytest-xdist.

The tests of one file share a process, since they share kernels, browsers and clusters; a file
that takes very long says by `pytest.mark.xdist_group` which of its tests belong together.
Tests that are marked `alone` measure time, or a machine that nobody else uses, or they count
what processes and threads are left.  They share one process, come last, and each waits until
no other test runs.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import gc
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# The files that take longest, in the order in which they are begun: what is begun last should
# be short, or one process works on while the others have nothing left.
FIRST = [
    "test_cpython.py",
    "test_browser.py",
    "cell/test_random_notebooks.py",
    "cell/test_laws.py",
    "test_docs.py",
    "test_notebooks.py",
    "test_install.py",
    "notebook/test_kernel_versions.py",
    "cell/pools/test_pools.py",
    "journal/test_journal.py",
    "test_chaos.py",
    "fidelity/test_forks.py",
    "observers/test_text_progress.py",
    "pacing/test_servers.py",
    "worker/test_capture.py",
    "run/test_stopping.py",
    "fidelity/test_random_streams.py",
    "test_hosts.py",
]
HERE = Path(__file__).parent


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests wait more than they compute: for workers, kernels and pages to start, and in items."""
    return max(2, min(8, 2 * len(os.sched_getaffinity(0))))


class Scheduling(LoadScopeScheduling):
    """Gives a process the tests of a group, and a next group when it is about through.

    xdist's own ``--dist loadgroup`` does that up to pytest 9.1: it renames the tests, which
    pytest doesn't allow any more.  So the processes write down the groups.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _groups()[nodeid]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_configure_node(node: Any) -> None:
    """Tell a process that is about to start where the groups and locks are."""
    node.workerinput["shared"] = str(_shared())


@functools.cache
def _shared() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nbexec-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _groups() -> dict[str, str]:
    return json.loads((_shared() / "groups").read_text())


_places: dict[tuple[str, int], list[str]] = {}  # by function and parameter: its ids, in order


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark as `extended` what a quick run leaves out of a table: see `one_in` in pyproject.toml.

    The cells that stay are diagonals: each row and each column has some.
    """
    mark = item.get_closest_marker("one_in")
    if mark is None:
        return
    function, place = item.nodeid.partition("[")[0], 0
    for at, name in enumerate(item.callspec._idlist):
        seen = _places.setdefault((function, at), [])
        if name not in seen:
            seen.append(name)
        place += seen.index(name)
    if place % mark.args[0]:
        item.add_marker(pytest.mark.extended)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_turn)
    if hasattr(config, "workerinput"):
        groups = Path(config.workerinput["shared"], "groups")
        own = groups.with_suffix(f".{os.getpid()}")
        own.write_text(json.dumps({item.nodeid: _group(item) for item in items}))
        own.rename(groups)  # the same for all processes


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("alone"):
        return "alone"
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark else str(item.path)


def _turn(item: pytest.Item) -> tuple[bool, int]:
    name = item.path.relative_to(HERE).as_posix() if item.path.is_relative_to(HERE) else ""
    return (
        item.get_closest_marker("alone") is not None,
        FIRST.index(name) if name in FIRST else len(FIRST),
    )


def pytest_collection_finish() -> None:
    """Leave out of each collection what is there for the whole suite: modules and tests.

    With them `gc.collect()` takes 0.3 s, and some of CPython's tests call it 30 times.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Leave out of later collections what a file's tests have imported and kept, too."""
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # to wait is not the test's time
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with _room(item):
        return (yield)


@contextmanager
def _room(item: pytest.Item) -> Iterator[None]:
    """Wait for a test's turn: one that is alone waits until no other runs, and they for it."""
    if not hasattr(item.config, "workerinput"):
        yield  # all of them are in this process
        return
    folder = Path(item.config.workerinput["shared"])
    kind = fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, kind)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # what the test forked may have it open, too
