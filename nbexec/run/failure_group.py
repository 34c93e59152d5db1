"""Failure group: every failure of a run in one exception, each with the item that it is of."""

from __future__ import annotations

from collections.abc import Iterable

from ..items.feed import Feed
from ..model import Failure
from ..telemetry import wording


def failure_group(
    name: str, failures: Iterable[Failure], feed: Feed
) -> BaseExceptionGroup[BaseException] | None:
    """Give the exceptions of items that failed, in the items' order; None where none did.

    It is an `ExceptionGroup` unless an item raised what is no `Exception`.
    """
    failed = sorted((one for one in failures if one.kind != "cancelled"), key=lambda one: one.index)
    if not failed:
        return None
    for one in failed:
        add_note(one, feed)
    of = f" of {feed.total:,}" if feed.total is not None else ""
    items = "item" if len(failed) == 1 and not of else "items"
    return BaseExceptionGroup(
        f"{len(failed):,}{of} {items} of {name} failed", [one.exception for one in failed]
    )


def add_note(failure: Failure, feed: Feed) -> None:
    """Have the exception of a failure name its item, unless whoever mapped it does."""
    if failure.left is not None:
        return
    of = f" of {feed.first + feed.total:,}" if feed.total is not None else ""
    worker = f", on {failure.worker}" if failure.worker else ""
    item = wording.safe_repr(failure.item)
    failure.exception.add_note(f"nbexec: item {failure.index:,}{of}{worker}: {item}")
