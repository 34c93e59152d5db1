"""Statements that bind and unbind names: `:=`, `del`, functions of the body, sums of arrays."""

from __future__ import annotations

import pytest

from ..both_ways import both

PRELUDE = """
import numpy as np
class Half:  # adding two of them fails
    def __init__(self, x):
        self.x = x
def strict(x):
    if x == 3:
        raise ValueError(x)
    return [x]
out, total, y, z, w = [], 0, "before", "before", "before"
"""

AT_ONCE = {
    "walrus in an element": "res = [(y := x * 2) + 1 for x in range(4)]",
    "walrus in a filter": "res = [x for x in range(6) if (y := x * 2) > 4]",
    "walrus of the last that has one": "res = [x for x in range(6) if x < 3 and (y := x)]",
    "walrus of no item": "res = [y := x for x in []]",
    "two of them": "res = {(y := x): (z := y + 1) for x in range(4)}",
    "walrus in a set": "res = {(y := x % 3) for x in range(9)}",
    "walrus of what is large": "res = [len(y := 'ab' * 5000) + x for x in range(4)]",
    "walrus and an exception": "res = [y := strict(x) for x in range(6)]",
    "walrus before the exception": "res = [((y := x), strict(x)) for x in range(6)]",
    "walrus in any": "res = any((y := x) > 3 for x in range(9))",
    "walrus in all": "res = all((y := x) < 3 for x in range(9))",
    "walrus in any, then read": "res = (any((y := x) > 3 for x in range(9)), y)",
    "walrus in sum": "total += sum((y := x) for x in range(4))",
    "walrus in a sum that fails": "res = sum((y := x, Half(x))[1] for x in range(4))",
    "walrus in an if": "if any((y := x) > 2 for x in range(5)):\n    res = y\nelse:\n    res = 0\n",
    "walrus in a loop inside": "res = [[(y := i) for i in range(x)] for x in range(4)]",
    "walrus in a lambda": "res = [(lambda: (q := x))() for x in range(4)]",
    "walrus in a body": "for x in range(6):\n    if (y := x * 2) > 4:\n        out.append(y)\n",
    "walrus in a comprehension of a body": "for x in range(4):\n"
    "    out += [y for i in range(3) if (y := i + x) > 2]\n",
    "del": "for x in range(4):\n    y = [x]\n    out.append(y)\n    del y\n",
    "del of a new name": "for x in range(4):\n    q = x\n    out.append(q)\n    del q\n",
    "del of several": "for x in range(4):\n    y = z = x\n    out.append(y)\n    del y, z\n",
    "del, and bound again": "for x in range(4):\n    y = x\n    del y\n    y = [x]\n",
    "del in some": "for x in range(5):\n    y = x\n    if x % 2:\n        del y\n",
    "del in the last": "for x in range(4):\n    y = x\n    if x > 2:\n        del y\n",
    "del in the first": "for x in range(4):\n    if x == 0:\n        y = x\n        del y\n",
    "del of no item": "for x in []:\n    y = x\n    del y\n",
    "del and break": "for x in range(9):\n    y = x\n    del y\n    if x > 3:\n        break\n",
    "del before an exception": "for x in range(6):\n    y = x\n    del y\n    z = strict(x)\n",
    "del after an exception": "for x in range(6):\n    y = x\n    z = strict(x)\n    del y\n",
    "del of what is its own": "for x in range(4):\n    y = {x: 1, 9: 2}\n    del y[9]\n"
    "    out.append(y)\n",
    "del of the loop inside": "for x in range(3):\n    i = 0\n    for i in range(2):\n"
    "        pass\n    del i\n",
    "def": "for x in range(4):\n    def f(v):\n        return v + x\n    out.append(f(1))\n",
    "def, called later": "for x in range(4):\n    def f(v, w=2):\n        return v + x\n"
    "    out.append(f(1))\nagain = f(10)\nx = 100\nmore = f(10)\n",
    "def in some": "for x in range(4):\n    if x < 2:\n        def f(v):\n"
    "            return v * x\n"
    "        out.append(f(3))\nagain = f(3)\n",
    "def of no item": "for x in []:\n    def f(v):\n        return v\n",
    "def as a key": "for x in range(3):\n    def key(v):\n        return -v\n"
    "    out.append(sorted([x, 5, 1], key=key))\n",
    "def that fails": "for x in range(6):\n    def f(v):\n        return strict(v)\n    y = f(x)\n",
    "def with the wrong arguments": "for x in range(3):\n    def f(v):\n        return v\n"
    "    try:\n        f()\n    except TypeError as error:\n        out.append(str(error))\n",
    "lambda with the wrong arguments": "for x in range(3):\n    try:\n"
    "        sorted([x, 2], key=lambda: 1)\n    except TypeError as error:\n"
    "        out.append(str(error))\n",
    "def that calls itself": "for x in range(5):\n    def fac(n):\n"
    "        return n * fac(n - 1) if n else 1\n    out.append(fac(x))\nagain = fac(6)\n",
    "an array is added to a number": "for x in range(4):\n    total += np.arange(3) * 0.1 * x\n",
    "an array to a float": "w = 0.5\nfor x in range(4):\n    w += np.ones(3) / 3\n",
    "an array is subtracted": "for x in range(4):\n    total -= np.arange(3)\n",
    "a new array each time": "for x in range(4):\n    total = total + np.arange(3) * 0.5\n",
    "a new array of another kind": "for x in [1, 0.5, 2]:\n    total = total + np.array([x, x])\n",
    "an array of another kind": "for x in [1, 0.5, 2]:\n    total += np.array([x, 1])\n",
    "an array of another shape": "for x in [1, 2, 3]:\n    total += np.ones(x)\n",
    "an array, then a number": "for x in [1, 2, 3]:\n    total += np.ones(2)\n    total += x\n",
    "an array of the items": "for row in [np.ones(2), np.ones(2) * 2]:\n    total += row\n",
    "an array that overflows": "for x in [1e308, 1e308]:\n    total += np.array([x])\n",
    "an array of no dimension": "for x in range(3):\n    total += np.array(x)\n",
    "one that changes after it was added": "for x in range(3):\n    q = np.ones(2) * x\n"
    "    total += q\n    q += 5\n",
}

