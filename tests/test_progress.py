"""Text progress: a line that is written over in a terminal, plain lines in a log."""

from __future__ import annotations

import io

import pytest

import nbexec
from nbexec.events import Finished, RunStarted
from nbexec.model import Choice, Chunk, Outcome
from nbexec.observers.progress import TextProgress
from nbexec.state import RunState


class Terminal(io.StringIO):
    def isatty(self):
        return True


def stats(done=50, total=100, seconds=5.0):
    state = RunState()
    state.apply(RunStarted(0.0, "measure", total, Choice("threads", 4)))
    chunk = Chunk(range(done), range(done))
    ends = [seconds] * done
    state.apply(Finished(seconds, chunk, Outcome([0] * done, {}, 0.0, ends, 1.0, "w")))
    return state.stats(seconds)


def test_a_terminal_gets_one_line_that_is_written_over():
    out = Terminal()
    progress = TextProgress(stream=out)
    progress.draw(stats())
    progress.draw(stats(60))
    progress.finish(stats(100))
    lines = out.getvalue().split("\r")
    assert "[██████████··········] measure: 50 / 100, 10 / s" in lines[1]
    assert "60 / 100" in lines[2]
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().endswith("threads × 4\n")


def test_a_log_gets_plain_lines():
    out = io.StringIO()
    progress = TextProgress(stream=out)
    progress.draw(stats())
    progress.finish(stats(100))
    assert "\r" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 2
    assert progress.every >= 1.0


def test_a_short_run_is_silent_unless_text_was_asked_for():
    out = io.StringIO()
    TextProgress(explicit=False, stream=out).finish(stats(seconds=0.1))
    assert out.getvalue() == ""
    TextProgress(explicit=True, stream=out).finish(stats(seconds=0.1))
    assert "measure" in out.getvalue()


def test_a_total_that_is_not_known_shows_no_false_bar():
    out = Terminal()
    TextProgress(stream=out).draw(stats(total=None))
    assert "[····················] measure: 50, 10 / s" in out.getvalue()


def test_map_writes_progress_to_standard_error(capsys):
    nbexec.map(abs, range(10), progress="text", name="absolute")
    assert "nbexec absolute: 10 / 10" in capsys.readouterr().err
    nbexec.map(abs, range(10), progress="off")
    nbexec.map(abs, range(10), progress="auto")  # short, and no kernel
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["text", "off", "auto"])
def test_threads_of_a_display_end_with_the_run(kind):
    import threading

    nbexec.map(abs, range(10), progress=kind)
    assert not [t for t in threading.enumerate() if t.name == "nbexec-display"]
