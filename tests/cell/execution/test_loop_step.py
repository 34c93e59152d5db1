"""`LoopStep`: a loop begins as the plain loop, and ends on workers where that pays.

Covers `nbexec.cell.execution.loop_step` and `nbexec.cell.execution.offload`.
"""

from __future__ import annotations

import sys
import time
import traceback

import pytest

import nbexec
from nbexec.cell.execution.worth_leaving import Destination

from ..both_ways import both, filled_once_a_run_began, frames, kind, leaving_after, reason

pytestmark = pytest.mark.plain_first

LOOPS = {
    "append": "ys = []\nfor x in range(40): ys.append(x * x)",
    "total": "t = 0.1\nfor x in range(40): t += x / 7",
    "count": "c = {}\nfor x in range(40): c[x % 3] = c.get(x % 3, 0) + 1",
    "else": "ys = []\nfor x in range(40): ys.append(x)\nelse: ended = True",
    "break": "ys = []\nfor x in range(40):\n    ys.append(x)\n    if x == 20: break\nelse: ended = 1",
    "break at once": "for x in range(40):\n    if x == 0: break\nelse: ended = 1",
    "fails": "ys = []\nfor x in range(40): ys.append(1 // (20 - x))",
    "fails first": "ys = []\nfor x in range(40): ys.append(1 // x)",
    "prints": "for x in range(40): print(x)",
    "binds": "for x in range(40):\n    y = x * 2\n    if x < 5: z = y",
    "deletes": "for x in range(40):\n    y = x\n    del y",
    "own key": "xs = list(range(40))\nfor i in range(len(xs)): xs[i] = xs[i] * 2",
    "enumerate": "xs = list(range(40))\nfor i, x in enumerate(xs): xs[i] = x * 2",
    "dict": "d = dict.fromkeys(range(40), 1)\nfor k in d: d[k] = k * 2",
    "grows": "xs = [0]\nfor x in xs:\n    if x < 30: xs.append(x + 1)",
    "carries": "last = 0\nfor x in range(40):\n    now = last + x\n    last = now",
    "list": "ys = [x * x for x in range(40) if x % 3]",
    "set": "ys = {x * 7 % 100 for x in range(40)}\norder = list(ys)",
    "dict comprehension": "ys = {x % 7: x for x in range(40)}",
    "nested": "ys = [(x, y) for x in range(9) for y in range(x)]",
    "walrus": "ys = [last := x * x for x in range(40)]",
    "fails in a list": "ys = [1 // (20 - x) for x in range(40)]",
    "sum": "t = sum(x / 7 for x in range(40))",
    "join": "t = ', '.join(str(x) for x in range(40))",
    "any": "t = any(x == 20 for x in range(40))",
    "map": "t = sum(map(abs, range(-20, 20)))",
    "fails in a sum": "t = sum(1 // (20 - x) for x in range(40))",
    "sorted": "t = sorted((x * 7 % 40 for x in range(40)), reverse=True)",
    "generator": "def items():\n    yield from range(40)\nys = [x * x for x in items()]",
    "generator that fails": "def items():\n    yield 1\n    yield 2\n    1 / 0\nys = []\nfor x in items(): ys.append(x)",
    "zip": "ys = [a + b for a, b in zip(range(40), range(40, 80))]",
    "items": "d = {x: x for x in range(40)}\nys = [k + v for k, v in d.items()]",
    "empty": "ys = []\nfor x in []: ys.append(x)\nelse: ended = 1",
    "in a call": "n = len([x for x in range(40)]) + 1",
    "shared iterator": "it = iter(range(40))\nys = [x for x in it if x < 20]\nrest = list(it)",
}  # fmt: skip


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("items", [1, 2, 5])
def test_it_leaves_what_the_plain_loop_leaves_wherever_it_is_left(source, items):
    with leaving_after(items):
        both(source, "threads", workers=2)


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_it_does_so_on_processes(source):
    with leaving_after(2):
        both(source, "processes", workers=2)


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_cheap_loop_stays_the_plain_loop(source):
    left = both(source, "auto")
    assert left.report is None or all(step.stats is None for step in left.report.steps)


