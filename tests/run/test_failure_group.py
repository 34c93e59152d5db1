"""`on_error="group"`: all items run, and at the end every failure is raised at once.

Covers `run/failure_group`.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.items.feed import Chosen
from nbexec.items.sinks import Stream
from nbexec.model import Chunk, Failure, Outcome
from nbexec.run.failure_group import failure_group


def halves(x):
    if x % 2:
        raise ValueError(x)
    return x // 2


def raised(group):
    return [error.args for error in group.exceptions]


def test_every_failure_is_raised_in_the_order_of_the_items(backend):
    with pytest.raises(ExceptionGroup, match="3 of 7 items of halves failed") as caught:
        nbexec.map(halves, range(7), backend=backend, on_error="group")
    group = caught.value
    assert [type(error) for error in group.exceptions] == [ValueError] * 3
    assert raised(group) == [(1,), (3,), (5,)]
    for index, error in zip((1, 3, 5), group.exceptions, strict=True):
        (note,) = error.__notes__
        assert note.startswith(f"nbexec: item {index} of 7, on ")
        assert note.endswith(f": {index}")
    results = group.partial_results
    assert results.ok() == [0, 1, 2, 3]
    assert [failure.index for failure in results.failures] == [1, 3, 5]
    assert group.partial_results.run.stats.failed == 3


def test_without_a_failure_it_is_map(backend):
    assert nbexec.map(halves, [0, 2], backend=backend, on_error="group") == [0, 1]
    assert nbexec.map(halves, [], backend=backend, on_error="group") == []


def test_a_run_in_the_background():
    run = nbexec.start(halves, [1, 2], on_error="group", backend="threads")
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            run.result()
    assert raised(caught.value) == [(1,)]
    assert len(caught.value.exceptions[0].__notes__) == 1
    assert run.results[1] == 1


def test_amap_and_invoke():
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(nbexec.amap(halves, [1, 2, 3], on_error="group", backend="threads"))
    assert raised(caught.value) == [(1,), (3,)]
    with pytest.raises(ExceptionGroup) as caught:
        nbexec.invoke(lambda: 1 // 0, lambda: {}[1], lambda: 3, on_error="group")
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError, KeyError]
    assert caught.value.partial_results.ok() == [3]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("window", [1, 3, None])
def test_a_stream_gives_the_others_and_raises_at_its_end(backend, ordered, window):
    options = {"ordered": ordered, "window": window, "on_error": "group", "backend": backend}
    stream = nbexec.imap(halves, iter(range(30)), **options)
    got = []
    with pytest.raises(ExceptionGroup) as caught:
        got.extend(stream)
    assert (got if ordered else sorted(got)) == list(range(15))
    assert raised(caught.value) == [(x,) for x in range(1, 30, 2)]
    with pytest.raises(StopIteration):
        next(stream)


def test_an_async_stream():
    async def main():
        got = []
        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
            async for value in nbexec.aimap(halves, range(6), on_error="group", backend="threads"):
                got.append(value)
        return got, raised(caught.value)

    assert asyncio.run(main()) == ([0, 1, 2], [(1,), (3,), (5,)])


def test_what_fails_again_after_its_retries():
    with pytest.raises(ExceptionGroup) as caught:
        nbexec.map(halves, range(4), on_error="group", retries=2, retry_wait=0, backend="threads")
    assert raised(caught.value) == [(1,), (3,)]
    run = caught.value.partial_results.run
    with pytest.raises(ExceptionGroup, match="2 of 2 items of halves failed") as caught:
        run.retry_failed()
    assert raised(caught.value) == [(1,), (3,)]
    assert caught.value.partial_results.ok() == [0, 1]


def test_an_exit_is_in_the_group_too():
    def leave(x):
        raise SystemExit(x) if x else ValueError(x)

    with pytest.raises(BaseExceptionGroup) as caught:
        nbexec.map(leave, [0, 1], on_error="group", backend="threads")
    assert not isinstance(caught.value, ExceptionGroup)
    assert raised(caught.value) == [(0,), (1,)]


def test_a_run_that_ends_early_raises_why_and_has_what_failed_before():
    def items():
        yield from (1, 2)
        raise OSError("no more")

    with pytest.raises(nbexec.ItemsError) as caught:
        nbexec.map(halves, items(), on_error="group", backend="threads")
    assert caught.value.__notes__ == ["nbexec: before that 1 items of halves failed"] or (
        caught.value.__notes__ == ["nbexec: before that 1 of 2 items of halves failed"]
    )
    assert isinstance(caught.value.__cause__, OSError)
    assert [one.index for one in caught.value.partial_results.failures] == [0]
    spent = {"price": 1, "item_price": 1, "budget": 2}
    with pytest.raises(nbexec.BudgetExceeded) as caught:
        nbexec.map(halves, [1, 2, 3], on_error="group", backend="serial", **spent)
    assert raised(caught.value.__cause__) == [(1,)]


def test_more_failures_than_a_run_keeps_otherwise(monkeypatch):
    monkeypatch.setattr("nbexec.run.context.FAILURES", 3)
    with pytest.raises(ExceptionGroup) as caught:
        nbexec.map(halves, range(20), on_error="group", backend="threads")
    assert len(caught.value.exceptions) == 10


def test_a_cell_has_no_group():
    with pytest.raises(nbexec.OptionError, match="not for cells"):
        nbexec.parallel("[1 / x for x in [0, 1]]", {}, on_error="group")
    names = {}
    with nbexec.options(on_error="group"), pytest.raises(ZeroDivisionError):  # a session's default
        nbexec.parallel("found = [1 / x for x in [0, 1]]", names, progress="off")


def test_no_failure_no_group():
    cancelled = Failure(0, 1, nbexec.RunCancelled(), kind="cancelled")
    assert failure_group("f", [], Chosen([])) is None
    assert failure_group("f", [cancelled], Chosen([])) is None


@settings(max_examples=30, deadline=None)
@given(st.data(), st.booleans())
def test_a_stream_leaves_failures_out_whatever_the_order_that_chunks_end_in(data, ordered):
    fails = data.draw(st.lists(st.booleans(), max_size=12))
    order = data.draw(st.permutations(range(len(fails))))
    stream = Stream(ordered, 100, "group")
    for index in order:
        error = {0: Failure(index, index, ValueError())} if fails[index] else {}
        outcome = Outcome([None if error else index], {}, 0.0, [0.0], 0.0, "")
        stream.put(Chunk([index], [index]), outcome, error)
    stream.end(None)
    kept = [index for index in order if not fails[index]]
    got = list(stream.take())
    assert got == (sorted(kept) if ordered else kept)
    for _ in got:
        stream.consume()
    assert stream.room(len(fails), 1) == 100  # nothing is held any more
