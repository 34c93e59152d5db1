"""Random numbers: each item draws its own, the same ones on every backend for the same seed.

Covers `nbexec.worker.random_streams`, `nbexec.worker.drawing`, `nbexec.worker.generators`,
`nbexec.worker.hidden_draws`, `nbexec.worker.event_loop`, `nbexec.run.seeds` and
`nbexec.serialize.own_generators`.
"""

from __future__ import annotations

import functools
import itertools
import math
import multiprocessing
import random
import statistics
import threading
from concurrent.futures import ProcessPoolExecutor
from random import gauss
from typing import Any

import pytest

import nbexec
from nbexec.worker import hidden_draws

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

rand = np.random.rand
rng = np.random.default_rng(5)
philox = np.random.Generator(np.random.Philox(5))
legacy = np.random.RandomState(5)
own = random.Random(5)
sequence = np.random.SeedSequence(5)


def of_modules(x):
    return random.random(), gauss(0, 1), np.random.normal(), rand()


def imported_inside(x):
    from random import uniform

    return uniform(0, 1)


def captured(x):
    return rng.normal(), philox.random(), legacy.normal(), own.gauss(0, 1)


def spawned(x):
    return rng.spawn(1)[0].random(), np.random.default_rng(sequence.spawn(2)[1]).random()


def through_others(x):
    return helper(x), Sampler().one()


@functools.cache
def helper(x):
    return [rng.random(), random.random()]


class Sampler:
    def __init__(self, seed=1):
        self.rng = np.random.default_rng(seed)

    def one(self):
        return rng.random()

    def draw(self, x):
        return self.rng.random()


async def awaited(x):
    import asyncio

    first = rng.random()
    await asyncio.sleep(0)
    return first, rng.random()


def in_a_closure():
    import random as closed

    def of_a_closure(x):
        return [closed.random() for _ in range(2)]

    return of_a_closure


class Holder:
    def __init__(self):
        self.held = random

    def of_an_object(self, x):
        return self.held.random()


FUNCTIONS = [
    *(of_modules, imported_inside, captured, spawned, awaited),
    Sampler().draw,
    functools.partial(lambda held, x: held.random(), np.random.default_rng(3)),
    lambda x, held=own: held.random(),
    in_a_closure(),
    Holder().of_an_object,
    lambda x, held=random: held.random(),
]


@pytest.fixture(params=FUNCTIONS, ids=lambda one: getattr(one, "__name__", "partial"))
def function(request):
    return request.param


@functools.cache
def in_the_kernel(function: Any, seed: int) -> list[Any]:
    return list(nbexec.map(function, range(24), seed=seed, backend="serial"))


def distinct(values: Any) -> bool:
    return len(set(map(str, values))) == len(values)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", [{"workers": 1}, {"workers": 2, "chunk": 1}, {"chunk": 7}])
def test_a_seed_has_the_same_numbers_everywhere(function, backend, how):
    found = nbexec.map(function, range(24), seed=7, backend=backend, **how)
    assert found == in_the_kernel(function, 7)
    assert distinct(found)
    assert found.run.seed == 7


def test_another_seed_has_others(function):
    one, two = in_the_kernel(function, 7), in_the_kernel(function, 8)
    assert distinct([*one, *two])


@pytest.mark.one_in(2)
def test_no_two_items_draw_the_same_without_a_seed(function, backend):
    found = [
        value
        for how in ({"chunk": 1}, {"chunk": 5}, {})
        for value in nbexec.map(function, range(24), backend=backend, **how)
    ]
    assert distinct(found)


@pytest.mark.one_in(2)
def test_a_run_can_be_repeated(function, sent):
    found = nbexec.map(function, range(24), backend=sent)
    assert nbexec.map(function, range(24), backend=sent, seed=found.run.seed) == found


def test_an_item_s_stream_is_that_of_a_seed_sequence(backend):
    found = nbexec.map(lambda x: rng.random(), range(9), seed=3, backend=backend)
    streams = [np.random.SeedSequence(3, spawn_key=(at,)) for at in range(9)]
    assert found == [np.random.Generator(np.random.PCG64(one)).random() for one in streams]


def test_executor_and_invoke(sent):
    expected = in_the_kernel(captured, 7)
    with nbexec.Executor(sent, seed=7) as executor:
        assert [*executor.map(captured, range(24))] == expected
    with nbexec.Executor(sent) as executor:
        assert distinct([*executor.map(captured, range(24))])
    three = [functools.partial(captured, 1)] * 3
    assert nbexec.invoke(*three, seed=7, backend=sent) == expected[:3]
    assert distinct(nbexec.invoke(*three, backend=sent))


