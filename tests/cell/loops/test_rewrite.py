"""A body as a function of one item: a traceback reads as if the cell itself had run."""

from __future__ import annotations

import traceback

import pytest

from ..both_ways import both, frames


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_traceback_shows_the_lines_of_the_cell(where):
    source = "def f(x):\n    return 1 / x\nout = []\nfor x in [1, 0]:\n    out.append(f(x))"
    left = both(source, where)
    assert frames(left.error) == [("<cell>", 5, "<module>"), ("<cell>", 2, "f")]
    said = "".join(traceback.format_exception(left.error))
    assert "out.append(f(x))" in said
    assert not hasattr(left.error, "__notes__")
