"""Modules that change: no worker runs the code that they had."""

from __future__ import annotations

import importlib
import sys

import pytest
from IPython.extensions.autoreload import ModuleReloader

import nbexec
from nbexec.worker import module_reloads


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's that workers can import, and what rewrites it."""
    name = f"reloaded_{tmp_path.name}"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / f"{name}.py"

    def write(text: str):
        file.write_text(f"TEXT = {text!r}\ndef f(x):\n    return TEXT\n")
        importlib.invalidate_caches()
        if name in sys.modules:
            return importlib.reload(sys.modules[name])
        return importlib.import_module(name)

    write.file, write.first = file, write("first")
    yield write
    del sys.modules[name]


def called(remote, module):
    """Give what the workers say: of a function by its name, and of one that calls it."""
    by_name = nbexec.map(module.f, range(4), backend=remote)
    by_value = nbexec.map(lambda x: module.f(x), range(4), backend=remote)
    (found,) = {*by_name, *by_value}
    return found


def test_a_reloaded_module_is_reloaded_in_workers_that_have_it(remote, module, tmp_path):
    script = module.first
    nbexec.map(_with_path, [str(tmp_path)] * 4, backend=remote)
    assert called(remote, script) == "first"
    for text in ("second, longer", "third"):
        module(text)
        assert script.f(0) == text
        assert called(remote, script) == text


def _with_path(folder):
    """Let a worker find modules in a folder."""
    import sys

    if folder not in sys.path:
        sys.path.insert(0, folder)


def test_one_that_was_imported_anew_is_too(remote, module, tmp_path):
    script = module.first
    nbexec.map(_with_path, [str(tmp_path)] * 4, backend=remote)
    assert called(remote, script) == "first"
    del sys.modules[script.__name__]
    assert called(remote, module("another")) == "another"


def test_one_that_breaks_is_told(remote, module, tmp_path):
    script = module.first
    nbexec.map(_with_path, [str(tmp_path)] * 4, backend=remote)
    assert called(remote, script) == "first"
    module("second")
    module.file.write_text("raise RuntimeError('half written')\n")
    with pytest.raises(nbexec.PickleError, match="half written"):
        called(remote, script)
    assert nbexec.map(abs, range(-4, 0), backend=remote) == [4, 3, 2, 1]  # others don't need it
    assert called(remote, module("mended")) == "mended"


def test_nothing_is_followed_twice(monkeypatch):
    done = []
    monkeypatch.setattr(importlib, "reload", lambda module: done.append(module.__name__))
    monkeypatch.setattr(module_reloads, "_followed", {})
    for times in (1, 1, 2, 2, 1):
        module_reloads.follow((("json", times, False), ("not imported here", times, False)))
    assert done == ["json", "json"]


def test_what_was_installed_is_not_looked_at():
    module_reloads.reloaded()
    assert "pytest" not in module_reloads._specs
    assert __name__ in module_reloads._specs


@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_functions_that_autoreload_patched_are_the_new_ones_in_workers(
    backend, tmp_path, monkeypatch
):
    name = f"patched_{tmp_path.name}"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / f"{name}.py"
    text = (
        "class A:\n    me = None\n    def v(self): return {0}\nA.me = A\ndef f(x): return x, {0}\n"
    )
    file.write_text(text.format("'first'"))
    (tmp_path / f"{name}_user.py").write_text(f"from {name} import f\ndef g(x): return f(x)\n")
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    user = importlib.import_module(f"{name}_user")
    thing = module.A()
    reloader = ModuleReloader()
    reloader.check(check_all=True)

    def as_here() -> bool:
        found = nbexec.map(lambda x: (module.f(x), thing.v(), user.g(x)), range(4), backend=backend)
        by_name = nbexec.map(module.f, range(4), backend=backend)
        plain = [(module.f(x), thing.v(), user.g(x)) for x in range(4)]
        return found == plain and by_name == [one for one, *_ in plain]

    try:
        assert as_here()
        for longer in ("'the second'", "'third, longer'"):
            file.write_text(text.format(longer))
            reloader.check(check_all=True)
            assert module.f(1) == (1, longer.strip("'"))
            assert as_here()
    finally:
        del sys.modules[name], sys.modules[f"{name}_user"]
