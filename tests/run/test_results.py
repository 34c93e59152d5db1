"""Results: a list wherever it goes, in which a run's own failures are told from values."""

import copy
import pickle

import cloudpickle
import pytest

import nbexec

QUIET = {"progress": "off"}


def shard(x):
    """Give what an inner run gave: for 0 its `Failure`."""
    inner = nbexec.map(lambda one: 6 // one, [x, 1], backend="serial", on_error="collect", **QUIET)
    return inner[0]


def kinds(values):
    return [type(value).__name__ for value in values]


EXPECTED = ["int", "Failure", "int", "int"]


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_a_failure_that_an_item_returns_is_its_value(backend, on_error):
    how = {"backend": backend, "on_error": on_error, **QUIET}
    items = [1, 0, 2, 3]
    results = nbexec.map(shard, items, **how)
    assert kinds(results) == EXPECTED
    assert results.failures == []
    assert kinds(results.ok()) == EXPECTED
    assert kinds(nbexec.imap(shard, items, **how)) == EXPECTED
    assert sorted(kinds(nbexec.imap(shard, items, ordered=False, **how))) == sorted(EXPECTED)


def test_among_failures_of_the_run(backend):
    def work(x):
        if x == 3:
            raise KeyError(x)
        return shard(x)

    results = nbexec.map(work, [1, 0, 3], backend=backend, on_error="collect", **QUIET)
    assert kinds(results) == ["int", "Failure", "Failure"]
    assert [one.index for one in results.failures] == [2]
    assert kinds(results.ok()) == ["int", "Failure"]
    again = pickle.loads(pickle.dumps(results))
    assert [one.index for one in again.failures] == [2]
    assert list(results.to_frame()["kind"]) == ["done", "done", "error"]


def test_a_failure_of_no_run_is_a_value_for_who_sets_failures_apart(backend):
    def work(x):
        if x == 1:
            raise KeyError(x)
        return nbexec.Failure(0, x, ValueError("of the user's")) if x == 2 else x

    results = nbexec.map(work, range(4), backend=backend, on_error="collect", **QUIET)
    stream = nbexec.imap(work, range(4), backend=backend, on_error="collect", **QUIET)
    assert kinds(stream.ok()) == kinds(results.ok()) == ["int", "Failure", "int"]
    assert [one.index for one in stream.failures] == [one.index for one in results.failures] == [1]


def test_an_inner_failure_is_not_run_once_more():
    calls = []

    def work(x):
        calls.append(x)
        return shard(x)

    run = nbexec.map(work, [1, 0], backend="serial", on_error="collect", **QUIET).run
    run.again().start(background=True).result()
    assert calls == [1, 0]


def test_what_was_cancelled_is_run_once_more():
    def work(x):
        if x == 2 and not there:
            raise KeyboardInterrupt
        return shard(x)

    there = []
    with pytest.raises(KeyboardInterrupt) as caught:
        nbexec.map(work, [1, 0, 2, 3], backend="serial", on_error="collect", **QUIET)
    results = caught.value.partial_results
    assert [one.kind for one in results.failures] == ["cancelled", "cancelled"]
    there.append("now")
    again = results.run.again().start(background=True).result()
    assert kinds(again) == EXPECTED
    assert again.failures == []


def test_a_journal_tells_them_apart(tmp_path):
    def work(x):
        if x == 3:
            raise KeyError(x)
        return shard(x)

    path = tmp_path / "journal"
    how = {"backend": "serial", "on_error": "collect", "checkpoint": str(path), **QUIET}
    first = nbexec.map(work, [1, 0, 3], **how)
    past = nbexec.attach(first.run.id, path).results
    assert kinds(past) == ["int", "Failure", "Failure"]
    assert [one.index for one in past.failures] == [2]
    restored = nbexec.map(work, [1, 0, 3], **how)
    assert [one.index for one in restored.failures] == [2]


WAYS = {
    "pickle": lambda rows: pickle.loads(pickle.dumps(rows)),
    "protocol 0": lambda rows: pickle.loads(pickle.dumps(rows, 0)),
    "cloudpickle": lambda rows: pickle.loads(cloudpickle.dumps(rows)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
def test_results_are_a_list_wherever_they_go(way):
    rows = nbexec.map(lambda x: [x] if x else 1 / 0, [1, 0], on_error="collect", **QUIET)
    again = WAYS[way](rows)
    assert type(again) is nbexec.Results
    assert again[0] == [1]
    assert (again[0] is rows[0]) == (way == "copy")
    assert [one.index for one in again.failures] == [1]
    assert again.run is None
    assert again.stats is None
    assert len(again.timeline()) == 0


def test_results_hold_themselves():
    rows = nbexec.map(abs, [1], backend="serial", **QUIET)
    rows.append(rows)
    rows.note = "mine"
    again = pickle.loads(pickle.dumps(rows))
    assert again[1] is again
    assert again.note == "mine"


def test_a_second_stage_takes_the_results_of_the_first(backend):
    rows = nbexec.map(abs, [-1, -2], backend=backend, **QUIET)
    assert nbexec.map(lambda at: rows[at], [0, 1], backend=backend, **QUIET) == [1, 2]
    assert nbexec.map(max, [rows, rows], backend=backend, **QUIET) == [2, 2]
    assert nbexec.map(lambda x: nbexec.map(abs, [x], **QUIET), [-3], backend=backend) == [[3]]


def test_a_stage_over_results_is_restored(tmp_path):
    def stage():
        rows = nbexec.map(lambda x: 1 / x, [1, 0], backend="serial", on_error="collect", **QUIET)
        how = {"backend": "serial", "checkpoint": str(tmp_path / "journal"), **QUIET}
        of_each = nbexec.map(lambda one: str(one)[:3], rows, **how)
        captured = nbexec.map(lambda at: len(rows) + at, [0, 1], **how)
        of_all = nbexec.map(len, [rows, rows.failures], **how)
        return [one.stats.restored for one in (of_each, captured, of_all)]

    assert stage() == [0, 0, 0]
    assert stage() == [2, 2, 2]
