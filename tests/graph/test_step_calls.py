"""Steps as calls of executors: workers that die, time limits, batches, retries and hedging.

Covers `graph/step_calls`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

import nbexec
from nbexec import Pipeline, step


def test_a_dying_worker_costs_its_item_alone(tmp_path):
    def dies(x):
        if x == 1:
            os._exit(3)
        return x

    def after(dies):
        return dies + 1

    pipe = Pipeline(step(dies, backend="processes", crash_retries=0), after, backend="threads")
    results = pipe.map(over="x", x=[0, 1, 2], on_error="collect", progress="off")
    assert results["after"][::2] == [1, 3]
    assert isinstance(results["after"][1].exception, nbexec.WorkerDied)
    assert results.report["dies"].failed == 1


def test_a_step_that_takes_too_long_fails_alone():
    stopped = threading.Event()

    def slow(x):
        if x:
            while not nbexec.cancelled():
                nbexec.sleep(0.01)
            stopped.set()
        return x

    pipe = Pipeline(step(slow, timeout=0.3), beside, backend="threads", workers=2)
    results = pipe.map(over="x", x=[0, 1], on_error="collect", progress="off")
    assert (results["slow"][0], results["beside"]) == (0, [0, -1])
    assert isinstance(results["slow"][1].exception, nbexec.ItemTimeout)


def beside(x):
    return -x


SIZES: list[int] = []


class Sizes:
    """Notes sizes; the same to a journal, whatever they were."""

    def __call__(self, size):
        SIZES.append(size)

    def __nbexec_key__(self):
        return "sizes"


sizes = Sizes()


@nbexec.batched(max_size=4)
def embed(texts):
    sizes(len(texts))
    time.sleep(0.003)
    return [len(one) for one in texts]


def doubled(embed):
    return 2 * embed


def test_batched_functions_are_steps(tmp_path):
    SIZES.clear()
    pipe = Pipeline(embed, doubled, backend="threads", workers=2)
    given = {"over": "texts", "checkpoint": tmp_path / "db", "progress": "off"}
    words = ["a" * size for size in range(40)]
    assert pipe.map(texts=words, **given)["doubled"] == [2 * len(one) for one in words]
    assert sum(SIZES) == 40
    assert 1 < max(SIZES) <= 4
    SIZES.clear()
    more = pipe.map(texts=[*words, "more"], **given)
    assert more["doubled"] == [*range(0, 80, 2), 8]
    assert SIZES == [1]
    assert more.report["embed"].words == "1 ran (no value yet), 40 not needed"


def test_items_of_batches_share_calls_on_every_backend(backend):
    @nbexec.batched(max_size=8)
    def sizes_of(texts):
        time.sleep(0.003)
        return [(len(texts), len(one)) for one in texts]

    @nbexec.batched(max_size=8)
    async def later(texts):
        await asyncio.sleep(0.003)
        return [(len(texts), len(one)) for one in texts]

    texts = ["a" * size for size in range(60)]
    for function in (sizes_of, step(later, name="sizes_of", output="sizes_of")):
        pipe = Pipeline(function, backend=backend, workers=2)
        found = pipe.map(over="texts", texts=texts, progress="off")["sizes_of"]
        assert [size for _, size in found] == [*range(60)]
        assert 1 < max(together for together, _ in found) <= 8


def test_an_item_of_a_batch_fails_alone():
    @nbexec.batched(max_size=8)
    def inverses(numbers):
        return [1 / one for one in numbers]

    pipe = Pipeline(inverses, backend="threads", workers=2)
    results = pipe.map(over="numbers", numbers=range(20), on_error="collect", progress="off")
    assert results["inverses"][1:] == [1 / one for one in range(1, 20)]
    assert [one.index for one in results.failures] == [0]


def test_an_item_that_lacks_the_value_of_a_batch_has_its_default():
    @nbexec.route(to=("odd",))
    def kind(x):
        return "odd" if x % 2 else None

    def odd(x):
        return 10 * x

    @nbexec.batched(max_size=4)
    def shown(odd=0):
        return [f"{one}" for one in odd]

    pipe = Pipeline(kind, odd, shown, backend="threads", workers=1)
    results = pipe.map(over="x", x=range(12), progress="off")
    assert results == {"shown": [f"{10 * x if x % 2 else 0}" for x in range(12)]}


def test_a_batched_step_may_have_limits():
    pipe = Pipeline(step(plain_batched, timeout=20, retries=1), backend="threads", workers=2)
    results = pipe.map(over="texts", texts=["a", "bb"], progress="off")
    assert results == {"plain_batched": [1, 2]}


@nbexec.batched(max_size=2, max_wait=0.0)
def plain_batched(texts):
    return [len(one) for one in texts]


def test_a_second_try_beside_one_that_takes_long():
    tries, go = [], threading.Event()

    def slow(x):
        tries.append(x)
        if len(tries) == 1:
            go.wait(20)
        else:
            go.set()
        return x

    pipe = Pipeline(step(slow, hedge_after=0.05), backend="threads", workers=2)
    assert pipe.run(x=1) == {"slow": 1}
    assert tries == [1, 1]


def test_steps_with_a_rate_have_it_for_themselves():
    @step(rate="1000/s")
    def one(x):
        return x

    @step(rate="1000/s")
    def two(x):
        return x

    assert Pipeline(one, two, backend="threads").run(x=1) == {"one": 1, "two": 1}


def test_asynchronous_steps_wait_at_once():
    here = []

    async def waits(x):
        here.append(x)
        while len(here) < 5:
            await asyncio.sleep(0.001)
        return x

    pipe = Pipeline(step(waits, backend="asyncio", workers=5), after_it, backend="threads")
    assert pipe.map(over="x", x=range(5), progress="off") == {"after_it": [0, 2, 4, 6, 8]}


def after_it(waits):
    return 2 * waits


def test_what_a_step_raises_is_what_is_raised():
    def raises(x):
        raise KeyError(x)

    with pytest.raises(KeyError) as caught:
        Pipeline(raises, backend="threads").run(x=1)
    assert caught.value.__notes__ == ["nbexec: step raises of item 0"]
    assert caught.value.__context__ is None