@pytest.mark.parametrize("name", ["append", "list", "sum", "own key", "enumerate", "dict", "items"])
def test_the_rest_runs_on_workers(name):
    with leaving_after(2):
        left = both(LOOPS[name], "threads", workers=2)
    assert kind(left) == "parallel"
    assert "the first 3 in the kernel" in reason(left)
    assert left.report.stats.done > 5


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("items", ["range(40)", "(y for y in range(40))"])
def test_items_are_numbered_as_the_plain_loop_has_them(items, backend):
    source = f"ys = []\nfor x in {items}:\n    ys.append(1 // (20 - x))"
    with leaving_after(2):
        both(source, backend, workers=2)
    run = nbexec.last_run()
    assert [one.index for one in run.failures] == [20]
    bars = run.timeline()
    assert min(bar.first for bar in bars) == 3  # those before it were the plain loop's
    assert [bar for bar in bars if bar.failed and bar.first <= 20 <= bar.last]
    with pytest.raises(ZeroDivisionError):
        run.debug(20)
    again = run.again()
    with pytest.raises(ZeroDivisionError):
        again.complete()
    assert [one.index for one in again.failures] == [20]


def test_a_line_that_could_not_leave_says_why():
    with leaving_after(2):
        assert "last" in reason(both(LOOPS["carries"], "threads", workers=2))


def test_one_that_took_little_says_so():
    left = both("ys = [x * x for x in range(40)]", "auto")
    assert "workers would not pay" in reason(left)


@pytest.mark.parametrize("name", ["fails", "fails first", "fails in a list", "fails in a sum"])
@pytest.mark.parametrize("items", [1, 4, 99])
def test_a_traceback_is_that_of_the_plain_loop(name, items):
    with leaving_after(items):
        ours = both(LOOPS[name], "threads", workers=2).error
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile(LOOPS[name], "<cell>", "exec"), {})
    theirs = [one for one in traceback.extract_tb(caught.value.__traceback__) if one.filename == "<cell>"]  # fmt: skip
    assert frames(ours) == [(one.filename, one.lineno, one.name) for one in theirs]


def test_a_loop_whose_first_item_lasts_goes_on_elsewhere_meanwhile():
    """It lasts until a run has begun, which is that of the other items."""
    source = (
        "def work(x):\n"
        "    while x == 0 and not go: time.sleep(0.001)\n"
        "    time.sleep(0.01)\n"
        "    return x\n"
        "ys = [work(x) for x in range(8)]"
    )
    with filled_once_a_run_began() as go:
        names = {"go": go, "time": time}
        report = nbexec.parallel(source, names, backend="threads", workers=2, progress="off")
    assert names["ys"] == list(range(8))
    assert report.stats is not None, str(report)
    assert "the first 1 in the kernel" in str(report)


def test_a_break_in_an_item_that_lasted_drops_the_others():
    source = (
        "ys = []\n"
        "for x in range(8):\n"
        "    while x == 0 and not go: time.sleep(0.001)\n"
        "    time.sleep(0.01)\n"
        "    ys.append(x)\n"
        "    if x == 0: break\n"
        "else: ended = 1"
    )
    with filled_once_a_run_began() as go:
        names = {"go": go, "time": time}
        nbexec.parallel(source, names, backend="threads", workers=2, progress="off")
    assert go
    assert names["ys"] == [0]
    assert names["x"] == 0
    assert "ended" not in names


