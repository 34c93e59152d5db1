"""What the notebook changed in modules that aren't its own.

Covers `nbexec.system.bytecode`.
"""

from __future__ import annotations

import http.client
import math
import textwrap
from fractions import Fraction

from nbexec.system.bytecode import assigned
from nbexec.worker.library_patches import constants, patches


def mine(text):
    return text


def found():
    """Give what was changed, by module."""
    return {name: {*paths} for name, paths in patches([globals()]).items()}


def test_functions_methods_and_constants(monkeypatch):
    assert found() == {}
    monkeypatch.setattr(textwrap, "fill", mine)
    monkeypatch.setattr(Fraction, "__str__", mine)
    monkeypatch.setattr(Fraction, "more", property(mine), raising=False)
    monkeypatch.setattr(http.client, "HTTP_PORT", 81)
    assert found() == {
        "textwrap": {"fill"},
        "fractions": {"Fraction.__str__", "Fraction.more"},
        "http.client": {"HTTP_PORT"},
    }


def test_constants_that_are_changed_by_their_own_module_are_its_own(tmp_path, monkeypatch):
    (tmp_path / "of_a_library.py").write_text(
        "A = 1\nB = 2\nC = D = 3\n_E = 4\nF = []\nG = 1\nG = 2\ndef f():\n    global B\n    B = 5\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import of_a_library

    assert constants("of_a_library", of_a_library) == {"A": 1}
    del __import__("sys").modules["of_a_library"]


def test_what_code_assigns():
    def of(source):
        return assigned(compile(source, "", "exec"))

    lines = "\n".join(f"n{at} = {at}" for at in range(400))  # more than an argument has room for
    assert of(lines) == {f"n{at}" for at in range(400)}
    assert of("def f():\n    global x\n    x = y = 1\nclass C: z = 1") == {"f", "C", "x"}
    assert of("from os import *") is of("def f(): globals()['x'] = 1") is None


def test_a_method_of_an_abstract_class_found_in_its_module(monkeypatch):
    import fractions

    monkeypatch.setattr(fractions.Fraction, "__str__", mine)
    space = {"fractions": fractions, "mine": mine}
    assert patches([space, globals()])["fractions"] == {"Fraction.__str__": mine}


def test_a_constant_of_a_module_in_c(monkeypatch):
    monkeypatch.setitem(globals(), "math", math)
    assert "math" not in found()
    monkeypatch.setattr(math, "pi", 3)
    assert found()["math"] == {"pi"}
    assert constants("math", math)["e"] == math.e
