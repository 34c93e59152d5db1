"""How a loop's items become a run: its journal, its backend, and workers that can't load it."""

from __future__ import annotations

import pytest

from ..both_ways import both, kind, leaving_after, reason


def test_a_checkpoint(tmp_path):
    source = "xs, out = [[1], [2]], []\nfor x in xs:\n    y = len(x)\n    out.append((y, sum(x)))"
    for _ in range(2):
        left = both(source, "processes", checkpoint=str(tmp_path / "kept"))
        assert kind(left) == "parallel"
    assert left.report.stats.restored == 2


@pytest.mark.parametrize("where", ["serial", "threads"])
def test_a_checkpoint_keeps_nothing_that_is_of_the_kernel(where, tmp_path):
    source = "xs, out = [[1], [2]], []\nfor x in xs:\n    out.append(sum(x))"
    left = both(source, where, checkpoint=str(tmp_path / "kept"))
    assert kind(left) == "serial"


def test_what_needs_a_process_for_itself_gets_one():
    source = """
import warnings
out = []
for x in range(4):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.append(x)
"""
    assert "backend='processes' can run it" in reason(both(source, "threads"))
    left = both(source, "auto")
    assert left.report.stats.backend == "processes"


def test_a_worker_that_cant_load_what_it_needs():
    left = both(
        "class Odd:\n    x = 2\n    def __new__(cls, *given):\n        assert not given\n"
        "        return object.__new__(cls)\n    def __getnewargs__(self):\n        return (1,)\n"
        "odd = Odd()\nout = [odd.x * x for x in [1, 2]]",
        "processes",
    )
    assert "from item 0 on in the kernel: the function can't be unpickled" in reason(left)


WORLD = """
import random, numpy
rng, other = random.Random(5), numpy.random.default_rng(1)
def slow(x): return sum(i * x for i in range(20))
class World:
    t = 0
    def drawn(self): return rng.random() + other.random() + numpy.random.rand() + random.random()
    def sizes(self): return [slow(k) + self.t for k in range(20)]
world = World()
states = lambda: [hash(str(one)) for one in (
    rng.getstate(), other.bit_generator.state, random.getstate(), numpy.random.get_state())]
before = states()
"""


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize(
    "cell",
    [
        "out = world.sizes()",
        "out = [slow(x) + world.t for x in range(20)]",
    ],
)
def test_generators_that_a_loop_only_leads_to_are_left_alone(cell, backend):
    with leaving_after(1):
        left = both(f"{cell}\nmoved = states() != before", backend, earlier=WORLD)
    assert left.names["moved"] is False
    assert any(step.kind == "parallel" for step in left.report.steps), str(left.report)
