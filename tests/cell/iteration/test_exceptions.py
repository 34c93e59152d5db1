"""Exceptions that a body raises: without nbexec's frames, with their causes, from any worker.

Covers `nbexec.cell.iteration.iteration`.
"""

from __future__ import annotations

import traceback

import pytest

import nbexec

from ..both_ways import both, frames, kind, plainly, reason, run

RAISING = {
    "SystemExit": "import sys\nout = []\nfor x in [1, 2, 3]:\n    out.append(x)\n"
    "    if x == 2:\n        sys.exit(5)",
    "StopIteration": "out = []\nfor x in [1, 2]:\n    out.append(x)\n    raise StopIteration(x)",
    "a class of the notebook": """
class Odd(Exception):
    def __init__(self, number):
        super().__init__(f"{number} is odd")
        self.number = number

out = []
for x in [2, 4, 5, 6]:
    if x % 2:
        raise Odd(x)
    out.append(x)
""",
    "a cause": """
out = []
for x in [1, 0]:
    try:
        out.append(1 / x)
    except ZeroDivisionError as error:
        raise ValueError(x) from error
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_cause_comes_along(where):
    left = both(RAISING["a cause"], where)
    cause = left.error.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert frames(cause) == [("<cell>", 5, "<module>")]


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_debug_raises_what_the_body_raised(backend):
    cell = "out = []\nfor x in [1, 0]:\n    out.append(1 / x)\n"
    with pytest.raises(ZeroDivisionError) as raised:
        nbexec.parallel(cell, {}, backend=backend, progress="off")
    assert not hasattr(raised.value, "partial_results")
    assert not hasattr(raised.value, "__notes__")
    run = nbexec.last_run()
    (failure,) = run.failures
    assert failure.exception is raised.value
    with pytest.raises(ZeroDivisionError) as again:
        run.debug(1)
    assert again.value.__context__ is None


CHAINED = """
class Odd(Exception):
    pass
def broken(x):
    try:
        return 1 / x
    except ZeroDivisionError as error:
        raise Odd("no") from error
out = [broken(x) for x in [1, 0]]
"""


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_what_an_exception_came_from_comes_along(backend):
    names = {}
    with pytest.raises(Exception, match="no") as raised:
        nbexec.parallel(CHAINED, names, backend=backend, progress="off")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert raised.value.__cause__.__traceback__.tb_lineno == 6
    with pytest.raises(Exception, match="no") as raised:
        nbexec.map(names["broken"], [1, 0], backend=backend, progress="off")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert raised.value.__cause__.__traceback__.tb_lineno == 6


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_a_cause_that_cannot_be_sent_is_not_lost(backend):
    cell = "import threading\nclass Odd(Exception):\n    pass\ndef broken(x):\n    try:\n"
    cell += "        raise Odd(threading.Lock())\n    except Odd as error:\n"
    cell += "        raise ValueError('no') from error\nout = [broken(x) for x in [1, 0]]"
    with pytest.raises(ValueError, match="no") as raised:
        nbexec.parallel(cell, {}, backend=backend, progress="off")
    assert type(raised.value.__cause__).__name__ == "Odd"


KEPT = """
class Failed(Exception):
    def __init__(self, number, cause):
        super().__init__(f"{number} failed")
        self.number, self.told = number, cause
def attempt(x):
    try:
        try:
            return 12 // (3 - x)
        except ZeroDivisionError as error:
            raise Failed(x, error) from error
    except Failed as error:
        return error
def several(x):
    found = []
    for k in (0, x):
        try: found.append(3 // (k - x))
        except ZeroDivisionError as error: found.append(error)
    return ExceptionGroup("some", [ValueError(x), *found[1:]])
"""
VALUES = {
    "returned": "out = [attempt(x) for x in [1, 3, 2, 3]]",
    "noted": "out = []\nfor x in [1, 3, 2]:\n    try: out.append(12 // (3 - x))\n    except ZeroDivisionError as error: out.append(error)",
    "in another": "out = {x: (attempt(x), [x]) for x in [1, 3, 2]}",
    "in a group": "out = [several(x) for x in [1, 2]]",
    "never raised": "out = [KeyError(x) for x in [1, 2]]",
}  # fmt: skip


def texts(value: object) -> list[str]:
    """Give what is shown of each exception in a value, from where it was raised."""
    if isinstance(value, BaseException):
        told = value.told if hasattr(value, "told") else value.__cause__
        same = told is value.__cause__, value.__cause__ is value.__context__
        return [repr(same), *traceback.format_exception(value)]
    if isinstance(value, dict):
        return texts(list(value.values()))
    return [text for one in value for text in texts(one)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_an_exception_that_is_a_value_keeps_its_traceback_and_its_cause(name, where):
    plain, ours = run(plainly, KEPT + VALUES[name]), both(KEPT + VALUES[name], where)
    assert kind(ours) == "parallel", reason(ours)
    assert texts(ours.names["out"]) == texts(plain.names["out"])


COMPREHENSIONS = {
    "a list": "out = [broken(x) for x in range(6)]",
    "a dict": "out = {x: broken(x) for x in range(6)}",
    "a set": "out = {broken(x) for x in range(6)}",
    "a generator": "out = sum(broken(x) for x in range(6))",
    "a list inside a dict": "out = {x: [broken(x + y) for y in range(2)] for x in range(6)}",
    "a dict inside a list": "out = [{y: broken(x + y) for y in range(2)} for x in range(6)]",
}


@pytest.mark.parametrize("cell", COMPREHENSIONS.values(), ids=COMPREHENSIONS)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_traceback_names_the_kind_of_comprehension(cell, where):
    made = "def broken(x): return 12 // (3 - x)\n"
    plain, ours = run(plainly, made + cell), both(made + cell, where)
    assert frames(ours.error) == frames(plain.error)


def test_in_the_kernel_too():
    made = "class K:\n    def __hash__(self): return 1 // 0\nmemo = {}\n"
    made += "def f(n):\n    if n == 3: memo[K()] = n\n    return n\n"
    cell = f"{made}out = {{n: f(n) for n in range(5)}}"
    plain, ours = run(plainly, cell), both(cell)
    assert frames(ours.error) == frames(plain.error)
