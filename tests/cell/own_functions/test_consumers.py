"""What consumes a function's values, or calls a slow `key=`, inside the user's own functions.

Covers `nbexec.cell.own_functions.instrument` and `nbexec.cell.own_functions.function_loop`.
"""

from __future__ import annotations

import pytest

from ...cell.execution import test_replayed_key as keys
from ...cell.loops import test_consumers as streams
from ..both_ways import both, frames, kind, leaving_after, plainly, reason, run

pytestmark = pytest.mark.plain_first

IMPORTS = "import functools, itertools, operator, heapq\n"
MANY = "range(1, 12)"
FORMS = {
    **{f"key: {name}": (keys.F, form) for name, form in keys.FORMS.items()},
    **{f"stream: {name}": (streams.F, form) for name, form in streams.FORMS.items()},
}
RAISING = {
    **{f"key: {name}": (keys.F, form) for name, form in keys.RAISING.items()},
    **{f"stream: {name}": (streams.F, form) for name, form in streams.RAISING.items()},
}
# Those whose items aren't one after the other's: of these functions run as they are.
AS_THEY_ARE = {"stream: several iterables", "stream: several lists"}


def in_function(before, form, xs=MANY):
    """Give a cell whose last statements, those after the definitions, are in a function."""
    lines = (before + form.format(xs=xs)).splitlines()
    at = max(i for i, line in enumerate(lines) if line.startswith((" ", "def", "class"))) + 1
    body = lines[at:]
    if body[-1].startswith("print"):
        body[-1] = f"y = [{body[-1]}]"
    if not any(line.startswith("y = ") for line in body):
        body.append("y = xs")
    inner = "\n".join(f"    {line}" for line in [*body, "return y"])
    return "\n".join([*lines[:at], "def inside():", inner, "y = inside()"]).replace(
        "\n", f"\n{IMPORTS}", 1
    )


@pytest.mark.parametrize("name", FORMS)
def test_in_a_function(name):
    with leaving_after(2):
        left = both(in_function(*FORMS[name]), "threads")
    stops = any(one in name for one in ("next", ": in", "not in", "zip", "any"))
    if name not in AS_THEY_ARE and not stops and "none of" not in name:
        assert kind(left) == "parallel", reason(left)


@pytest.mark.parametrize("name", ["key: max", "key: sort", "key: of an iterator", "stream: reduce"])
def test_in_a_function_on_processes(name):
    with leaving_after(2):
        left = both(in_function(*FORMS[name]), "processes")
    assert kind(left) == "parallel", reason(left)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("items", ["[]", "[2]"])
def test_few_items(name, items):
    with leaving_after(1):
        both(in_function(*FORMS[name], items), "threads")


@pytest.mark.parametrize("name", RAISING)
@pytest.mark.parametrize("items", [1, 4, 99])
def test_an_exception_comes_in_its_turn(name, items):
    source = in_function(*RAISING[name])
    with leaving_after(items):
        ours, plain = both(source, "threads"), run(plainly, source)
    assert frames(ours.error) == frames(plain.error) if plain.error else ours.error is None


PROGRAMS = {
    "a closure": "def g(a, xs):\n    return max(xs, key=lambda x: f(x + a)), [*map(lambda x: f(x) + a, xs)]\ny = g(2, range(9))",
    "a list of another's": "def g(rows):\n    rows.sort(key=lambda r: f(r[0]))\n    return rows\nxs = [[9], [4], [7], [2]]\ny = g(xs)\nz = y is xs",
    "no list": "class Own:\n    def sort(self, key): return [key(x) for x in (1, 2)]\ndef g(rows):\n    return rows.sort(key=lambda r: f(r))\ny = g(Own())",
    "a name that isn't bound": "def g():\n    if 0: k = 1\n    return max(k, key=f)\ny = g()",
    "caught": "def g(xs):\n    try: return min(xs, key=lambda x: f(x) // (x - 5))\n    except ZeroDivisionError as e: return str(e)\ny = g(range(9))",
    "one inside another": "def g(xs):\n    return max(xs, key=lambda x: f(min(range(x, x + 5), key=lambda z: f(z) % 5)))\ny = g(range(9))",
    "deep": "def tree(n):\n    return 1 + (tree(max([n - 1, n - 2], key=lambda x: f(x))) if n > 0 else 0)\ny = tree(200)",
    "a recursion through the key": "def tree(n):\n    if n: max([n - 1], key=lambda x: tree(x))\n    return n\ny = tree(250)",
    "items inside": "def g(xs):\n    return max([f(x) for x in xs], key=f), sum(map(f, [f(x) for x in xs]))\ny = g(range(9))",
    "its items are let go": "class T(list):\n    def __del__(self): print('gone')\ndef g():\n    y = max(T([1, 2, 3]), key=f)\n    print('after')\n    return y\ny = g()",
    "locals of a consumer": "def g(n, xs):\n    return heapq.nlargest(n, xs, key=f), next((x for x in xs if f(x) > n), n)\ny = g(2, range(9))",
    "a name hides the consumer": "def g(max, xs):\n    return max(xs, key=lambda x: f(x))\ny = g(lambda xs, key: [key(x) for x in xs], range(9))",
    "asked for in an if": "if 1:\n    y = max(range(9), key=lambda x: f(x))\n    z = [*map(lambda x: f(x), range(9))]",
}  # fmt: skip


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("items", [1, 2, 5])
def test_it_leaves_what_the_plain_cell_leaves(source, items):
    with leaving_after(items):
        both(source, "threads", workers=2, earlier=keys.F)


def test_one_that_lasts_is_not_left_alone_after_a_while():
    """What it took is known where no item went to workers, too."""
    source = (
        "import time\n"
        "def slow(x):\n    time.sleep(0.002)\n    return x\n"
        "def g(xs): return max(xs, key=slow)\n"
        "def many():\n"
        "    ys = []\n"
        "    while len(ys) < 20: ys.append(g([1, 2]))\n"
        "    return ys, g(range(40))\n"
        "y = many()"
    )
    with leaving_after(2):
        left = both(source, "threads", workers=2)
    assert kind(left) == "parallel", reason(left)


def test_a_name_that_comes_to_hide_a_consumer_is_seen():
    """Code that was made before stands for another one then."""
    earlier = keys.F + "def g(xs):\n    return [*map(f, xs)], max(xs, key=f)\n"
    source = (
        "first = g(range(9))\n"
        "calls = []\n"
        "def map(function, xs):\n    calls.append('map')\n    return [function(x) for x in xs]\n"
        "def max(xs, key):\n    return [key(x) for x in reversed(xs)]\n"
        "y = g(range(9))"
    )
    with leaving_after(2):
        both(source, "threads", earlier=earlier)
