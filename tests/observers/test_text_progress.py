"""Text progress: redrawn in a terminal, lines in a log.

Covers `nbexec.observers`, `nbexec.observers.display`, `nbexec.observers.echo`,
`nbexec.observers.painter`, `nbexec.observers.rich` and `nbexec.observers.terminal`.
"""

from __future__ import annotations

import io
import re

import pytest

import nbexec
from nbexec.model import Choice, Chunk, Outcome
from nbexec.observers.painter import CLEAR
from nbexec.observers.terminal import Screen
from nbexec.observers.text_progress import TextProgress
from nbexec.telemetry.events import Finished, RunStarted
from nbexec.telemetry.state import RunState

from ..terminal import play


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
    screen = Screen(out, rich=False)
    screen.draw("run", stats())
    screen.draw("run", stats(60))
    screen.leave("run", "the end\n")
    lines = out.getvalue().split("\r")
    assert "[██████████··········] measure: 50 / 100, 10 / s" in lines[1]
    assert "60 / 100" in lines[2]
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().endswith(f"{CLEAR}the end\n")


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
    Screen(out, rich=False).draw("run", stats(total=None))
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


# ---------------------------------------------------------------- in a terminal

PRINTS = """\
import time, nbexec
def say(n):
    print("item", n, "says so")
    time.sleep(0.2)
    if n == 3:
        raise ValueError("bad")
nbexec.map(say, range(20), backend="threads", workers=2, on_error="collect", name="talk")
print("after")
"""


@pytest.fixture(params=[True, False], ids=["rich", "no rich"])
def rich(request):
    return request.param


def test_what_items_print_stands_above_the_line_and_is_not_garbled(rich):
    seen, cursor = play(PRINTS, rich)
    *said, summary, after = seen[-1]
    assert sorted(said) == sorted(f"item {n} says so" for n in range(20))
    assert summary.startswith("nbexec talk: 19 / 20, ")
    assert after == "after"
    assert cursor
    bars = [[line for line in state if "talk" in line and "nbexec" not in line] for state in seen]
    assert max(map(len, bars)) == 1
    assert sum(map(len, bars)) >= 5
    # the last one may be drawn when the run has just ended, and says no rate any more
    (line,) = next(bar for bar in reversed(bars) if bar and "cores used" not in bar[0])
    assert re.search(r"talk.*\d+ / 20.* / s.* s.*1 failed", line)


def test_what_a_loop_prints_stands_above_the_line_too(rich):
    seen, _ = play(
        "import time, nbexec\n"
        "for n in nbexec.imap(abs, range(12), backend='threads', workers=1, window=1):\n"
        "    print('got', n)\n"
        "    time.sleep(0.1)\n",
        rich,
    )
    got = [line for line in seen[-1] if not line.startswith("nbexec")]  # it may end before us
    assert got == [f"got {n}" for n in range(12)]
    assert len(seen[-1]) == 13
    assert any("/ 12" in state[-1] and "got" in state[-2] for state in seen if len(state) > 2)


def test_a_line_that_is_not_ended_is_not_written_over(rich):
    seen, _ = play(
        "import sys, time, nbexec\n"
        "run = nbexec.start(time.sleep, [0.1] * 15, backend='threads', workers=1)\n"
        "time.sleep(0.8)\n"
        "for n in range(8):\n"
        "    print(n, end=' ', flush=True)\n"
        "    time.sleep(0.05)\n"
        "run.result()\n",
        rich,
    )
    assert seen[-1][0] == "0 1 2 3 4 5 6 7"
    assert seen[-1][1].startswith("nbexec sleep: 15 / 15")


def test_two_runs_at_once_share_the_terminal(rich):
    # the display of either may begin first, as each begins in a thread of its own
    if rich:
        both = r"A .*/ 35.* B .*/ 25|B .*/ 25.* A .*/ 35"
    else:
        both = r"(B: .*/ 25|A: .*/ 35).* \(\+1 more\)"
    # items of both wait until both were seen, however long a busy machine needs to show them
    seen, _ = play(
        "import signal, threading, time, nbexec\n"
        "seen = threading.Event()\n"
        "signal.signal(signal.SIGUSR1, lambda *_: seen.set())\n"
        "def step(n):\n"
        "    seen.wait(30) if n == 9 else time.sleep(0.1)\n"
        "a = nbexec.start(step, range(35), backend='threads', workers=1, name='A')\n"
        "b = nbexec.start(step, range(25), backend='threads', workers=1, name='B')\n"
        "a.result(), b.result()\n",
        rich,
        tell_of=lambda state: re.search(both, " ".join(state)),
    )
    first, second = seen[-1]
    assert first.startswith("nbexec B: 25 / 25")
    assert second.startswith("nbexec A: 35 / 35")
    assert any(re.search(both, " ".join(state)) for state in seen)


def test_a_narrow_terminal_and_a_name_that_moves_the_cursor(rich):
    seen, _ = play(
        "import time, nbexec\n"
        "nbexec.map(time.sleep, [0.1] * 12, backend='threads', workers=1,\n"
        "           name='測定\\x1b[2J\\n of everything that there is to be measured')\n",
        rich,
        columns=50,
    )
    live = [state for state in seen if state and not state[0].startswith("nbexec")]
    assert len(live) >= 3
    assert all(len(state) <= 2 for state in live)
    assert all("測" in state[0].replace(" ", "") for state in live)
    assert "12 / 12" in "".join(seen[-1])


def test_the_end_of_python_leaves_the_cursor_to_be_seen(rich):
    _, cursor = play(
        "import time, nbexec\n"
        "run = nbexec.start(time.sleep, [0.1] * 50, backend='threads', workers=1)\n"
        "time.sleep(1)\n",
        rich,
    )
    assert cursor


def test_per_item_progress_is_drawn_by_rich():
    seen, _ = play(
        "import time, nbexec\n"
        "def train(n):\n"
        "    for epoch in range(20):\n"
        "        nbexec.progress(epoch / 20, f'epoch {epoch}')\n"
        "        time.sleep(0.1)\n"
        "nbexec.map(train, range(2), backend='threads', workers=2)\n",
        rich=True,
    )
    found = [re.search(r"item 1 .*?(\d+)% epoch (\d+)", line) for state in seen for line in state]
    drawn = {(int(one[1]), int(one[2])) for one in found if one}
    assert all(percent == 5 * epoch for percent, epoch in drawn)
    assert len(drawn) > 5  # of twenty, each a tenth of a second: not every one is drawn


def test_ipython_without_a_kernel_is_a_terminal(rich):
    seen, _ = play(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('import time, nbexec')\n"
        "shell.run_cell('r = nbexec.map(time.sleep, [0.1] * 12, workers=1, progress=\"panel\")')\n",
        rich,
    )
    assert seen[-1][0].startswith("nbexec sleep: 12 / 12")
    assert any("/ 12" in state[0] and not state[0].startswith("nbexec") for state in seen if state)


def test_a_dumb_terminal_is_a_log(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    progress = TextProgress(stream=out)
    progress.draw(stats())
    assert out.getvalue().startswith("nbexec measure: 50 / 100")
    assert out.getvalue().endswith("\n")
