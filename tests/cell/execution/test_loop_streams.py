"""`LoopStreams`: with a seed each item of a cell's loop draws the same numbers, wherever it runs.

Covers `nbexec.cell.execution.loop_streams`.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

import nbexec

from ..both_ways import leaving_after

np = pytest.importorskip("numpy")

pytestmark = pytest.mark.plain_first

LOOPS = """
one, total = [], 0
for x in range(9):
    if random.random() < 0.2: continue
    n = random.randint(1, 99)
    total += n
    one.append((x, n, float(np.random.normal())))
two = [random.choice("abcd") for x in range(9)]
three = sum(rng.random() for x in range(9))
four = list(map(draw, range(9)))
five = [sim.step(x) for x in range(9)]
six = []
for x in range(40):
    six.append(own.random())
    if six[-1] > 0.9: break
else: ended = random.random()
seven, last = [], 0
for x in range(9):
    last = last / 2 + random.random()
    seven.append(last)
eight = [x for x in drawn(random.random)]
nine = sorted(range(9), key=lambda x: random.random())
ten = random.random()
"""


class Sim:
    def __init__(self) -> None:
        self.rng = np.random.default_rng(6)

    def step(self, x: int) -> float:
        return float(x + self.rng.normal())


def names() -> dict[str, Any]:
    """Give the names of a notebook, with generators as they are at first."""

    def draw(x: int) -> float:
        return x + random.gauss(0, 1)

    def drawn(draw: Any) -> Any:
        return (draw() for _ in range(9))

    random.seed(1)
    np.random.seed(1)
    rng, own = np.random.default_rng(3), random.Random(4)
    made = {"rng": rng, "own": own, "sim": Sim(), "draw": draw, "drawn": drawn}
    return {"random": random, "np": np, **made}


def left(cell: str, seed: int, backend: str, items: int | None) -> tuple[dict[str, Any], list[str]]:
    """Give what a cell leaves, generators included, and how its statements ran."""
    found = names()
    with leaving_after(items) if items else contextlib.nullcontext():
        report = nbexec.parallel(cell, found, seed=seed, backend=backend, workers=2, progress="off")
    after = random.random(), np.random.rand(), found["rng"].random(), found["own"].random()
    values = {name: found[name] for name in found if type(found[name]) in (int, float, list)}
    return {**values, "after": (*after, found["sim"].rng.random())}, [s.kind for s in report.steps]


@pytest.mark.parametrize("items", [1, 3])
def test_a_cell_leaves_the_same_on_every_backend_whatever_stays_in_the_kernel(
    backend: str, items: int
) -> None:
    plain, _ = left(LOOPS, 7, "serial", None)
    found, kinds = left(LOOPS, 7, backend, items)
    if backend == "dask":  # whose own threads draw from `random`: these draw from it in order
        for one in (plain, found):
            one["after"] = one["after"][1:]
            del one["eight"], one["nine"], one["ten"]
    assert found == plain
    if backend not in ("serial", "asyncio"):
        assert kinds.count("parallel") >= 5


def test_generators_are_where_they_were_and_other_seeds_draw_others() -> None:
    cell = "ys = [(random.random(), rng.random(), sim.step(x)) for x in range(5)]"
    one, _ = left(cell, 7, "serial", None)
    other, _ = left(cell, 8, "threads", 1)
    untouched, _ = left("pass", 7, "serial", None)
    assert one["after"] == other["after"] == untouched["after"]
    assert not {*one["ys"]} & {*other["ys"]}


def test_loops_of_a_cell_differ_and_the_first_has_the_streams_of_map() -> None:
    found = names()
    cell = "a = [draw(x) for x in range(5)]\nb = [draw(x) for x in range(5)]"
    nbexec.parallel(cell, found, seed=7)
    assert found["a"] == nbexec.map(found["draw"], range(5), seed=7)
    assert found["a"] != found["b"]


def test_without_a_seed_a_cell_draws_in_the_order_of_the_plain_cell() -> None:
    expected, found = names(), None
    cell = "ys = [random.random() + rng.random() for x in range(9)]"
    exec(cell, expected)
    found = names()
    with nbexec.options(seed=1), leaving_after(1):  # a session's is not for cells
        report = nbexec.parallel(cell, found, backend="threads")
    assert found["ys"] == expected["ys"]
    assert report.steps[0].kind == "serial"


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_an_item_that_runs_again_in_the_kernel_draws_what_it_drew(backend: str) -> None:
    """What it gives can't be sent, or is refused where effects are applied."""
    cell = "ys = []\nfor x in range(6): ys.append((random.random(), print if x == 4 else x))"
    cell += "\nzs = [make(random.random()) if x == 3 else x for x in range(6)]"
    found = []
    for way, items in (("serial", None), (backend, 1)):
        space = {**names(), "make": lambda y: lambda: y}
        with leaving_after(items) if items else contextlib.nullcontext():
            nbexec.parallel(cell, space, seed=7, backend=way, workers=2)
        found.append((space["ys"], space["zs"][:3], space["zs"][3](), space["zs"][4:]))
    assert found[0] == found[1]


def test_a_failure_and_a_nested_run_leave_the_generators_where_they_were() -> None:
    cell = "for x in range(6):\n    inner(draw, range(3))\n    random.random() / (3 - x)"
    for items in (None, 1):
        space = names()
        space["inner"] = lambda f, xs: nbexec.map(f, xs, backend="threads", seed=5)
        before = random.getstate()
        with (
            pytest.raises(ZeroDivisionError),
            leaving_after(items) if items else contextlib.nullcontext(),
        ):
            nbexec.parallel(cell, space, seed=7, backend="threads", workers=2)
        assert random.getstate() == before


def test_a_generator_of_a_module_stays_in_the_kernel() -> None:
    from tests.fidelity import settings_module

    settings_module.rng = random.Random(3)  # type: ignore[attr-defined]
    try:
        cell = "ys = [settings.rng.random() for x in range(6)]"
        found = []
        for way, items in (("serial", None), ("processes", 1)):
            space = {**names(), "settings": settings_module}
            with leaving_after(items) if items else contextlib.nullcontext():
                report = nbexec.parallel(cell, space, seed=7, backend=way, workers=2)
            found.append(space["ys"])
        assert found[0] == found[1]
        assert "has it anew" in report.steps[0].reason
    finally:
        del settings_module.rng  # type: ignore[attr-defined]


def test_what_takes_no_seed_says_so() -> None:
    with pytest.raises(nbexec.OptionError, match="in the order of its plain loops"):
        nbexec.parallel(lambda: None, seed=1)
    from nbexec.cell.detached import detach

    with pytest.raises(nbexec.OptionError, match="without --detach"):
        detach("x = 1", {}, seed=1)
