"""Random notebooks with functions, methods, caches and tables: `%%parallel` leaves what they leave.

Compared is all that `whole_state` sees.  Some 40 are always tried; 2,000 take several minutes, are
marked `extended`, and CI runs them.  For a night of others see `compare`.
"""

from __future__ import annotations

import sys

import pytest

from . import compare
from .compare import difference, many, smaller
from .random_notebooks import notebook
from .test_laws import long_run

pytestmark = pytest.mark.plain_first  # `compare` says for each notebook when its loops leave


def assert_alike(backend: str, first: int, count: int) -> None:
    failed, seen = many(first, count, backend)
    sys.stdout.write(f"{backend}: {dict(seen)}\n")
    assert not failed, "\n".join(f"notebook({seed}):\n{text}" for seed, text in failed.items())
    assert seen["parallel"] > count / 5  # else nothing was tested
    assert seen["serial"] > count / 5


@pytest.mark.parametrize(("backend", "count"), [("threads", 20), ("processes", 20)])
def test_a_few_are_left_alike(backend, count):
    assert_alike(backend, 0, count)


# In parts, which workers of the suite share out.
MANY = [
    *(("threads", first, 400) for first in (100, 500, 900)),
    *(("processes", first, 400) for first in (100, 500)),
]


@long_run
@pytest.mark.parametrize(("backend", "first", "count"), MANY)
def test_many_are_left_alike(backend, first, count):
    assert_alike(backend, first, count)


# A list's item raises in the kernel after some of workers; a local name is that of a global; a
# local name has no value, whose line depends on how warm Python's code is.
@pytest.mark.parametrize("seed", [713, 300314, 640059])
def test_what_was_once_found_stays_mended(seed):
    failed, _ = many(seed, 1, "threads")
    assert not failed


def test_a_number_stands_for_one_notebook():
    assert notebook(7) == notebook(7)
    assert notebook(7) != notebook(8)


STATES = {
    "another object": ("ys = [xs]", "ys = [list(xs)]"),
    "another order": ("s = {0, 8}", "s = {8, 0}"),
    "another order of texts": ("s = set(); s.add('a'); s.add('b')", "s = {'b'}; s.add('c')"),
    "another class": (
        "class C: pass\nc = C()\nd = C()",
        "class C: pass\nc = C()\nC2 = C\nclass C: pass\nd = C()\ndel C2",
    ),
    "an attribute of a class": ("class C: n = 1", "class C: n = 2"),
    "a view": ("import numpy as np\na = np.arange(4)[:2]", "import numpy as np\na = np.arange(2)"),
    "a full cache": ("sq(2)\nsq(2)", "sq(2)"),
    "a warning": ("import warnings\nwarnings.warn('w')", "import warnings"),
    "a bar": ("for x in tqdm(xs): pass", "for x in xs: pass"),
    "random numbers": ("import random\nrandom.random()", "import random"),
    "a line of a traceback": ("1 / 0", "\n1 / 0"),
    "a default": ("def f(a=[]): pass\nf.__defaults__[0].append(1)", "def f(a=[]): pass"),
    "a closure": ("def g():\n  n = 1\n  return lambda: n\nh = g()", "def g():\n  n = 2\n  return lambda: n\nh = g()"),
}  # fmt: skip
EARLIER = "import functools\nfrom tqdm import tqdm\nxs = [3, 4]\n@functools.cache\ndef sq(n): return n * n\n"


@pytest.mark.parametrize(("one", "other"), STATES.values(), ids=STATES)
def test_a_difference_is_seen(one, other, monkeypatch):
    assert difference([EARLIER], one, "threads", 1)[0] == {}
    monkeypatch.setattr(
        compare.nbexec,
        "parallel",
        lambda _, names, **__: exec(compile(other, "<cell>", "exec"), names),
    )
    assert difference([EARLIER], one, "threads", 1)[0]


def test_a_smaller_one_still_fails():
    source = "a = 1\nif a:\n    for x in range(3):\n        b = x\n        c = 1 / x\nd = 4"

    def fails(source: str) -> bool:
        try:
            exec(source, {})
        except ZeroDivisionError:
            return True
        except Exception:
            return False
        return False

    assert smaller(source, fails) == "for x in range(3):\n    c = 1 / x"
