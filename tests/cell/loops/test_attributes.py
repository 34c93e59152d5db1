"""``self.n += v``: attributes of an instance as accumulators, or the loop in order.

Covers `nbexec.cell.loops.attributes`.
"""

from __future__ import annotations

import pytest

from ..both_ways import both, kind, leaving_after, reason, runs_serially

CLASSES = """
class Box:
    def __init__(self):
        self.n = 0
        self.rows, self.seen, self.counts, self.last = [], set(), {}, None
        self.scale = 3
        self.child = None
def work(x):
    return x * x
class Guarded(Box):
    @property
    def total(self):
        return self._total
    @total.setter
    def total(self, value):
        self._total = min(value, 5)
class Hooked(Box):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
class Slotted:
    __slots__ = ("n",)
box = Box()
"""

ACCEPTED = {
    "a number": "for x in range(9):\n    box.n += work(x)",
    "written out": "for x in range(9):\n    box.n = box.n + work(x)",
    "the largest": "for x in range(9):\n    box.n = max(box.n, work(x) % 7)",
    "a list": "for x in range(9):\n    box.rows.append(work(x))",
    "several, and one that is read": (
        "for x in range(9):\n    box.n += work(x) * box.scale\n    box.rows.append((x, box.scale))\n"
        "    box.seen.add(x % 3)\n    box.counts[x] = x"
    ),
    "one that is bound": "for x in range(9):\n    box.last = work(x)\n    box.n += 1",
    "one that is added in place": "for x in range(9):\n    box.rows += [work(x)]",
    "counts": "for x in range(9):\n    box.counts.setdefault(x % 2, []).append(work(x))",
    "two instances": "b = Box()\nfor x in range(9):\n    box.n += work(x)\n    b.n -= x",
    "a break": "for x in range(9):\n    if x == 5: break\n    box.n += x\n    box.rows.append(x)",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accumulated(source, where):
    left = both(source, where, earlier=CLASSES)
    assert kind(left) == "parallel", reason(left)


@pytest.mark.plain_first
@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accumulated_in_a_method(source, where):
    body = source.replace("box.", "self.").replace("\n", "\n    ")
    with leaving_after(2):
        cell = f"def run(self):\n    {body}\nBox.run = run\nvalue = box.run()"
        left = both(cell, where, earlier=CLASSES)
        assert kind(left) == "parallel", reason(left)


RAISES = {
    "what is missing": "for x in range(9):\n    box.rows.append(x)\n    box.extra += x",
    "in an item": "for x in range(9):\n    box.n += 1 // (5 - x)\n    box.rows.append(x)",
    "in an effect": "for x in range(9):\n    box.n += x if x < 5 else 'text'\n    box.rows.append(x)",
}


@pytest.mark.parametrize("source", RAISES.values(), ids=RAISES)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_an_exception_leaves_what_it_leaves_serially(source, where):
    left = both(CLASSES + source, where)
    assert left.error is not None
    assert not any("." in name for name in left.names)


IN_ORDER = {
    "a method reads it": (
        "def tell(box):\n    return box.n\nfor x in range(9):\n    box.n += tell(box) + x"
    ),
    "a function reads it": "def tell():\n    return box.n\nfor x in range(9):\n    box.n += tell() + x",
    "the instance is given away": (
        "keep = []\nfor x in range(9):\n    box.n += x\n    keep.append(box)"
    ),
    "by two names": "b = box\nfor x in range(9):\n    box.n += b.scale\n    b.n -= 1",
    "read through another": (
        "class Holder: pass\nh = Holder()\nh.box = box\ndef tell(h):\n    return h.box.n\n"
        "for x in range(9):\n    box.n += tell(h) + 1"
    ),
    "read in between": "for x in range(9):\n    box.n += x\n    box.rows.append(box.n)",
    "a property": "g = Guarded()\ng._total = 0\nfor x in range(9):\n    g.total += x",
    "a hook": "h = Hooked()\nfor x in range(9):\n    h.n += x",
    "a slot": "s = Slotted()\ns.n = 0\nfor x in range(9):\n    s.n += x",
    "an attribute of the class": "Box.shared = 0\nfor x in range(9):\n    box.shared += x",
    "the items lead to it": ("box.child = [box]\nfor x in box.child * 3:\n    box.n += x.n + 1"),
    "it is deleted": "box.extra = 1\nfor x in range(1):\n    box.n += x\n    del box.extra",
    "an else that reads it": (
        "for x in range(9):\n    box.n += x\nelse:\n    last = box.n\n    del box"
    ),
    "a list of its own that is read": (
        "rows = box.rows\nfor x in range(9):\n    box.rows.append(len(rows))"
    ),
}


@pytest.mark.parametrize("source", IN_ORDER.values(), ids=IN_ORDER)
def test_in_order(source):
    left = both(CLASSES + source, "threads")
    assert kind(left) == "serial"
    assert not any("." in name for name in left.names)


def test_the_reason_is_that_of_the_instance():
    runs_serially(
        CLASSES + "def tell(box):\n    return box.n\nfor x in range(9):\n    box.n += tell(box)",
        "changes `box` in place",
    )
