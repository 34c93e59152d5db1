"""`own_functions`: the user's functions that a statement may call.

Covers `nbexec.cell.own_functions.reach`.
"""

from __future__ import annotations

import ast
import json

import pytest

from nbexec.cell.own_functions.reach import own_functions

CODE = '''
import functools, json
def a(): return b() + C().m()
def b(): return json.dumps(1)
class Base:
    def inherited(self): return d()
class C(Base):
    def m(self): return 1
    @staticmethod
    def s(): return 2
    @property
    def p(self): return 3
def d(): return 4
def unused(): return 5
def outer():
    def inner(): return d()
    return inner
closed = outer()
@functools.lru_cache
def cached(): return d()
thing = C()
bound = thing.m
'''  # fmt: skip


@pytest.fixture(scope="module")
def names():
    found = {"json": json}
    exec(CODE, found)
    return found


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("a()", "a b d inherited m p s"),
        ("b()", "b"),
        ("x = 1", ""),
        ("json.dumps(1)", ""),
        ("thing.m()", "d inherited m p s"),
        ("bound()", "d inherited m p s"),
        ("closed()", "d inner"),
        ("C()", "d inherited m p s"),
        ("len([])", ""),
        ("missing()", ""),
    ],
)
def test_what_a_statement_may_call(names, statement, wanted):
    found = own_functions(ast.parse(statement), names)
    assert " ".join(sorted(one.__name__ for one in found)) == wanted