IN_ORDER = {
    "walrus that is read first": "res = [(y, (y := x)) for x in range(3)]",
    "walrus that is read before the loop": "y = 5\nres = y + sum((y := x) for x in range(3))",
    "walrus of what the statement adds to": "y = 5\ny += sum((y := x) for x in range(3))",
    "walrus that a function reads": "y = 5\ndef f(x):\n    return y\n"
    "res = [((y := x), f(x)) for x in range(3)]",
    "a def that is kept": "for x in range(3):\n    def f():\n        return x\n    out.append(f)\n",
    "a def that another name has": "for x in range(3):\n    def f():\n        return x\n"
    "    g = f\n",
    "a def that changes what is outside": "for x in range(3):\n    def f():\n"
    "        out.append(x)\n    f()\n",
    "a def that is called before": "def f():\n    return 0\nfor x in range(3):\n    z = f()\n"
    "    def f():\n        return x\n",
    "a def with a default": "for x in range(3):\n    def f(v=x):\n        return v\n    z = f()\n",
    "two defs": "for x in range(3):\n    if x:\n        def f():\n            return 1\n    else:\n"
    "        def f():\n            return 2\n    out.append(f())\n",
    "del of the target": "for x in range(3):\n    del x\n",
    "del of a name from outside": "for x in range(1):\n    del y\n",
    "del of an item from outside": "d = {0: 1, 1: 2}\nfor x in [0, 1]:\n    del d[x]\n",
    "del of a name that may be there": "for x in range(3):\n    if x:\n        y = x\n    del y\n",
}


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("name", AT_ONCE)
def test_item_by_item(name, backend):
    left = both(AT_ONCE[name], backend, earlier=PRELUDE)
    if left.report is not None:
        assert "parallel" in [step.kind for step in left.report.steps], left.report


@pytest.mark.parametrize("name", IN_ORDER)
def test_in_order(name):
    left = both(PRELUDE + IN_ORDER[name])
    if left.report is not None:
        assert "parallel" not in [step.kind for step in left.report.steps], left.report
