"""A progress bar of the caller's: tqdm's, or anything with `update` and `close`."""

from __future__ import annotations

import functools
import io
import re
import time

import pytest
from tqdm import tqdm
from tqdm.auto import tqdm as auto_tqdm

import nbexec
from nbexec.model import Choice, Chunk, Outcome
from nbexec.observers.tqdm_bar import BarDisplay
from nbexec.telemetry.events import Finished, RunEnded, RunStarted, Steered

from ..waiting import until


class Counts:
    """A bar as small as may be."""

    made: list

    def __init__(self, total=None, desc=""):
        self.total, self.desc, self.n, self.calls, self.closed = total, desc, 0, [], False
        self.made.append(self)

    def update(self, count):
        self.n += count
        self.calls.append(time.monotonic())

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def made():
    Counts.made = []
    return Counts.made


def test_a_class_is_called_with_the_total_and_closed_at_the_end(backend, made):
    assert nbexec.map(abs, range(-50, 0), backend=backend, progress=Counts, name="absolute")
    (bar,) = made
    assert (bar.total, bar.desc, bar.n, bar.closed) == (50, "absolute", 50, True)


def test_every_way_of_calling_takes_it(made):
    list(nbexec.imap(abs, range(10), progress=Counts))
    nbexec.start(abs, [1, 2], progress=Counts).result()
    with nbexec.options(progress=Counts):
        nbexec.map(abs, iter([1, 2, 3]))
    assert [(bar.n, bar.total, bar.closed) for bar in made] == [
        (10, 10, True),
        (2, 2, True),
        (3, 3, True),  # not known at first
    ]


def test_a_bar_of_somebody_elses_is_left_open_until_it_is_full(made):
    bar = Counts(total=20)
    nbexec.map(abs, range(10), progress=bar)
    assert (bar.n, bar.closed) == (10, False)
    nbexec.map(abs, range(10), progress=bar)
    assert (bar.n, bar.closed) == (20, True)
    assert made == [bar]


def test_it_is_updated_at_most_ten_times_a_second(made):
    began = time.monotonic()
    nbexec.map(time.sleep, [0.001] * 600, backend="threads", workers=1, progress=Counts)
    (bar,) = made
    assert 2 <= len(bar.calls) <= 10 * (time.monotonic() - began) + 1
    assert bar.n == 600


def test_tqdm_shows_the_count_the_name_and_what_failed():
    out = io.StringIO()
    bar = functools.partial(tqdm, file=out, ascii=True, ncols=100)
    nbexec.map(lambda x: 6 / x, [1, 0, 2, 0], on_error="collect", progress=bar, name="divide")
    last = out.getvalue().rstrip("\n").rpartition("\r")[2]
    assert re.match(r"divide: 100%\|#+\| 4/4 \[", last)
    assert "2 failed" in last


def test_tqdm_is_not_garbled_by_what_items_print(capsys):
    def say(x):
        print("item", x, "says so")  # noqa: T201
        time.sleep(0.15)

    nbexec.map(say, range(3), backend="threads", workers=1, progress=tqdm)
    out, err = capsys.readouterr()
    assert out == "item 0 says so\nitem 1 says so\nitem 2 says so\n"
    assert "3/3" in err


@pytest.mark.parametrize("kind", [tqdm, auto_tqdm])
def test_an_instance_of_tqdm_is_a_bar(kind, capsys):
    with kind(total=100) as bar:
        nbexec.map(abs, range(30), progress=bar)
        assert bar.n == 30


def test_a_run_that_is_cancelled_leaves_the_bar_where_it_was(made):
    run = nbexec.start(time.sleep, [0.02] * 500, backend="threads", workers=1, progress=Counts)
    until(lambda: run.stats.done)
    run.cancel()
    with pytest.raises(nbexec.RunCancelled):
        run.result()
    (bar,) = made
    assert 0 < bar.n < 500
    assert bar.closed


def test_a_total_that_is_learnt_on_the_way_is_told_to_the_bar(made):
    from nbexec.telemetry.publisher import Publisher

    observer = BarDisplay(Counts)
    publisher = Publisher([observer])
    observer.run = type("Run", (), {"stats": property(lambda self: publisher.stats(9.0))})()
    publisher.emit(RunStarted(0.0, "measure", None, Choice("threads", 1)))
    assert made[0].total is None
    publisher.emit(Finished(1.0, Chunk([0], [0]), Outcome([0], {}, 0.0, [1.0], 0.0, "w")))
    publisher.emit(Steered(2.0, total=1))
    publisher.emit(RunEnded(3.0, "done"))
    assert (made[0].total, made[0].n, made[0].closed) == (1, 1, True)


@pytest.mark.parametrize("value", [42, None, object(), print, int])
def test_what_is_no_bar_is_refused_with_what_to_do(value):
    with pytest.raises(nbexec.OptionError, match="progress must be one of auto, panel, text, off"):
        nbexec.map(abs, [1], progress=value)


def test_a_wrong_word_still_gets_a_suggestion():
    with pytest.raises(nbexec.OptionError, match="did you mean 'panel'"):
        nbexec.map(abs, [1], progress="pannel")