def test_a_loop_whose_data_would_take_longer_to_send_stays(monkeypatch):
    """Its items take 0.1 s in all; to send and read what they read takes longer."""
    big = [f"{n:024}" for n in range(350_000)]
    source = (
        "def look(x):\n"
        "    until = time.thread_time() + 0.001\n"
        "    while time.thread_time() < until: pass\n"
        "    return big[x] if len(big) else ''\n"
        "ys = [look(x) for x in range(100)]"
    )
    names = {"time": time, "big": big}
    nbexec.map(abs, range(4), backend="processes", workers=2, progress="off")  # workers are there
    report = nbexec.parallel(source, names, backend="processes", workers=2, progress="off")
    assert names["ys"] == big[:100]
    assert report.stats is None, str(report)
    monkeypatch.setattr(Destination, "sending", lambda *_: 0.0)
    report = nbexec.parallel(source, names, backend="processes", workers=2, progress="off")
    assert names["ys"] == big[:100]
    assert report.stats is not None, str(report)


def test_what_its_items_give_is_weighed_too():
    """Lists that are made in a microsecond take longer to come back."""
    source = "rows = [[n, str(n)] for n in range(200_000)]"
    report = nbexec.parallel(source, {}, backend="processes", workers=2, progress="off")
    assert report.stats is None, str(report)


def test_strict_raises_before_anything_has_run():
    names = {"ys": []}
    source = "last = 0\nfor x in range(3):\n    ys.append(last)\n    last = x"
    with pytest.raises(nbexec.SerialError):
        nbexec.parallel(source, names, strict=True, progress="off")
    assert names["ys"] == []


def test_strict_has_nothing_against_a_loop_that_does_not_pay():
    names = {}
    nbexec.parallel("ys = [x * x for x in range(30)]", names, strict=True, progress="off")
    assert names["ys"] == [x * x for x in range(30)]


def test_serial_is_the_plain_loop():
    report = nbexec.parallel("d = [f for f in range(3)]", {}, backend="serial", progress="off")
    assert report.steps[0].kind == "serial"


def test_frames_of_the_plain_loop_are_those_of_the_cell():
    """Nothing of ours lies between an item and the cell."""
    names = {"sys": sys}
    source = (
        "depths = []\nfor x in range(30):\n    depths.append(sys._getframe(1).f_code.co_filename)"
    )
    nbexec.parallel(source, names, progress="off")
    assert len(set(names["depths"])) == 1


CLOSING = """
class Opened:
    def __init__(self, fails=9):
        self.items = iter(range(6))
    def __iter__(self):
        try:
            yield from self.items
        finally:
            print("closed")
out = []
"""
ENDS = {
    "a break": "for x in Opened():\n    out.append(x * 2)\n    if x == 3: break\nprint('after')",
    "the end": "for x in Opened():\n    out.append(x * 2)\nelse: print('else')\nprint('after')",
    "an exception": "for x in Opened(): out.append(1 // (3 - x))",
    "one that is caught": "try:\n    for x in Opened(): out.append(1 // (3 - x))\nexcept ZeroDivisionError: print('caught')",
    "enough for any": "found = any(x == 3 for x in Opened())\nprint('after')",
    "what next takes": "found = next(x for x in Opened() if x == 3)\nprint('after')",
}


@pytest.mark.parametrize("source", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("items", [1, 2, 99])
def test_a_generator_is_closed_as_the_loop_ends(source, items):
    with leaving_after(items):
        ours = both(CLOSING + source, "threads", workers=2)
    assert ours.printed.count("closed") == 1  # though the exception, and its frames, are kept


@pytest.mark.parametrize(
    "source",
    [
        "for x in 5: print(x)",
        "y = [print(x) for x in 5]",
        "y = sum(map(lambda x: x + 1, None))",
        "y = sum(map(lambda a, b: a + b, [1], 5))",
        "for r in map(lambda x: abs(x), 5): print(r)",
        "y = sorted(5, key=lambda x: pow(x, 2))",
    ],
)
def test_what_is_no_iterable_says_so_at_its_own_line(source):
    error = both(source).error
    assert frames(error) == [("<cell>", 1, "<module>")]
