"""Statements that run at the same time, and those that wait for one another.

Covers `nbexec.cell.loops.standalone`, `nbexec.cell.execution.grouping` and
`nbexec.cell.execution.durations`.
"""

from __future__ import annotations

import threading
import time

import pytest

import nbexec
from nbexec.cell.analysis.source import remember
from nbexec.cell.execution import group_run, grouping
from nbexec.cell.execution.durations import MOST, Durations, called
from nbexec.cell.execution.group_run import NotThere, StatementGroup, find_group
from nbexec.cell.execution.in_kernel import StatementRunner, parse
from nbexec.cell.iteration.iteration import Changed, IterationRecord
from nbexec.options import resolve

from ..both_ways import WORK, both

RAISING = {
    "a name that a handler takes away": """
def work(x):
    return 1 / x
error = 1
try:
    a = work(0)
except ZeroDivisionError as error:
    a = 1
b = work(2)
error
""",
}


@pytest.mark.parametrize("source", RAISING.values(), ids=RAISING)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_exceptions_leave_what_they_leave_serially(source, where):
    both(source, where)


AT_ONCE = {
    "calls that don't depend on one another": ("a = work(1)\nb = work(2)\nc = a + b", [5, 6]),
    "what comes between": ("a = work(1)\nn = 3\nprint('n', n)\nb = work(2)", [5, 8]),
    "stores, sums and appends": (
        "d, out, n = {}, [], 1\nd['a'] = work(1)\nout.append(work(2))\nn += work(3)\nd['b'] = work(4)",
        [6, 7, 8, 9],
    ),
    "a name that is read and bound": ("x = 2\nx = work(x)\ny = work(3)", [6, 7]),
    "blocks": (
        "a = 1\nif a:\n    b = work(1)\ntry:\n    c = work(2)\nexcept ValueError:\n    c = 0",
        [6, 8],
    ),
    "one that waits for another": ("a = work(1)\nb = work(a)\nc = work(2)\nd = work(b)", [5, 7]),
    "the value of the cell": ("a = work(1)\nwork(2)", [5, 6]),
    "an error": ("a = work(1)\nb = work('x')\nc = work(2)", None),
    "an error before": ("a = work(1)\nb = missing\nc = work(2)", None),
    "an unpacking that fails": ("a, b = work(1), 2\nc, d = work(1), 2\ne, f = work(2)", None),
    "the clock": (
        "t = time.perf_counter()\na = work(1)\nu = time.perf_counter()\nok = u > t\ndel t, u",
        [],
    ),
    "a bare call": ("log = []\na = work(1)\ntime.sleep(0)\nb = work(2)", []),
    "a list that the other reads": ("out = []\nout.append(work(1))\nn = work(len(out))", []),
    "a list that the other reaches": (
        "out = []\nbox = [out]\nout.append(work(1))\nn = work(len(box[0]))",
        [],
    ),
    "a function that reads what the other binds": (
        "k = 1\ndef f(x):\n    return work(x + k)\na = f(1)\nk = work(2)\nb = f(1)",
        [8, 9],
    ),
    "random numbers": (
        "import random\nrandom.seed(1)\na = random.random()\nb = random.random()",
        [],
    ),
}


