"""`nbexec.batched`: calls of single items that go out together, on every backend.

Covers `items/batch_size`, `serialize/importable`, `worker/batch_meetings`,
`worker/chunk_batches` and `worker/running_chunks`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import threading
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbexec
from nbexec.items.batch_size import BatchSizer
from nbexec.worker import batch_meetings
from nbexec.worker.batch_meetings import parts_of


@nbexec.batched(max_size=8)
def doubled(items):
    return [2 * item for item in items]


@nbexec.batched(max_size=8)
def picky(items):
    if 3 in items:
        raise ValueError("3")
    return [2 * item for item in items]


@nbexec.batched(max_size=8)
async def doubled_later(items):
    await asyncio.sleep(0)
    return [2 * item for item in items]


def test_a_call_is_a_batch_of_one_and_a_batch_a_plain_call():
    assert doubled(4) == 8
    assert doubled.batch([1, 2]) == [2, 4]
    assert asyncio.run(doubled_later(4)) == 8


def test_it_can_be_pickled():
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    copied = pickle.loads(pickle.dumps(nbexec.batched(sorted)))
    assert copied.batch([2, 1]) == [1, 2]


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_map_gives_what_single_calls_give(backend, count):
    assert nbexec.map(doubled, range(count), backend=backend) == [2 * x for x in range(count)]


def test_coroutine_functions():
    expected = [2 * x for x in range(50)]
    assert nbexec.map(doubled_later, range(50)) == expected
    assert nbexec.map(doubled_later, range(50), backend="threads") == expected


def test_batches_grow_up_to_the_largest():
    def largest():
        sizes = []

        @nbexec.batched(max_size=16)
        def seen(items):
            sizes.append(len(items))
            waits.wait(0.02)  # as long for many as for one
            return items

        assert nbexec.map(seen, items, backend="threads", workers=1) == items
        assert sum(sizes) == 200
        return max(sizes)

    waits, items = threading.Event(), list(range(200))
    # where other jobs hold up a call, larger batches may not look cheaper in that run
    assert any(largest() == 16 for _ in range(5))


def test_an_exception_costs_its_own_item_alone(backend):
    results = nbexec.map(picky, range(8), backend=backend, on_error="collect")
    assert [one if one is not results.failures[0] else None for one in results] == [
        *(0, 2, 4),
        None,
        *(8, 10, 12, 14),
    ]
    assert str(results.failures[0].exception) == "3"
    with pytest.raises(ValueError, match="3"):
        nbexec.map(picky, range(8), backend=backend)


def test_an_exception_of_a_coroutine_function_likewise():
    @nbexec.batched
    async def picky_later(items):
        await asyncio.sleep(0)
        return picky.batch(items)

    results = nbexec.map(picky_later, range(8), on_error="collect")
    assert [one.index for one in results.failures] == [3]
    assert results.ok() == [0, 2, 4, 8, 10, 12, 14]


def test_out_of_memory_halves_are_tried():
    sizes = []

    @nbexec.batched(max_size=8)
    def tight(items):
        sizes.append(len(items))
        if len(items) > 2:
            raise MemoryError
        return items

    assert nbexec.map(tight, range(8), backend="serial", chunk=8) == list(range(8))
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


@pytest.mark.parametrize("gave", [[1], 5, [1, 2, 3]])
def test_another_number_of_results_is_an_error(gave):
    wrong = nbexec.batched(lambda items: gave)
    with pytest.raises(ValueError, match="a result for each of its 2 items, but gave"):
        wrong.batch([1, 2])


def test_setup_gives_each_batch_its_state(backend):
    @nbexec.batched
    def scaled(items, factor):
        return [factor * item for item in items]

    assert nbexec.map(scaled, range(5), setup=lambda: 3, backend=backend) == [0, 3, 6, 9, 12]


def test_single_calls_of_several_threads_meet():
    sizes = []
    together = threading.Barrier(4)

    @nbexec.batched(max_size=4, max_wait=20)  # it needn't wait: all that run are here
    def seen(items):
        sizes.append(len(items))
        return [2 * item for item in items]

    def work(x):
        together.wait(20)
        return seen(x) + 1

    results = nbexec.map(work, range(4), backend="threads", workers=4, chunk=1)
    assert results == [1, 3, 5, 7]
    assert sizes == [4]


def test_an_exception_of_calls_that_meet_is_their_own():
    together = threading.Barrier(4)

    def work(x):
        together.wait(20)
        return picky(x)

    options = {"backend": "threads", "workers": 4, "chunk": 1, "on_error": "collect"}
    results = nbexec.map(work, [1, 2, 3, 4], **options)
    assert [one.index for one in results.failures] == [2]
    assert results.ok() == [2, 4, 8]


def test_awaited_calls_meet():
    sizes = []

    @nbexec.batched(max_size=5, max_wait=0.01)
    async def seen(items):
        sizes.append(len(items))
        return [2 * item for item in items]

    async def main():
        return await asyncio.gather(*(seen(x) for x in range(12)))

    assert asyncio.run(main()) == [2 * x for x in range(12)]
    assert sorted(sizes) == [2, 5, 5]


def test_in_a_pipeline_and_with_vmap():
    def shown(doubled):
        return f"<{doubled}>"

    pipe = nbexec.Pipeline(nbexec.step(as_step, output="doubled"), shown, backend="threads")
    assert pipe.map(over="x", x=[1, 2])["shown"] == ["<2>", "<4>"]
    assert nbexec.vmap(doubled, backend="threads")([1, 2]) == [2, 4]


def as_step(x):
    return doubled(x)


def test_a_method():
    class Model:
        factor = 3

        @nbexec.batched
        def predict(items):
            return [3 * item for item in items]

    assert Model.predict(2) == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_size": 0}, "max_size must be an integer, 1 or more, not 0"),
        ({"max_size": 2.5}, "max_size must be"),
        ({"max_wait": -1}, "max_wait must be seconds"),
    ],
)
def test_bad_numbers(options, said):
    with pytest.raises(nbexec.OptionError, match=said):
        nbexec.batched(abs, **options)
    with pytest.raises(nbexec.OptionError, match="a function of a list, not 3"):
        nbexec.batched(3)


@given(st.lists(st.booleans()), st.integers(1, 5))
def test_parts_have_one_state_and_keep_the_order(kinds, most):
    states = {True: ("a",), False: ("b",)}
    calls = [(at, states[kind], None) for at, kind in enumerate(kinds)]
    parts = parts_of(calls, most)
    assert [one for part in parts for one in part] == calls
    assert all(1 <= len(part) <= most for part in parts)
    assert all(len({state for _, state, _ in part}) == 1 for part in parts)


def test_where_larger_batches_do_not_pay_they_stay_small():
    sizer = BatchSizer(64)
    for _ in range(6):
        size = sizer.size(None, 2)
        sizer.measure(size, 0.1 * size)
    assert sizer.size(None, 2) == 1
    assert sizer.size(1, 2) == 1


@nbexec.batched
def generated(items):
    for item in items:
        if item == 2:
            raise TypeError("two")
        yield item


def test_what_a_generator_raises_is_not_a_wrong_number_of_results():
    assert generated.batch([0, 1]) == [0, 1]
    with pytest.raises(TypeError, match="two"):
        generated.batch([1, 2])


@pytest.mark.parametrize("given", [{1: 10, 2: 20}, {1, 2}, "ab", b"ab", 3])
def test_what_has_no_results_in_order_is_refused(given):
    fn = nbexec.batched(lambda items: given)
    with pytest.raises(ValueError, match=f"gave {type(given).__name__}"):
        fn.batch([1, 2])


def test_columns_of_a_frame_are_no_results():
    pd = pytest.importorskip("pandas")
    fn = nbexec.batched(lambda items: pd.DataFrame({"a": [1, 2], "b": [3, 4]}))
    with pytest.raises(ValueError, match="gave DataFrame"):
        fn.batch([1, 2])


def test_an_object_that_can_be_called_may_have_an_attribute_batch():
    class Model:
        def __init__(self):
            self.batch, self.max_size = 32, 1

        def __call__(self, items):
            return [item + self.batch for item in items]

    fn = nbexec.batched(Model(), max_size=8)
    assert fn.batch([1, 2]) == [33, 34]
    assert fn.max_size == 8


def test_an_item_by_the_name_that_the_function_has():
    assert doubled(items=4) == 8
    assert asyncio.run(doubled_later(items=4)) == 8
    with pytest.raises(TypeError, match="items"):
        doubled(other=4)


def test_it_is_a_step_of_a_pipeline():
    def items(count):
        return count + 1

    assert nbexec.Pipeline(items, doubled).run(count=3) == {"doubled": 8}


def test_a_call_that_was_given_up_holds_back_no_later_event_loop():
    @nbexec.batched(max_wait=0.2)
    async def same(items):
        return items

    async def given_up():
        task = asyncio.create_task(same(1))
        await asyncio.sleep(0)
        task.cancel()

    async def later():
        return await asyncio.wait_for(same(2), 30)

    loops = []  # the same loop twice, as far as its id tells

    for _ in range(5):
        asyncio.run(given_up())
        loops.append(asyncio.run(later()))
    assert loops == [2] * 5


@pytest.mark.parametrize("raised", [asyncio.CancelledError, KeyboardInterrupt])
def test_whatever_a_coroutine_function_raises_ends_the_wait(raised):
    @nbexec.batched(max_wait=0.001)
    async def interrupted(items):
        raise raised

    async def call():
        await asyncio.wait_for(interrupted(1), 30)

    with pytest.raises(raised):
        asyncio.run(call())


def test_an_interrupt_of_the_thread_that_waits_for_others_holds_back_none(monkeypatch):
    fn = nbexec.batched(lambda items: [2 * item for item in items], max_wait=30)
    meeting = batch_meetings.Meeting(fn)
    monkeypatch.setattr(batch_meetings.running_chunks, "by_thread", dict.fromkeys(range(9)))
    waits, found = threading.Event(), []

    def interrupted():
        waits.set()
        with meeting._changed:
            assert meeting._changed.wait_for(lambda: len(meeting._waiting) == 2, 30)
        raise KeyboardInterrupt

    monkeypatch.setattr(meeting, "_wait_for_others", interrupted)
    other = threading.Thread(target=lambda: (waits.wait(30), found.append(meeting.call(4, ()))))
    other.start()
    with pytest.raises(KeyboardInterrupt):
        meeting.call(3, ())
    other.join(30)
    assert found == [8]
    assert meeting._waiting == []


def one(item):
    """Give what `awkward` gives for an item."""
    if item == 3:
        raise ValueError("3")
    if item == 5:
        raise SystemExit(5)
    return 2 * item


@nbexec.batched(max_size=4)
def awkward(items):
    return [one(item) for item in items]


@nbexec.batched(max_size=4)
async def awkward_later(items):
    await asyncio.sleep(0)
    if 3 in items:
        raise asyncio.CancelledError
    return [2 * item for item in items]


def shown(results):
    return [repr(r.exception) if isinstance(r, nbexec.Failure) else r for r in results]


OPTIONS = {
    "chunks": {"chunk": 10},
    "retries": {"retries": 1},
    "a timeout": {"timeout": 300},
    "second tries": {"hedge_after": 300},
    "a state": {"setup": lambda: None, "chunk": 10},
    "workers that are replaced": {"recycle_after": 5},
}


CAN_STOP = ["threads", "processes", "asyncio", "dask"]


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_of_a_run_do_what_they_do_for_single_items(backend, kind):
    options = {**OPTIONS[kind], "backend": backend, "on_error": "collect", "workers": 2}
    if backend not in {"a timeout": CAN_STOP, "second tries": CAN_STOP}.get(kind, [backend]):
        pytest.skip("there is no other worker")
    if kind == "workers that are replaced" and backend != "processes":
        pytest.skip("it has no processes of its own")
    plain, together = one, awkward
    if kind == "a state":
        plain, together = (lambda item, state: one(item)), nbexec.batched(with_state, max_size=4)
    expected = shown(nbexec.map(plain, range(10), **options))
    assert shown(nbexec.map(together, range(10), **options)) == expected


def with_state(items, state):
    assert len(items) <= 4, len(items)  # `max_size`
    return [one(item) for item in items]


def test_a_coroutine_function_that_cancels_itself_costs_its_own_item_alone():
    results = nbexec.map(awkward_later, range(8), chunk=8, on_error="collect")
    assert [one.index for one in results.failures] == [3]
    assert results.ok() == [0, 2, 4, 8, 10, 12, 14]


def test_a_journal_has_each_item_and_what_failed_is_called_again(tmp_path, backend):
    calls = tmp_path / "calls"

    @nbexec.batched(max_size=4)
    def noted(items):
        with calls.open("a") as file:
            print(*items, file=file)
        if 3 in items and not (tmp_path / "mended").exists():
            raise ValueError("3")
        return [2 * item for item in items]

    options = {"checkpoint": tmp_path / "j.db", "on_error": "collect", "backend": backend}
    first = nbexec.map(noted, range(8), **options)
    assert [failure.index for failure in first.failures] == [3]
    calls.unlink()
    (tmp_path / "mended").touch()
    assert nbexec.map(noted, range(8), **options) == [2 * item for item in range(8)]
    assert calls.read_text().split() == ["3"]


@nbexec.batched(max_size=8)
def deadly(items):
    if 3 in items:
        os._exit(1)
    return [2 * item for item in items]


def test_an_item_that_ends_its_worker_costs_itself_alone():
    options = {"backend": "processes", "workers": 2, "on_error": "collect"}
    results = nbexec.map(deadly, range(8), chunk=4, **options)
    assert [failure.index for failure in results.failures] == [3]
    assert isinstance(results.failures[0].exception, nbexec.WorkerDied)
    assert results.ok() == [0, 2, 4, 8, 10, 12, 14]


def test_a_run_that_is_cancelled_keeps_the_batches_that_had_ended():
    second = threading.Event()

    @nbexec.batched(max_size=2)
    def waits(items):
        if 2 in items:
            second.set()
            nbexec.sleep(60)
        return items

    run = nbexec.start(waits, range(6), backend="threads", workers=1, chunk=2, progress="off")
    assert second.wait(30)
    run.cancel()
    with pytest.raises(nbexec.RunCancelled) as caught:
        run.result()
    assert caught.value.partial_results.ok() == [0, 1]


def test_one_that_is_cancelled_while_it_calls_for_others_is_alone_in_that():
    together = threading.Barrier(2)
    first = threading.Lock()

    @nbexec.batched(max_size=2, max_wait=20)
    def cancelled_once(items):
        if len(items) == 2 and first.acquire(blocking=False):
            raise nbexec.Cancelled
        return [2 * item for item in items]

    def work(item):
        together.wait(20)
        try:
            return cancelled_once(item)
        except nbexec.Cancelled:
            return "cancelled"

    found = nbexec.map(work, [1, 2], backend="threads", workers=2, chunk=1)
    assert found in (["cancelled", 4], [2, "cancelled"])


def test_a_function_that_was_called_is_let_go():
    fn = nbexec.batched(lambda items: items)
    assert fn(1) == 1
    gone = weakref.ref(fn)
    del fn
    gc.collect()
    assert gone() is None
