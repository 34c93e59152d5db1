"""Instrumented code where it is not expected: in a pickle of the user's, and in a long session."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

import nbexec
from nbexec.cell.own_functions import entering
from nbexec.serialize.cloud_pickler import stands_for

from ..both_ways import both, leaving_after

pytestmark = pytest.mark.plain_first

F = """
import cloudpickle
def work(x):
    return x * x
def f(xs):
    out = []
    for x in xs:
        if x == 7: break
        out.append(work(x))
    else:
        out.append("end")
    return out, [work(x) for x in xs], {work(x) for x in xs}, sum(work(x) for x in xs)
"""


def test_a_pickle_of_the_users_works_without_nbexec(tmp_path):
    names = {}
    cell = F + "data, value = cloudpickle.dumps(f), f(range(3))"
    nbexec.parallel(cell, names, progress="off", backend="threads")
    (tmp_path / "f").write_bytes(names["data"])
    code = (
        "import sys, pickle; sys.modules['nbexec'] = None; "
        f"f = pickle.load(open({str(tmp_path / 'f')!r}, 'rb')); print(f(range(3)), f(range(9)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{names['f'](range(3))} {names['f'](range(9))}"
    assert b"_nbexec_loop" in names["data"]  # it was pickled while its code was another


def test_a_pickle_that_is_read_in_the_cell_is_the_function():
    both(F + "g = cloudpickle.loads(cloudpickle.dumps(f))\nvalue = g(range(9))\ndel g", "threads")


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_code_of_one_text_knows_the_names_of_its_own_module(where):
    one = "def f(xs): return sum(work(x) for x in xs)\n"
    source = (
        "import types\ntext = " + repr(one) + "\n"
        "def work(x): return x + 1\n"
        "here, there = types.ModuleType('here'), types.ModuleType('there')\n"
        "for module in (here, there):\n"
        "    vars(module)['work'] = work\n"
        "    exec(compile(text, '<earlier cell>', 'exec'), vars(module))\n"
        "there.sum = lambda items: list(items)[:1]\n"
        "f, g = here.f, there.f\n"
    )
    with leaving_after(2):
        both(source + "first = f(range(9))\nsecond = g(range(9))\ndel here, there, module", where)


def test_nothing_is_kept_of_what_is_gone(monkeypatch):
    monkeypatch.setattr(entering, "MOST", 3)
    before = len(entering._sites)
    for number in range(9):
        names = {}
        cell = f"def f(xs): return [abs(x - {number}) for x in xs]\nvalue = str(f([3])) + "
        cell += "str([f([y]) for y in [1]])"
        nbexec.parallel(cell, names, progress="off", backend="threads", filename=f"<c {number}>")
    gone = weakref.ref(names["f"])
    assert len(entering._made) <= 3
    assert len(entering._sites) == before
    names.clear()
    gc.collect()
    assert gone() is None
    assert len(stands_for) <= 3
