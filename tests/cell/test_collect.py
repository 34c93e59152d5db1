"""`on_error="collect"` in cells: an iteration that raises costs that iteration alone.

Covers `nbexec.cell.execution.commit`, `nbexec.cell.execution.dispatch`,
`nbexec.cell.execution.loop_run` and `nbexec.cell.report`.
"""

from __future__ import annotations

import pytest

import nbexec

WHERE = ["threads", "processes", "serial"]


def collected(source, backend="threads", **options):
    """Run a cell; give its names and its report."""
    names = {}
    options = {"on_error": "collect", "progress": "off", "backend": backend, **options}
    return names, nbexec.parallel(source, names, **options)


LOOP = """
out, counts, total = [], {"a": 0}, 0
for x in [1, 0, 2, "a", 4]:
    kept = x
    out.append(x)
    print("item", x)
    total += x
    out.append(4 / x)
else:
    ended = True
"""


@pytest.mark.parametrize("backend", WHERE)
def test_an_iteration_that_raises_costs_that_iteration_alone(backend, capsys):
    names, report = collected(LOOP, backend)
    assert names["out"] == [1, 4.0, 2, 2.0, 4, 1.0]
    assert (names["total"], names["ended"]) == (7, True)
    assert (names["x"], names["kept"]) == (4, 4)
    assert capsys.readouterr().out == "item 1\nitem 2\nitem 4\n"
    assert [(one.index, one.item) for one in report.failures] == [(1, 0), (3, "a")]
    first, second = (one.exception for one in report.failures)
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, TypeError)
    assert first.__traceback__.tb_lineno == 8
    said = str(report)
    assert "3 items on" in said
    assert "left out: 2 that failed" in said
    assert "item 1: ZeroDivisionError: division by zero  0" in said


def test_the_names_are_those_of_the_last_iteration_that_did_not_fail():
    names, _ = collected("y = 0\nout = []\nfor x in [2, 0]:\n    y = 4 / x\n    out.append(y)\n")
    assert (names["x"], names["y"]) == (2, 2.0)
    names, _ = collected("out = []\nfor x in [0]:\n    out.append(1 / x)\n")
    assert "x" not in names  # as after a loop over no items


@pytest.mark.parametrize("backend", WHERE)
def test_comprehensions_leave_out_what_failed(backend):
    cell = "xs = [1, 0, 2]\na = [4 / x for x in xs]\nb = {x: 4 / x for x in xs}\n"
    cell += "c = sum(4 / x for x in xs)\n"
    names, report = collected(cell, backend)
    assert (names["a"], names["b"], names["c"]) == ([4.0, 2.0], {1: 4.0, 2: 2.0}, 6.0)
    assert [one.index for one in report.failures] == [1, 1, 1]


def test_what_fails_only_where_it_is_applied_is_left_out_too():
    cell = "d = {'a': 0}\nout = []\nfor k in 'aba':\n    out.append(k)\n    d[k] += 1\n"
    names, report = collected(cell)
    assert (names["d"], names["out"]) == ({"a": 2}, ["a", "a"])
    (failure,) = report.failures
    assert (failure.index, repr(failure.exception)) == (1, "KeyError('b')")


def test_what_the_body_catches_itself_is_no_failure():
    cell = "d = {'a': 0}\nout = []\nfor k in 'aba':\n    try:\n        d[k] += 1\n"
    cell += "    except KeyError:\n        out.append(k)\n"
    names, report = collected(cell)
    assert (names["d"], names["out"]) == ({"a": 2}, ["b"])
    assert not report.failures


def test_nothing_after_a_break_is_seen():
    cell = (
        "out = []\nfor x in [1, 0, 5, 0]:\n    out.append(1 / x)\n    if x == 5:\n        break\n"
    )
    names, report = collected(cell)
    assert names["out"] == [1.0, 0.2]
    assert [one.index for one in report.failures] == [1]


def test_a_break_of_an_iteration_that_fails_breaks_nothing():
    cell = "d = {'a': 0}\nout = []\nfor k in 'abac':\n    if k in 'bc':\n        d[k] += 1\n"
    cell += "        break\n    out.append(k)\n"
    with pytest.raises(KeyError, match="c"):  # what comes after it can't be collected
        collected(cell)


def test_a_serial_loop_raises_what_it_raises_and_the_report_says_so():
    cell = "last = 1\nout = []\nfor x in {}:\n    last = x / last\n    out.append(last)\n"
    with pytest.raises(ZeroDivisionError):
        collected(cell.format("[1, 0, 2, 3]"))
    _, report = collected(cell.format("[1, 2, 3]"))
    assert "line 4: serial: reads `last`" in str(report)
    assert "so no failure in it was collected" in str(report)