def test_seeding_the_generators_before_a_run_repeats_it(sent):
    found = []
    for _ in range(2):
        rng.bit_generator.state = np.random.PCG64(1).state
        found.append([nbexec.map(lambda x: rng.random(), range(8), backend=sent) for _ in "ab"])
    assert found[0] == found[1]
    assert distinct([*found[0][0], *found[0][1]])  # the generator went on in between


@pytest.mark.parametrize("where", ["serial", "threads", "processes", "dask"])
def test_the_kernel_s_generators_are_where_they_were(where):
    def states():
        numpys = np.random.get_state()[1].tolist(), rng.bit_generator.state
        return random.getstate(), *numpys, own.getstate(), sequence.n_children_spawned

    before = states()
    for function in (of_modules, captured, spawned):
        nbexec.map(function, range(8), seed=1, backend=where)
    assert states() == before


def test_a_retry_draws_what_the_first_try_drew(backend, tmp_path):
    def fails_once(x):
        drawn = rng.random()
        mark = tmp_path / f"{x}"
        if x % 3 == 0 and not mark.exists():
            mark.touch()
            raise ValueError(x)
        return drawn

    found = nbexec.map(fails_once, range(12), seed=2, retries=1, retry_wait=0, backend=backend)
    assert found == nbexec.map(fails_once, range(12), seed=2, backend="serial")


def test_what_setup_gives_has_streams(backend):
    def draw(x, state):
        return state["rng"].random()

    def setup():
        return {"rng": np.random.default_rng(0)}

    found = nbexec.map(draw, range(12), setup=setup, backend=backend, chunk=1)
    assert distinct(found)
    seeded = nbexec.map(draw, range(12), setup=setup, backend=backend, seed=4)
    assert seeded == nbexec.map(draw, range(12), setup=setup, backend="serial", seed=4)


def test_a_setup_without_generators_draws_nothing_in_the_kernel():
    before = random.getstate()
    nbexec.map(lambda x, state: x, range(3), setup=int, backend="serial")
    assert random.getstate() == before


def test_a_function_in_a_stream_has_its_name_in_errors():
    lock = threading.Lock()

    def draws(x):
        return lock, random.random()

    with nbexec.Executor("processes") as executor:
        future = executor.submit(draws, 1)
        with pytest.raises(nbexec.PickleError, match=r"'lock' .* in .*draws\(\)"):
            future.result()


def test_generators_of_items_keep_their_own_numbers(backend):
    def generators():
        return [np.random.default_rng(seed) for seed in range(12)]

    expected = [one.random() for one in generators()]
    found = nbexec.map(lambda one: one.random(), generators(), backend=backend, seed=1)
    assert found == expected


def test_items_that_share_a_generator_are_refused_where_they_would_get_copies(sent):
    shared = np.random.default_rng(1)
    with pytest.raises(nbexec.PickleError, match="the same Generator"):
        nbexec.map(lambda x, one: one.random(), range(8), itertools.repeat(shared), backend=sent)


def test_many_draws_are_as_random_as_one_generator_s():
    drawn = nbexec.map(lambda x: (rng.random(), random.random()), range(10_000), seed=1)
    for values in zip(*drawn, strict=True):
        assert len(set(values)) == 10_000
        assert abs(np.mean(values) - 0.5) < 5 / math.sqrt(12 * 10_000)
        assert abs(np.var(values) - 1 / 12) < 0.005
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.05
    assert abs(np.corrcoef(*zip(*drawn, strict=True))[0, 1]) < 0.05


@pytest.mark.parametrize("seed", [5, None])
def test_a_journal_goes_on_with_the_same_streams(seed, tmp_path):
    held = np.random.default_rng(1)

    def draw(x):
        drawn = held.random()
        if x == 20 and not (tmp_path / "mended").exists():
            raise ValueError(x)
        return drawn

    how = {"seed": seed, "checkpoint": tmp_path / "run.db", "backend": "processes"}
    with pytest.raises(ValueError, match="20"):
        nbexec.map(draw, range(30), **how)
    (tmp_path / "mended").touch()
    found = nbexec.map(draw, range(30), **how)
    assert found.stats.restored > 0
    assert distinct(found)
    assert found == nbexec.map(draw, range(30), seed=found.run.seed, backend="serial")
    if seed is not None:
        other = nbexec.map(draw, range(30), **{**how, "seed": 6})
        assert (other.stats.restored, distinct([*found, *other])) == (0, True)


