"""`recompiled`: a function keeps its names, its place and its free names."""

from __future__ import annotations

import ast
import copy

from nbexec.cell.analysis.recompile import may_be_recompiled, recompiled
from nbexec.cell.analysis.source import function_node


def outer(start):
    def add(x):
        return start + x

    return add


class Owner:
    def __secret(self):
        return 1

    def tell(self):
        return self.__secret()


def again(function):
    node = function_node(function.__code__)
    assert may_be_recompiled(node, function.__code__)
    return recompiled(copy.deepcopy(node), function.__code__)


def test_a_function_with_free_names_stays_the_same():
    code = again(outer(3))
    assert code == outer(3).__code__
    assert code.co_qualname == "outer.<locals>.add"


def test_a_method_keeps_its_private_names():
    assert again(Owner.tell) == Owner.tell.__code__


def test_what_may_stand_in_an_unknown_class_is_left_alone():
    def inside():
        return __hidden  # noqa: F821

    node = ast.parse("def inside(): return __hidden").body[0]
    assert not may_be_recompiled(node, inside.__code__)
