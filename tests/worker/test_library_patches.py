"""What the notebook changed in modules that aren't its own.

Covers `nbexec.system.bytecode`, `nbexec.worker.library_looks` and `nbexec.worker.written_names`.
"""

from __future__ import annotations

import http.client
import math
import textwrap
from fractions import Fraction
from unittest import mock

from nbexec.system.bytecode import assigned, assigned_by
from nbexec.worker.library_patches import GONE, patches
from nbexec.worker.written_names import constants


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


class Mine:
    """A class of the user's."""


def test_names_that_were_added_and_deleted(monkeypatch):
    np = __import__("numpy")  # which makes names as it runs
    monkeypatch.setitem(globals(), "np", np)
    monkeypatch.setitem(globals(), "math", math)
    assert found() == {}
    monkeypatch.setattr(math, "tau2", 6.28, raising=False)
    monkeypatch.setattr(math, "steps", [1, 2], raising=False)
    monkeypatch.setattr(np, "rate", 3, raising=False)
    monkeypatch.setattr(np, "helper", mine, raising=False)
    monkeypatch.setattr(textwrap, "Mine", Mine, raising=False)
    monkeypatch.setattr(textwrap, "indent", Mine())
    monkeypatch.setattr(textwrap, "_cache", 1, raising=False)  # a library's own, perhaps
    monkeypatch.delattr(textwrap, "fill")
    monkeypatch.delattr(math, "tau")
    assert found() == {
        "math": {"tau2", "steps", "tau"},
        "numpy": {"rate", "helper"},
        "textwrap": {"Mine", "indent", "fill"},
    }
    assert patches([globals()])["textwrap"]["fill"] is GONE
    monkeypatch.undo()
    assert found() == {}


class Lazy:
    """Loads what it stands for, and fails, whatever it is asked: ``django.conf.settings``."""

    __module__ = "of.a.library"

    @property
    def __class__(self):
        raise RuntimeError("not configured")

    @property
    def __dict__(self):
        raise RuntimeError("not configured")


class Meta(type):
    @property
    def __module__(cls):
        raise RuntimeError("no module")


def test_objects_of_libraries_are_not_asked_what_they_are(monkeypatch):
    for odd in (Lazy(), mock.Mock(spec=dict), Meta("Odd", (), {"__module__": "of.a.library"})):
        monkeypatch.setattr(textwrap, "odd", odd, raising=False)
        monkeypatch.setattr(Fraction, "odd", odd, raising=False)
        for _ in range(2):
            assert patches([{**globals(), "odd": odd}]) == {}


def test_it_is_seen_that_a_name_stands_for_another_thing_again(monkeypatch):
    for text in ("a", "b"):
        monkeypatch.setattr(textwrap, "fill", lambda x, text=text: text)
        assert patches([globals()])["textwrap"]["fill"]("") == text
        monkeypatch.setattr(Fraction, "__str__", lambda x, text=text: text)
        assert patches([globals()])["fractions"]["Fraction.__str__"](1) == text


def test_what_code_assigns_whatever_happens():
    def of(source):
        return assigned_by(compile(source, "", "exec")).always

    assert of("a = 1\nif a:\n    b = 1\nelse:\n    c = 1\nd = 1") == {"a", "d"}
    assert of("try:\n    import a\nexcept ImportError:\n    b = 1\nelse:\n    c = 1\nd = 1") == {
        "d"
    }
    assert of("for a in ():\n    b = 1\nwhile b:\n    c = 1\nd = 1") == {"d"}
    assert of("with open(''):\n    a = 1\nb = c = 1\ndel c\nb = 2\ndef d(): pass") == {"d"}
    assert of("a = 1\ndef f():\n    global a\n    del a") == {"f"}
