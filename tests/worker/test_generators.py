"""Generators of random numbers: set to a stream, set back, drawn from, whatever their kind."""

from __future__ import annotations

import random
import sys
import types

import pytest

from nbexec.worker.generators import drawn, is_generator, own_generator, peeked, restart, setter

np = pytest.importorskip("numpy")

KINDS = [
    lambda: random.Random(1),
    lambda: np.random.default_rng(1),
    lambda: np.random.Generator(np.random.MT19937(1)),
    lambda: np.random.Generator(np.random.SFC64(1)),
    lambda: np.random.RandomState(1),
    lambda: np.random.RandomState(np.random.PCG64(1)),
    lambda: np.random.Philox(1),
    lambda: np.random.SeedSequence(1),
    lambda: own_generator("random"),
    lambda: own_generator("numpy"),
]


@pytest.fixture(params=KINDS)
def generator(request):
    found = request.param()
    back = setter(found)
    yield found
    back()


def test_it_is_one(generator):
    assert is_generator(generator)
    assert not is_generator(type(generator))


def test_a_stream_begins_where_it_began(generator):
    found = []
    for key in ((0,), (1,), (0,), (0, 1)):
        restart(generator, 3, key)
        found.append([drawn(generator) for _ in range(3)])
    assert found[0] == found[2]
    assert len({number for numbers in found for number in numbers}) == 9


def test_it_is_set_back(generator):
    back, expected = setter(generator), peeked(generator)
    restart(generator, 3, (0,))
    assert drawn(generator) != expected
    back()
    assert drawn(generator) == expected


def test_half_of_a_pair_of_normal_numbers_is_dropped():
    for one, draw in (
        (np.random.RandomState(1), lambda it: it.normal()),
        (random.Random(1), lambda it: it.gauss(0, 1)),
    ):
        restart(one, 3, (0,))
        first = draw(one)  # of two that are made together
        restart(one, 3, (0,))
        assert draw(one) == first


def test_what_draws_from_the_system_is_none():
    assert not is_generator(random.SystemRandom())
    assert not is_generator(random)


def test_one_is_told_while_another_thread_imports_numpy(monkeypatch):
    """Then `numpy.random` is there, and has only some of its names."""
    partly = types.ModuleType("numpy.random")
    partly.RandomState = np.random.RandomState
    monkeypatch.setitem(sys.modules, "numpy.random", partly)
    assert is_generator(np.random.RandomState(1))
    assert not is_generator(object())