def test_with_a_seed_equal_items_in_a_journal_are_told_by_their_places(tmp_path):
    how = {"seed": 5, "checkpoint": tmp_path / "run.db", "backend": "serial"}

    def draw(x):
        return own.random()

    first = nbexec.map(draw, [3, 4, 3], **how)
    second = nbexec.map(draw, [3, 3, 3], **how)
    assert first == second
    assert second.stats.restored == 2


def test_debug_and_retry_failed_draw_the_same():
    held, broken = random.Random(1), [True]

    def draw(x):
        drawn = held.random()
        if x == 2 and broken:
            raise ValueError
        return drawn

    found = nbexec.map(draw, range(4), seed=1, backend="serial", on_error="collect")
    broken.clear()
    expected = nbexec.map(draw, range(4), seed=1, backend="serial")
    assert found.run.debug(2) == expected[2]
    assert found.run.retry_failed() == expected


def test_runs_inside_items_have_streams_of_their_own(backend):
    def outer(x):
        inner = nbexec.map(lambda y: rng.random(), range(3), backend="threads", progress="off")
        return [*inner, rng.random()]

    found = nbexec.map(outer, range(4), seed=1, backend=backend)
    assert distinct([value for row in found for value in row])


def test_a_forked_pool_does_not_repeat_the_kernel_s_numbers():
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("processes can't be forked here")

    stats = pytest.importorskip("scipy.stats")

    def hidden(x):  # draws from NumPy's own generator, which nobody sees from here
        return float(stats.norm.rvs())

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        barrier = [nbexec.map(hidden, range(20), backend=pool, chunk=1) for _ in "ab"]
    assert distinct([*barrier[0], *barrier[1]])


def test_items_that_draw_nothing_run_at_the_same_time_with_a_seed():
    both = threading.Barrier(2)
    nbexec.map(lambda x: both.wait(10), range(2), seed=1, backend="threads", chunk=1)


def test_without_a_seed_items_that_draw_run_at_the_same_time():
    both = threading.Barrier(2)

    def draw(x):
        both.wait(10)
        return random.random()

    assert distinct(nbexec.map(draw, range(2), backend="threads", chunk=1))


def test_a_failed_item_has_none_of_our_frames():
    def fails(x):
        rng.random()
        raise ValueError(x)

    found = nbexec.map(fails, [1], seed=1, backend="serial", on_error="collect")
    assert "worker/random_streams" not in found.failures[0].traceback


def sampled(series: Any) -> list[int]:
    return [int(one) for one in series.sample(3)]


def by_a_library(x: int) -> Any:
    return statistics.NormalDist(x, 1).samples(2), sampled(pd.Series(range(9)))


def shuffled(x: int) -> list[int]:
    from sklearn.utils import shuffle

    return [int(one) for one in shuffle(range(9))]


SERIES = [pd.Series(range(9)) for _ in range(6)]
HIDDEN: dict[str, tuple[Any, Any]] = {
    "in a function of a library": (by_a_library, range(6)),
    "in one that is imported inside": (shuffled, range(6)),
    "by a method of the item": (sampled, SERIES),
    "by a method of a part of the item": (lambda parts: sampled(parts[0]), [[x] for x in SERIES]),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_libraries_draw_by_themselves_has_streams_with_a_seed(backend: str, kind: str) -> None:
    function, items = HIDDEN[kind]
    pytest.importorskip("sklearn")
    state = random.getstate(), str(np.random.get_state())
    wanted = nbexec.map(function, items, backend="serial", seed=7)
    assert nbexec.map(function, items, backend=backend, seed=7, workers=2, chunk=1) == wanted
    assert nbexec.map(function, items, backend=backend, seed=7, workers=1) == wanted
    with nbexec.Executor(backend, workers=2, seed=7) as executor:
        assert [*executor.map(function, items)] == wanted
    assert nbexec.map(function, items, backend=backend, seed=8) != wanted
    if backend != "dask":  # which draws in the kernel itself
        assert (random.getstate(), str(np.random.get_state())) == state


def test_items_that_draw_nothing_take_no_turns() -> None:
    both = threading.Barrier(2, timeout=20)
    assert nbexec.map(lambda x: both.wait() >= 0, range(4), backend="threads", seed=7, workers=2)


def test_which_libraries_may_draw() -> None:
    """A library that can reach what all code draws from."""
    assert hidden_draws.may_draw(["pandas"])
    assert not hidden_draws.may_draw(["json", "re", "math"])
    assert hidden_draws.may_draw(["a_library_that_is_not_loaded"])
    assert not hidden_draws.item_may_draw([1, "a", np.arange(3)])
