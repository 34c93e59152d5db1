"""Rerun: the items of a run that has ended which are run once more."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ..items.feed import Feed
from ..model import Failure
from .context import FAILURES
from .results import Results

GONE = object()  # in the place of an item that is not there any more


def without_value(
    results: Results, failures: Sequence[Failure], feed: Feed
) -> list[tuple[int, Any]]:
    """Give the items without a value, with their indices, as far as they are there.

    Parameters
    ----------
    results : Results
        All results of the run, with a `Failure` in the place of an item without a value.
    failures : sequence of Failure
        Those of them that were kept apart, `FAILURES` at most.
    feed : Feed
        What the run took its items from.
    """
    found = _failed(results, failures, feed.first)
    for index, value in enumerate(results, feed.first):
        if index not in found and results.failed(value) and value.kind == "cancelled":
            with contextlib.suppress(LookupError):
                found[index] = feed.held(index)
    return list(found.items())


def item(index: int, results: Results, failures: Sequence[Failure], feed: Feed) -> Any:
    """Give one item of a run; `GONE` where it isn't there any more."""
    failed = _failed(results, failures, feed.first)
    if index in failed:
        return failed[index]
    try:
        return feed.held(index)
    except LookupError:
        return GONE


def _failed(results: Results, failures: Sequence[Failure], first: int) -> dict[int, Any]:
    """Give the items that failed, by index."""
    found = {one.index: one.item for one in failures}
    if len(found) >= FAILURES:  # the others are among the results alone
        for index, value in enumerate(results, first):
            if results.failed(value) and value.traceback and value.index == index:
                found.setdefault(index, value.item)
    return found
