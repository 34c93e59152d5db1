"""The calls that wrote `version-0.1.0.db`, with nbexec 0.1.0 and Python 3.11.

``python calls.py JOURNAL`` makes them again, and writes for each how many of its items were
restored.  The functions stand here unchanged: what they do is what their items are found by.
"""

from __future__ import annotations

import json
import sys

import numpy

import nbexec
from nbexec import Failure, progress


class Point:
    """A class of the notebook's, which the journal keeps."""

    def __init__(self, x):
        self.x = x

    def __repr__(self):
        return f"Point({self.x})"

    def tell(self):
        return progress(1.0), isinstance(self, Failure)


def record(x):
    if x == 3:
        raise ValueError("three")
    if x == 2:
        raise nbexec.ItemTimeout("two")
    return {"x": x, "squares": [x * x], "text": str(x), "none": None}


def array(x):
    import numpy

    return numpy.arange(x * 2.0)


def failure(x):
    from nbexec import Failure

    return Failure(x, [x], KeyError(x), attempt=2)


def results(x):
    import nbexec

    run = nbexec.map(abs, [x], progress="off", backend="threads", workers=1).run
    return run.stats, run.timeline(), list(run.timeline()), nbexec.Options(workers=3), run.choice


def point(x):
    return Point(x)


def index(failed):
    return failed.index


def named(x):
    progress(0.5)
    return x


def reported(x):
    nbexec.progress(0.5)
    return x


def slow(x):
    return x * x + 1


CELLS = {
    "a list": "out = []\nfor i in range(4):\n    out.append(slow(i))\n",
    "extend": "out = []\nfor i in range(4):\n    out.extend([slow(i)] * 2)\n",
    "a dict and a set": """
d, s = {}, set()
for i in range(4):
    d[i] = slow(i)
    d.update({-i: i})
    s.update([i, slow(i)])
""",
    "counts": """
from collections import Counter, defaultdict
c, g = Counter(), defaultdict(list)
for i in range(4):
    c[i % 2] += slow(i)
    g[i % 2].append(slow(i))
""",
    "an array": "for i in range(4):\n    a[i] = slow(i)\n",
    "objects": "out = []\nfor i in range(4):\n    out.append(Point(slow(i)))\n",
    "a comprehension": "out = [slow(i) for i in range(4)]\n",
    "output": "for i in range(4):\n    print(slow(i))\n",
    "a failure": "out = []\nfor i in range(4):\n    out.append(6 // (i - 2))\n",
}


def calls(journal):
    """Make them all, and give for each what was restored, and what it gave."""
    options = {"checkpoint": journal, "on_error": "collect", "backend": "processes"}
    for fn in (record, array, failure, results, point, index, named, reported):
        items = [Failure(x, x, KeyError(x)) for x in range(4)] if fn is index else range(4)
        run = nbexec.map(fn, items, **options).run
        yield fn.__name__, run.stats.restored, None
    with nbexec.Executor(checkpoint=journal, backend="processes") as executor:
        list(executor.map(pow, [2] * 4, range(4)))
    yield "Executor", executor.stats.restored, None
    for name, source in CELLS.items():
        namespace = {"slow": slow, "Point": Point, "__name__": "__main__"}
        given = {*namespace, "__builtins__"}
        namespace |= {"a": numpy.zeros(4)} if name == "an array" else {}
        options["on_error"] = "collect" if name == "a failure" else "raise"
        nbexec.parallel(source, namespace, **options)
        made = {key: repr(value) for key, value in namespace.items() if key not in given}
        yield name, nbexec.last_run().stats.restored, made


if __name__ == "__main__":
    nbexec.configure(progress="off", workers=2)
    shown = [*calls(sys.argv[1])]
    sys.stderr.write(json.dumps(shown))
