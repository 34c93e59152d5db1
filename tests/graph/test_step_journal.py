"""`checkpoint=` of pipelines: what runs again, by step and item, and what the report says.

Covers `graph/step_journal`, `graph/step_recall`, `graph/step_keys` and `graph/step_counts`.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

import nbexec

LOG: list[str] = []


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG


@pytest.fixture
def path(tmp_path):
    return tmp_path / "steps.db"


def took():
    """Give what has run since the last look."""
    ran = sorted(LOG)
    LOG.clear()
    return ran


def load(path):
    note("load", path)
    return f"{path} text"


def tokens(load):
    note("tokens", load[0])
    return load.split()


def count(tokens, base=0):
    note("count", tokens[0])
    return base + len(tokens)


def longest(tokens):
    note("longest", tokens[0])
    return max(tokens, key=len)


class Note:
    """Writes what runs; the same to a journal, whatever has been written."""

    def __call__(self, step, item):
        LOG.append(f"{step} {item}")

    def __nbexec_key__(self):
        return "note"


note = Note()
STEPS = (load, tokens, count, longest)


def mapped(path, items=("a", "b"), steps=STEPS, **given):
    pipe = nbexec.Pipeline(*steps, backend="threads", workers=2)
    return pipe.map(over="path", path=items, checkpoint=path, progress="off", **given)


def test_the_same_again_runs_nothing(path):
    first = mapped(path)
    assert len(took()) == 8
    again = mapped(path)
    assert (again, took()) == (first, [])
    assert again.report["count"].words == "2 reused"
    assert again.report["load"].words == "2 not needed"


def test_it_is_kept_on_every_backend(backend, path):
    def square(x):
        return x * x

    def more(square):
        return square + 1

    pipe = nbexec.Pipeline(square, more, backend=backend)
    for reused in (0, 3):
        results = pipe.map(over="x", x=[1, 2, 3], checkpoint=path, progress="off")
        assert results == {"more": [2, 5, 10]}
        assert results.report["more"].reused == reused


def test_a_new_item_runs_alone(path):
    mapped(path)
    took()
    results = mapped(path, ["c", "a", "b"])
    assert took() == ["count c", "load c", "longest c", "tokens c"]
    assert results["count"] == [2, 2, 2]
    assert results.inputs == {"path": ["c", "a", "b"]}


def test_what_is_downstream_of_a_changed_function_runs_again(path):
    mapped(path)
    took()

    def tokens(load):
        note("tokens", load[0])
        return [*load.split(), "more"]

    results = mapped(path, steps=(load, tokens, count, longest))
    assert took() == [f"{step} {item}" for step in ("count", "longest", "tokens") for item in "ab"]
    assert results["count"] == [3, 3]
    assert results.report["load"].words == "2 reused"
    assert "its code changed since" in results.report["tokens"].words
    assert results.report["count"].words == "2 ran (after tokens)"


def test_what_is_downstream_of_a_changed_input_runs_again(path):
    mapped(path)
    took()
    results = mapped(path, base=1)
    assert took() == ["count a", "count b"]
    assert results == {"count": [3, 3], "longest": ["text", "text"]}
    assert results.report["count"].words == "2 ran (no value yet)"


def test_how_a_step_runs_is_no_change(path):
    def once(x):
        note("once", x)
        return x

    for workers in (1, 2):
        step = nbexec.step(once, workers=workers, retries=workers)
        nbexec.Pipeline(step, backend="threads").run(x=1, checkpoint=path)
    assert took() == ["once 1"]


def test_a_run_shares_the_values_of_a_map(path):
    mapped(path)
    took()
    pipe = nbexec.Pipeline(*STEPS, backend="threads")
    outputs = pipe.run(path="b", checkpoint=path, until=("tokens", "count"))
    assert (outputs, took()) == ({"tokens": ["b", "text"], "count": 2}, [])
    assert outputs.report["count"].words == "1 reused"


def test_failures_alone_run_again(path):
    there = threading.Event()

    def shaky(load):
        note("shaky", load)
        if load[0] == "b" and not there.is_set():
            raise OSError("away")
        return load

    shaky.there = there  # a threading.Event has no fingerprint
    with pytest.raises(nbexec.JournalError, match="step shaky can't be kept"):
        mapped(path, steps=(load, shaky))
    del shaky.there

    def unsteady(load):
        note("unsteady", load[0])
        if load[0] == "b" and not os.path.exists(f"{path}.there"):
            raise OSError("away")
        return load

    results = mapped(path, steps=(load, unsteady), on_error="collect")
    assert [one.index for one in results.failures] == [1]
    took()
    open(f"{path}.there", "w").close()
    results = mapped(path, steps=(load, unsteady), on_error="collect")
    assert (results.failures, took()) == ([], ["unsteady b"])


def helped(text):
    raise OSError("away")


def test_what_is_tried_again_is_kept_as_what_the_code_is_now(path, monkeypatch):
    def first(x):
        return helped(x) if x == "a" else x

    def last(first):
        return first * 2

    def again():
        return nbexec.Pipeline(first, last, backend="threads").map(**given)

    given = {"over": "x", "x": ["a", "b"], "checkpoint": path, "on_error": "collect"}
    results = again()
    monkeypatch.setattr(sys.modules[__name__], "helped", lambda text: f"helped {text}")
    assert results.retry_failed() == {"last": ["helped ahelped a", "bb"]}
    found = again()
    assert found == {"last": ["helped ahelped a", "bb"]}
    assert found.report["last"].words == "1 reused, 1 ran (after first)"
    monkeypatch.undo()
    assert [one.index for one in again().failures] == [0]


def test_steps_may_have_the_same_name(path):
    def times(number):
        def product(x):
            return number * x

        return nbexec.step(product, output=f"by{number}")

    pipe = nbexec.Pipeline(times(2), times(3), backend="threads")
    given = {"over": "x", "x": [1, 2], "checkpoint": path, "progress": "off"}
    expected = {"by2": [2, 4], "by3": [3, 6]}
    assert (pipe.map(**given), pipe.map(**given)) == (expected, expected)
    names = {"pipeline.product (by2)", "pipeline.product (by3)"}
    assert {one.name for one in nbexec.runs(path)} == names


def test_equal_items_keep_values_of_their_own(path):
    pipe = nbexec.Pipeline(drawn, backend="threads", workers=2)
    given = {"over": "x", "x": [1] * 20, "checkpoint": path, "progress": "off"}
    first = pipe.map(**given)["drawn"]
    assert len({*first}) == 20
    assert pipe.map(**given)["drawn"] == first


def test_random_steps_of_a_sweep_keep_values_of_their_own(path):
    pipe = nbexec.Pipeline(drawn, added, backend="threads", workers=2)
    how = {"over": ("x", "y"), "mode": "product", "checkpoint": path, "progress": "off"}
    first = pipe.map(x=[1], y=range(5), **how)["added"]
    assert len({int(one * 1e6) % 1_000_000 for one in first}) == 5
    later = pipe.map(x=[1], y=range(2, 6), **how)["added"]
    assert later[:3] == first[2:]


def drawn(x):
    return random.random()


def added(drawn, y):
    return drawn + y


def test_what_rows_have_in_common_is_written_once(path):
    def model(name):
        return f"model {name}"

    def used(model, x):
        return f"{model} of {x}"

    pipe = nbexec.Pipeline(model, used, backend="threads", workers=2)
    given = {"over": "x", "name": "m", "checkpoint": path, "progress": "off"}
    first = pipe.map(x=range(5), **given)
    connection = sqlite3.connect(path)
    (count,) = connection.execute("SELECT count(*) FROM items").fetchone()
    connection.close()
    assert count == 1 + 5
    again = pipe.map(x=range(6), **given)
    assert again["used"] == [*first["used"], "model m of 5"]
    assert again.report["model"].words == "1 reused, 5 not needed"


def test_what_had_ended_is_kept_where_a_failure_ends_all(path):
    def halves(x):
        note("halves", x)
        return x / 2

    def fails(halves):
        if halves == 2:
            raise OSError("away")
        return halves

    pipe = nbexec.Pipeline(halves, fails, backend="serial")
    with pytest.raises(OSError, match="away"):
        pipe.map(over="x", x=range(6), checkpoint=path, progress="off")
    ran = took()
    results = pipe.map(over="x", x=range(6), checkpoint=path, progress="off", on_error="collect")
    assert len(results.failures) == 1
    again = took()
    assert {*ran, *again} == {f"halves {x}" for x in range(6)}
    assert "halves 4" not in again  # what has failed took it
    ends = [one.ended for one in nbexec.runs(path) if one.name == "pipeline.fails"]
    assert sorted(ends) == ["done", "failed"]


def test_what_can_not_be_known_again_runs_every_time(path):
    pipe = nbexec.Pipeline(ident, backend="threads")
    for _ in range(2):
        outputs = pipe.run(x=threading.Lock(), checkpoint=path)
    assert len(took()) == 2
    assert "has no fingerprint" in str(outputs.report)


def ident(x):
    note("ident", "")
    return 1


def test_what_can_not_be_pickled_runs_every_time(path):
    pipe = nbexec.Pipeline(locked, used, backend="threads")
    for _ in range(2):
        outputs = pipe.run(x=1, checkpoint=path, until=("locked", "used"))
    assert took() == ["locked 1", "locked 1", "used 1"]
    assert "results of locked can't be kept" in str(outputs.report)


def locked(x):
    note("locked", x)
    return threading.Lock()


def used(locked):
    note("used", 1)
    return 2


def test_a_second_run_of_a_step_is_told(path):
    pipe = nbexec.Pipeline(*STEPS, backend="threads")
    results = pipe.imap(over="path", path=["a", "b"], checkpoint=path, progress="off")
    next(results)
    with pytest.raises(nbexec.JournalError, match="is in use"):
        pipe.run(path="a", checkpoint=path)
    results.close()
    assert pipe.run(path="a", checkpoint=path)["count"] == 2


def test_routes_are_taken_from_the_journal(path):
    @nbexec.route(to=("small", "large"))
    def kind(x):
        return "large" if x > 9 else "small"

    @nbexec.step(output="size")
    def small(x):
        return -x

    @nbexec.step(output="size")
    def large(x):
        return x

    def shown(size):
        return str(size)

    pipe = nbexec.Pipeline(kind, small, large, shown, backend="threads")
    given = {"over": "x", "x": [1, 10, 11], "checkpoint": path, "progress": "off"}
    first = pipe.map(**given)
    assert first == {"shown": ["-1", "10", "11"]}
    again = pipe.map(**given)
    assert (again, again.report["shown"].words) == (first, "3 reused")

    @nbexec.step(output="size")
    def small(x):
        return -2 * x

    changed = nbexec.Pipeline(kind, small, large, shown, backend="threads").map(**given)
    assert changed == {"shown": ["-2", "10", "11"]}
    assert changed.report["shown"].words == "2 reused, 1 ran (after small)"
    assert changed.report["kind"].words == "1 reused, 2 not needed"


def test_past_steps_can_be_attached(path):
    mapped(path)
    records = {one.name: one for one in nbexec.runs(path)}
    assert sorted(records) == [f"pipeline.{name}" for name in sorted(one.__name__ for one in STEPS)]
    record = records["pipeline.count"]
    assert (record.done, record.ended) == (2, "done")
    assert nbexec.attach(record.id, path).results == [2, 2]


PROGRAM = """
    import os, signal, sqlite3, sys, time
    import nbexec

    journal, log = sys.argv[1:]

    def note(step, x):
        with open(log, "a") as file:
            file.write(f"{step} {x}\\n")

    def first(x):
        note("first", x)
        return x + 1

    def second(first):
        note("second", first)
        if os.environ["STOP"] == str(first):
            while kept() < 10:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * first

    def kept():
        connection = sqlite3.connect(journal)
        (count,) = connection.execute("SELECT count(*) FROM items").fetchone()
        connection.close()
        return count

    pipe = nbexec.Pipeline(first, second, backend="threads", workers=1)
    print(pipe.map(over="x", x=range(20), checkpoint=journal, progress="off"))
"""


def test_a_killed_process_costs_what_was_in_flight(path, tmp_path):
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(textwrap.dedent(PROGRAM))

    def run(stop):
        return subprocess.run(
            [sys.executable, program, path, log],
            env={**os.environ, "STOP": stop},
            capture_output=True,
            text=True,
            timeout=300,
        )

    killed = run("6")
    assert killed.returncode == -9, killed.stderr
    connection = sqlite3.connect(path)
    (kept,) = connection.execute("SELECT count(*) FROM items").fetchone()
    connection.close()
    assert kept >= 10
    log.unlink()
    again = run("")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == str({"second": [2 * (x + 1) for x in range(20)]})
    assert len(log.read_text().splitlines()) <= 40 - kept
