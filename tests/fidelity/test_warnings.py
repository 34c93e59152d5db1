"""Warnings of items go through the kernel's filters, as from a plain loop, on every backend.

Covers `nbexec.worker.warned`.
"""

from __future__ import annotations

import io
import logging
import warnings

import pytest

import nbexec

ITEMS = range(6)
ACTIONS = ["default", "always", "once", "module", "ignore", "error"]


class OfMine(UserWarning):
    """A category of this module's."""


def same(x):
    warnings.warn("the same", OfMine, stacklevel=1)
    return x


def each(x):
    warnings.warn(f"careful {x}", DeprecationWarning, stacklevel=1)
    return x


def of_the_caller(x):
    inner(x)
    return x


def inner(x):
    warnings.warn(f"of the caller {x}", stacklevel=2)


def mapped(backend):
    return lambda work: [*nbexec.map(work, ITEMS, backend=backend)]


def loop(work):
    return [work(x) for x in ITEMS]


def left_by(run, work, *filters):
    """Give what a run gives, and the warnings that it leaves."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        for one in filters:
            warnings.filterwarnings(**one)
        try:
            result = run(work)
        except Warning as error:
            result = repr(error)
    return result, [(repr(one.message), one.filename, one.lineno) for one in seen]


def in_an_order(left, backend):
    result, seen = left
    return result, sorted(seen) if backend in ("threads", "asyncio") else seen


@pytest.mark.one_in(3)
@pytest.mark.parametrize("work", [same, each, of_the_caller])
@pytest.mark.parametrize("action", ACTIONS)
def test_filters_hold_as_in_a_plain_loop(backend, work, action):
    there = left_by(mapped(backend), work, {"action": action})
    plain = left_by(loop, work, {"action": action})
    assert in_an_order(there, backend) == in_an_order(plain, backend)


def test_filters_are_told_apart_by_message_category_and_module(sent):
    filters = [
        {"action": "always"},
        {"action": "ignore", "message": "careful [0-3]"},
        {"action": "error", "category": RuntimeWarning},
        {"action": "ignore", "module": "no_module"},
    ]
    there = left_by(mapped(sent), each, *filters)
    assert there == left_by(loop, each, *filters)
    assert len(there[1]) == 2


def test_a_warning_made_an_error_can_be_caught_in_the_item(sent):
    def caught(x):
        try:
            same(x)
        except OfMine:
            return "caught"
        return "not"

    assert left_by(mapped(sent), caught, {"action": "error"}) == (["caught"] * 6, [])


def test_an_item_may_record_its_own(backend):
    if backend in ("threads", "asyncio"):
        pytest.skip("what shows warnings is the process's, not the thread's")

    def recorded(x):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            same(x)
        return [str(one.message) for one in seen]

    assert left_by(mapped(backend), recorded, {"action": "always"}) == ([["the same"]] * 6, [])


def test_what_shows_warnings_is_the_kernels(sent):
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *where: shown.append(str(message))
        nbexec.map(each, ITEMS, backend=sent)
    assert shown == [f"careful {x}" for x in ITEMS]


def test_captured_warnings_are_logged(sent):
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logger = logging.getLogger("py.warnings")
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            for run in (loop, mapped(sent)):
                run(each)
            logging.captureWarnings(False)
    finally:
        logger.removeHandler(handler)
    lines = text.getvalue().splitlines()
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert sum(": DeprecationWarning: " in line for line in lines) == 12


def test_workers_follow_changes_of_filters(sent):
    for action, count in (("ignore", 0), ("always", 6), ("ignore", 0)):
        assert len(left_by(mapped(sent), same, {"action": action})[1]) == count


def test_imap_and_executors_issue_them_too(sent):
    def streamed(work):
        return [*nbexec.imap(work, ITEMS, backend=sent)]

    def submitted(work):
        with nbexec.Executor(sent, workers=1) as executor:
            return [*executor.map(work, ITEMS)]

    plain = left_by(loop, each, {"action": "always"})
    assert left_by(streamed, each, {"action": "always"}) == plain
    assert left_by(submitted, each, {"action": "always"}) == plain
