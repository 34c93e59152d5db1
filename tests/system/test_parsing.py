"""Parsing while other threads parse, too."""

from __future__ import annotations

import ast
import builtins

import pytest

from nbexec.system import parsing


def test_a_count_that_another_thread_has_spoilt_is_no_error(monkeypatch):
    failed = []

    def sometimes(*args, **kwargs):
        if len(failed) < 3:
            failed.append(args)
            raise SystemError("AST constructor recursion depth mismatch (before=138, after=136)")
        return builtins.compile(*args, **kwargs)

    monkeypatch.setattr(parsing, "compile", sometimes, raising=False)
    assert ast.unparse(parsing.tree_of("a = [1,2]")) == "a = [1, 2]"
    assert len(failed) == 3


def test_what_always_fails_is_raised(monkeypatch):
    def never(*args, **kwargs):
        raise SystemError("something else")

    monkeypatch.setattr(parsing, "compile", never, raising=False)
    with pytest.raises(SystemError, match="something else"):
        parsing.tree_of("1")


def test_wrong_source_is_a_syntax_error():
    with pytest.raises(SyntaxError):
        parsing.tree_of("a =")