@pytest.mark.parametrize(("source", "lines"), AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.parametrize("where", ["threads", "processes", "auto"])
def test_statements_at_once(source, lines, where):
    left = both(WORK + source, where)
    if lines is None:
        assert left.error is not None
    else:
        steps = left.report.steps
        assert [step.first for step in steps if step.kind == "together"] == lines, str(left.report)


# ---------------------------------------------------------------- patience

PAIR = "a = work(1)\nb = work(2)\nc = 1\nd = work(a)"


@pytest.fixture
def patient(monkeypatch):
    """Have statements run alone for a while, as they do outside tests."""
    monkeypatch.setattr(StatementGroup, "patience", group_run.PATIENCE)
    monkeypatch.setattr(grouping, "known", Durations())


class Ended:
    """An event that isn't waited for: it says how long it would have been waited for."""

    def __init__(self, *waits: bool, after: bool = False) -> None:
        self.waits = list(waits)
        self.waited: list[float] = []
        self.after = after

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return self.waits.pop(0)

    def is_set(self) -> bool:
        return self.after

    def set(self) -> None:
        self.after = True


class Called:
    """Functions that the statement in the kernel calls."""

    def __init__(self, have_loops: bool = False, stops: bool = True) -> None:
        self.have_loops = have_loops
        self.stops = stops
        self.done: list[str] = []

    def stop(self) -> bool:
        self.done.append("stop")
        return self.stops

    def go_on(self) -> None:
        self.done.append("go on")


def names_of(source: str) -> dict:
    names: dict = {}
    remember(source, "<earlier>")
    exec(compile(source, "<earlier>", "exec", dont_inherit=True), names)
    return names


def found(source: str = PAIR) -> StatementGroup | None:
    cell = parse(source, "<cell>")
    return find_group(0, StatementRunner(cell, names_of(WORK)), len(cell.body) - 1)


def handed_over(
    monkeypatch, ended: Ended, backend: str, warm: bool = True, called: Called | None = None
) -> list:
    """Have a group wait, and give the options of the runs that it starts."""
    given: list = []
    started = group_run.results_of
    monkeypatch.setattr(group_run, "is_warm", lambda name: warm)
    group = found()
    assert group is not None
    group._ended = ended
    group._options, group._given = resolve({"backend": backend}), {"backend": backend}
    group._functions = called or Called()

    def run(function, items, modules, options, watch):
        given.append((options, [*group.members]))
        return started(function, items, modules, {"backend": "serial", "progress": "off"})

    with monkeypatch.context() as patch:
        patch.setattr(group_run, "results_of", run)
        group._wait()
    return given


def test_a_short_statement_has_no_company(monkeypatch, patient):
    ended = Ended(True)
    assert handed_over(monkeypatch, ended, "threads") == []
    assert ended.waited == [group_run.PATIENCE]


def test_after_a_while_the_others_are_handed_over(monkeypatch, patient):
    ended = Ended(False, False)
    ((given, members),) = handed_over(monkeypatch, ended, "threads")
    assert members == [1]  # the last one waits for the first
    assert given["backend"] == "threads"
    assert ended.waited == [group_run.PATIENCE, 0.0]


def test_what_takes_long_to_send_is_handed_over_later(monkeypatch, patient):
    monkeypatch.setattr(group_run, "weight", lambda things: 3 * group_run.SENT)
    ended = Ended(False, True)
    assert handed_over(monkeypatch, ended, "processes") == []
    assert ended.waited == [group_run.PATIENCE, 3 - group_run.PATIENCE]
    assert len(handed_over(monkeypatch, Ended(False, False), "processes")) == 1


def test_processes_that_have_to_be_started_are_waited_for_longer(monkeypatch, patient):
    ended = Ended(False, True)
    assert handed_over(monkeypatch, ended, "processes", warm=False) == []
    assert ended.waited == [group_run.PATIENCE, (group_run.POOL - 1) * group_run.PATIENCE]
    assert len(handed_over(monkeypatch, Ended(False, False, False), "processes", warm=False)) == 1
    assert len(handed_over(monkeypatch, Ended(False, False), "processes", warm=True)) == 1


@pytest.mark.parametrize(("held", "backend"), [(True, "processes"), (False, "threads")])
def test_the_backend_suits_what_the_first_does(monkeypatch, patient, held, backend):
    monkeypatch.setattr(group_run, "_gil_held", lambda: held)
    ((given, _),) = handed_over(monkeypatch, Ended(False, False), "auto")
    assert given["backend"] == backend


def test_a_statement_whose_functions_have_workers_has_no_company(monkeypatch, patient):
    functions = Called(stops=False)
    assert handed_over(monkeypatch, Ended(False), "threads", called=functions) == []
    assert functions.done == ["stop"]


def test_loops_of_functions_may_go_to_workers_first(monkeypatch, patient):
    ended, functions = Ended(False, True), Called(have_loops=True)
    assert handed_over(monkeypatch, ended, "threads", called=functions) == []
    assert ended.waited[1] == (group_run.LOOPS - 1) * group_run.PATIENCE
    assert functions.done == []
    functions = Called(have_loops=True)
    ended = Ended(False, False, False)
    assert len(handed_over(monkeypatch, ended, "threads", called=functions)) == 1
    assert functions.done == ["stop"]


def test_functions_go_on_where_there_is_no_company(monkeypatch, patient):
    monkeypatch.setattr(StatementGroup, "_others", lambda group: {})
    functions = Called()
    assert handed_over(monkeypatch, Ended(False), "threads", called=functions) == []
    assert functions.done == ["stop", "go on"]


def test_a_statement_that_ends_meanwhile_has_no_company(monkeypatch, patient):
    assert handed_over(monkeypatch, Ended(False, False, after=True), "threads") == []


def test_what_cannot_be_looked_at_meanwhile_has_no_company(monkeypatch, patient):
    def changed(group):
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(StatementGroup, "_others", changed)
    assert handed_over(monkeypatch, Ended(False), "threads") == []


def test_what_took_no_time_before_is_not_looked_at(monkeypatch, patient):
    monkeypatch.setattr(grouping, "_alone", lambda *given: pytest.fail("it is looked at"))
    first = parse(PAIR, "<cell>").body[0]
    grouping.known.note(called(first, names_of(WORK)), 0.001)  # the same code, in other names
    assert found() is None


def test_what_a_statement_took_is_noted(patient):
    left = both(WORK + "a = work(1)")
    (took,) = grouping.known._seconds.values()
    assert 0 < took <= left.report.steps[-1].seconds


def test_what_took_long_before_is_not_waited_for(patient):
    names = names_of(WORK)
    first = parse(PAIR, "<cell>").body[0]
    grouping.known.note(called(first, names), 1.0)
    group = found()
    assert group is not None
    group._ended = ended = Ended(True)
    group._wait()
    assert ended.waited == [0]


def test_it_is_another_function_once_it_is_defined_anew():
    call = parse("x = f(1)", "<cell>").body[0]
    one, other = (names_of(f"def f(x): return x + {n}") for n in (1, 2))
    assert called(call, one) == called(call, dict(one))
    assert called(call, one) != called(call, other)


def test_durations_are_not_remembered_without_end():
    known = Durations()
    for n in range(MOST + 2):
        known.note(frozenset([n]), n)
    assert known.of(frozenset([1])) is None
    assert known.of(frozenset([2])) == 2


def test_cheap_statements_start_no_pool(monkeypatch, patient):
    def unwanted(*given, **more):
        raise AssertionError("a run is started")

    monkeypatch.setattr(group_run, "results_of", unwanted)
    left = both(WORK + PAIR, "processes")
    assert {step.kind for step in left.report.steps} == {"serial"}


SLOW = "import time\ndef nap(x):\n    time.sleep(x)\n    return x\n"


@pytest.mark.parametrize("where", ["threads", "auto"])
def test_long_statements_run_at_the_same_time(patient, where):
    left = both(SLOW + "a = nap(0.4)\nb = nap(0.3)\nprint(a)\nc = nap(0.2)", where)
    kinds = [step.kind for step in left.report.steps]
    assert kinds == ["serial", "serial", "together", "together", "serial", "together"]
    first = left.report.steps[2]
    assert first.beside == (6, 8)
    assert first.stats is left.report.steps[5].stats
    assert str(left.report).startswith("lines 5, 6, 8: at the same time on threads")


def test_one_that_no_worker_has_begun_runs_in_the_kernel():
    group = found()
    assert group is not None
    group.members = group._others()
    group._there = {at: threading.Event() for at in group.members}
    group._begun_by = time.monotonic() + 100
    with pytest.raises(NotThere, match="its turn came before a worker had started"):
        group.take(1)


@pytest.mark.parametrize("wanted", [{"workers": 1}, {"backend": "serial"}])
def test_one_at_a_time_is_one_at_a_time(monkeypatch, wanted):
    monkeypatch.setattr(grouping, "_alone", lambda *given: pytest.fail("it is looked at"))
    names = names_of(WORK)
    nbexec.parallel(PAIR, names, progress="off", **wanted)
    assert names["b"] == names["work"](2)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_of_the_first_ends_the_run(error):
    """Nothing of the others is seen, and no thread of theirs goes on."""
    names = names_of(SLOW + "def stop(x):\n    nap(0.1)\n    raise x\n")
    names["error"] = error
    with pytest.raises(error):
        nbexec.parallel(
            "a = stop(error)\nb = nap(0.2)\nc = nap(0.1)", names, backend="threads", progress="off"
        )
    assert names.keys().isdisjoint("abc")
    assert not [one for one in threading.enumerate() if one.name == "nbexec-group"]


def test_after_one_that_changed_what_it_reads_the_others_run_in_the_kernel():
    group = found("a = work(1)\nb = work(2)\nc = work(3)")
    assert group is not None
    group.members = group._others()
    assert [*group.members] == [1, 2]
    group._there = {at: threading.Event() for at in group.members}
    for there in group._there.values():
        there.set()
    group._left = {1: Changed("something changed `xs`"), 2: IterationRecord([], {}, ())}
    for at, said in ((1, "something changed `xs`"), (2, "something changed what it reads")):
        with pytest.raises(NotThere, match=said):
            group.take(at)