def test_limits_that_a_serial_loop_does_not_have_are_said():
    cell = "last = 1\nout = []\nfor x in [1, 2, 3]:\n    last = x / last\n    out.append(last)\n"
    report = nbexec.parallel(cell, {}, rate="1000/s", timeout=10.0, progress="off")
    assert "so rate= and timeout= did not hold for it" in str(report)
    assert "did not hold" not in str(nbexec.parallel(cell, {}, progress="off"))


def test_a_statement_that_raises_raises():
    with pytest.raises(ZeroDivisionError):
        collected("a = 1 / 0")
    cell = "def f(x):\n    return 1 / x\na = f(1)\nb = f(0)\nc = f(2)\n"
    with pytest.raises(ZeroDivisionError):
        collected(cell)


def test_a_default_of_the_session_does_not_change_what_a_cell_leaves():
    with nbexec.options(on_error="collect", progress="off"), pytest.raises(ZeroDivisionError):
        nbexec.parallel("out = [1 / x for x in [1, 0]]", {}, backend="threads")


def test_with_strict_a_loop_that_could_not_collect_is_an_error():
    cell = "last = 1\nfor x in [1, 0]:\n    last = x / last\n    y = last\n"
    with pytest.raises(nbexec.SerialError):
        collected(cell, strict=True)


def test_an_item_that_takes_too_long_is_left_out():
    cell = "import time\nout = []\nfor x in [0, 60, 0]:\n    time.sleep(x)\n    out.append(x)\n"
    names, report = collected(cell, "processes", timeout=1.5, workers=1)
    assert names["out"] == [0, 0]
    (failure,) = report.failures
    assert isinstance(failure.exception, nbexec.ItemTimeout)
    assert (failure.index, failure.item) == (1, 60)


def test_a_worker_that_dies_costs_its_item(tmp_path):
    cell = "import os\nout = []\nfor x in [1, 2, 3]:\n    if x == 2:\n        os._exit(9)\n"
    cell += "    out.append(x)\n"
    names, report = collected(cell, "processes", workers=1)
    assert names["out"] == [1, 3]
    assert [one.kind for one in report.failures] == ["lost"]


FLAKY = """
import os
def flaky(x):
    if x and not os.path.exists(there):
        raise OSError(f"not yet {x}")
    return x
out = []
for x in range(3):
    out.append(flaky(x))
"""


@pytest.mark.parametrize("kinds", [None, OSError, "OSError", lambda one: "not yet" in str(one)])
def test_retries_see_what_the_body_raised(tmp_path, kinds):
    there = tmp_path / "there"
    names = {"there": str(there)}
    options = {"retries": 1, "retry_on": kinds, "retry_wait": lambda attempt: there.touch() or 0}
    report = nbexec.parallel(FLAKY, names, backend="threads", progress="off", **options)
    assert report.stats.retried
    assert names["out"] == [0, 1, 2]
    there.unlink()
    with pytest.raises(OSError, match="not yet 1"):
        nbexec.parallel(
            FLAKY, names, backend="threads", progress="off", **{**options, "retry_on": KeyError}
        )


def test_a_rerun_with_a_journal_does_what_failed(tmp_path):
    journal = tmp_path / "cell.db"
    cell = "import os\nout = []\nfor x in range(4):\n    if x == 2 and not os.path.exists(there):\n"
    cell += "        raise OSError('not there')\n    out.append(x)\n"
    there = tmp_path / "there"
    options = {"backend": "processes", "checkpoint": journal, "workers": 1}
    names = {"there": str(there)}
    report = nbexec.parallel(cell, names, on_error="collect", progress="off", **options)
    assert names["out"] == [0, 1, 3]
    assert [one.index for one in report.failures] == [2]
    there.touch()
    report = nbexec.parallel(cell, names, on_error="collect", progress="off", **options)
    assert names["out"] == [0, 1, 2, 3]
    assert report.stats.restored == 3
    assert not report.failures


def test_a_deadline_raises_and_leaves_what_was_before_it():
    cell = "import time\nout = []\nfor x in [0, 0, 60, 60]:\n    time.sleep(x)\n    out.append(x)\n"
    names = {}
    with pytest.raises(nbexec.DeadlineExceeded):
        nbexec.parallel(
            cell, names, backend="processes", workers=1, on_error="collect", deadline=2,
            progress="off", chunk=1,
        )  # fmt: skip
    assert names["out"] == [0, 0]
