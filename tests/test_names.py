"""Names as strings: each leads somewhere, and what is public says `nbexec` as its module."""

from __future__ import annotations

import doctest
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import nbexec
from nbexec.observers import FROM_ABOVE, from_above

ROOT = Path(__file__).parent.parent
BUILT_IN = sys.modules["nbexec.backends"]._BUILT_IN
CLASSES = [name for name in nbexec.__all__ if isinstance(getattr(nbexec, name), type)]


@pytest.mark.parametrize("name", nbexec.__all__)
def test_a_public_name_is_where_the_table_says_and_is_pickled_by_it(name):
    value = getattr(nbexec, name)
    assert getattr(importlib.import_module(f"nbexec.{nbexec._WHERE[name]}"), name) is value
    assert (value.__module__, value.__qualname__) == ("nbexec", name)
    data = pickle.dumps(value)
    assert pickle.loads(data) is value
    assert b"nbexec." not in data


def test_nothing_else_says_that_it_is_public():
    modules = [module for name, module in sys.modules.items() if name.startswith("nbexec.")]
    found = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == "nbexec"
    }
    assert found == {*CLASSES}


def test_a_class_is_public_before_its_name_is_asked_for():
    code = "from nbexec.model import Failure; import pickle; print(pickle.dumps(Failure, 0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "cnbexec\\nFailure" in done.stdout, done


def test_objects_of_public_classes_round_trip():
    results = nbexec.map(lambda x: 1 / x, [1, 0], on_error="collect", progress="off")
    run = results.run
    for one in (results[1], run.stats, run.timeline(), run.timeline()[0], nbexec.Options()):
        assert type(pickle.loads(pickle.dumps(one))) is type(one)
    for name in CLASSES:
        kind = getattr(nbexec, name)
        if issubclass(kind, Exception):
            again = pickle.loads(pickle.dumps(kind("why")))
            assert (type(again), again.args) == (kind, ("why",))


@pytest.mark.parametrize("name", nbexec.__all__)
def test_the_examples_of_a_public_name_are_run_and_once(name):
    """In the module that defines it: see `conftest.py`."""
    found = []
    for module in ("nbexec", f"nbexec.{nbexec._WHERE[name]}"):
        module = sys.modules[module]
        found += [one.name for one in doctest.DocTestFinder().find(module) if one.examples]
    wanted = ">>>" in getattr(nbexec, name).__doc__
    assert found.count(f"nbexec.{nbexec._WHERE[name]}.{name}") == wanted
    assert f"nbexec.{name}" not in found


@pytest.mark.parametrize("what", FROM_ABOVE)
def test_what_comes_from_above_is_there(what):
    assert callable(from_above(what))
    assert FROM_ABOVE[what].startswith("nbexec.notebook.")


@pytest.mark.parametrize("backend", BUILT_IN)
def test_a_built_in_backend_is_there(backend):
    from nbexec.backends.base import Backend

    module, _, name = BUILT_IN[backend].partition(":")
    assert issubclass(getattr(importlib.import_module(module), name), Backend)
