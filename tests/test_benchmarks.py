"""The benchmarks' own machinery: what is measured, how it is judged and written. No timing."""

from __future__ import annotations

import io
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nbexec.system.machine import cores
from tests.benchmarks import __main__ as command
from tests.benchmarks import one, page, peers, record, runner
from tests.benchmarks.catalog import Benchmark, Setting, benchmarks
from tests.benchmarks.chart import draw
from tests.benchmarks.goals import Result, Verdict, at_least, at_most, value
from tests.benchmarks.measure import Sides, in_turn, timed
from tests.benchmarks.record import Record

ROOT = Path(__file__).parent.parent

# What nbexec promises about speed: the work, what it is compared with, and the goal.
GOALS = """
noop-processes      concurrent.futures    ≤ 1
noop-processes      joblib                ≤ 0.15
noop-threads        concurrent.futures    ≤ 0.05
noop-default        -                     ≤ 5 ms
cpu                 ideal                 ≥ 0.93
sleeps              ideal                 ≥ 0.95
coroutines          ideal                 ≥ 0.9
coroutines          aiometer              ≤ 1
waiting-threads     concurrent.futures    ≤ 1.15
waiting-auto        concurrent.futures    ≤ 1.15
waiting-asyncio     aiometer              ≤ 1.15
waiting-given       concurrent.futures    ≤ 1.02
waiting-coroutines  bare tasks            ≤ 1.05
waiting-rate        bare tasks            ≤ 1.1
waiting-limit       ideal                 ≥ 0.9
waiting-tries       tenacity              ≤ 1.05
waiting-memory      memory                ≤ 5 MB
captured            joblib                ≤ 0.3
captured            memory                ≤ 1 copies
compute             np.dot, one thread    ≥ 1.7
compute             pyferris              ≤ 1
arguments           joblib                ≤ 1
arguments           mpire                 ≤ 1
results             joblib                ≤ 0.7
first-call          joblib                ≤ 1
fits-8ms            joblib                ≤ 1
fits-100ms          joblib                ≤ 1
fits-1s             joblib                ≤ 1
first-warm          not warmed up         ≤ 0.5
first-warm          memory                ≤ 30 MB a worker
panel               off                   ≤ 1.02
imap                time                  ≤ 2 µs an item
imap                memory                ≤ 5 MB
graph               ideal                 ≥ 0.9
graph-stream        time                  ≤ 100 µs a call
graph-stream        memory                ≤ 5 MB
import              -                     ≤ 30 ms
plan                -                     ≤ 5 ms
cells-len           -                     ≤ 30 ms
cells-sum           -                     ≤ 30 ms
cells-counter       -                     ≤ 30 ms
cells-groups        -                     ≤ 30 ms
cells-hits          -                     ≤ 30 ms
cells-look-up       -                     ≤ 30 ms
cells-work-10us     -                     ≤ 30 ms
cells-work-30us     the plain cell        ≥ 1.3
cells-work-0.1ms    the plain cell        ≥ 1.5
cells-work-1ms      the plain cell        ≥ 1.7
cells-work-10ms     the plain cell        ≥ 1.7
cells-function      the plain cell        ≥ 1.7
cells-sweep         -                     ≤ 30 ms
records-good        plain Pydantic        ≤ 1.2
records-good        multiprocessing       ≤ 1
records-good        msgpack + LZ4         ≤ 1
records-bad         plain Pydantic        ≤ 1.2
records-list        TypeAdapter(list[Model])  ≤ 1.05
"""
RIVALS = [
    *("concurrent.futures", "multiprocessing.Pool", "joblib", "loky", "mpire", "dask"),
    *("tqdm process_map", "pqdm", "ray", "ipyparallel", "pyferris"),
]


class Clock:
    """Goes on by what is asked for."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, *seconds):
        """Give work that takes so long, the first time, the second time and so on."""
        left = list(seconds)

        def work():
            self.now += left.pop(0)

        return timed(work, self)


LEVEL = at_most(1.0)


def result(ours, theirs=(), goal=LEVEL, **more):
    return Result("cpu", "joblib", goal, list(ours), list(theirs), **more)


# ------------------------------------------------------------ goals


def test_every_goal_has_a_benchmark():
    known = benchmarks()
    for line in GOALS.strip().splitlines():
        name, against, goal = re.split(r"  +", line)
        assert str(known[name].goals["" if against == "-" else against]) == goal, line
    for name in ("cpu", "tail", "tail-at-end"):
        goals = {against: str(goal) for against, goal in known[name].goals.items()}
        goals.pop("ideal", None)
        assert goals == dict.fromkeys(RIVALS, "≤ 1")


def test_the_peers_are_named_where_they_can_be_installed_from():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["bench"]]
    packages = {re.match(r"[\w-]+", one)[0] for one in named} | {"distributed"}
    needed = {one.package for one in peers.PEERS.values()} | set(peers.OTHERS.values())
    assert needed - {""} <= packages


# ------------------------------------------------------------ measuring


def test_sides_take_turns_and_the_first_round_does_not_count():
    clock, told = Clock(), []
    sides = Sides(clock.work(90, 1, 2, 3), clock.work(80, 4, 5, 6))
    in_turn(sides, 3, lambda *read: told.append(read), tidy=tuple)
    assert told == [
        *(("ours", 1), ("theirs", 4)),
        *(("theirs", 5), ("ours", 2)),
        *(("ours", 3), ("theirs", 6)),
    ]


def test_one_side_alone():
    told = []
    in_turn(Sides(Clock().work(9, 1, 2)), 2, lambda *read: told.append(read), tidy=tuple)
    assert told == [("ours", 1), ("ours", 2)]


@pytest.mark.parametrize(
    ("limit", "verdict"), [(0.5, Verdict.MET), (0.51, Verdict.MET), (0.49, Verdict.NOT_MET)]
)
def test_a_time_is_judged_by_the_ratio_of_medians(limit, verdict):
    found = result([1, 2, 30], [2, 4, 40], at_most(limit))
    assert found.measured == 0.5
    assert found.spread == (0.5, 0.75)
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("limit", "verdict"), [(0.8, Verdict.MET), (0.79, Verdict.MET), (0.81, Verdict.NOT_MET)]
)
def test_an_efficiency_is_the_ideal_over_ours(limit, verdict):
    found = result([5, 10, 20], [8, 8, 8], at_least(limit))
    assert found.measured == 0.8
    assert found.spread == (0.4, 1.6)
    assert found.verdict is verdict


def test_a_value_is_judged_alone():
    assert result([4, 5, 9], goal=value(5, "ms")).verdict is Verdict.MET
    assert result([4, 6, 9], goal=value(5, "ms")).verdict is Verdict.NOT_MET
    assert result([4, 6, 9], goal=value(5, "ms")).spread == (4, 9)
    assert result([4, 6, 9], goal=value(None, "ms")).verdict is Verdict.SHOWN


def test_nothing_measured_is_no_success():
    assert result([], problem="ray is not installed", missing=True).verdict is Verdict.MISSING
    assert result([], problem="it took over 600 s").verdict is Verdict.FAILED


# ------------------------------------------------------------ the process of a line


def test_a_line_is_measured_and_heard(capsys):
    one.main("sleeps", "ideal", 2, quick=True)
    said, told = [*io.StringIO(capsys.readouterr().out)], []
    blank = Result("sleeps", "ideal", benchmarks()["sleeps"].goals["ideal"])
    found, ended = runner._hear(
        ["what a peer says\n", *said], blank, lambda *it: told.append(it[0])
    )
    assert ended
    assert len(found.ours) == len(found.theirs) == 2
    assert found.theirs == [0.02, 0.02]
    assert told == ["note", "ours", "theirs", "theirs", "ours"]
    _, ended = runner._hear(said[:4], blank, lambda *it: None)
    assert not ended


def test_what_fails_is_told_and_does_not_count():
    broken = Benchmark("nonesuch", "", {"ideal": at_most(1.0)}, benchmarks()["cpu"].open)
    found = runner.run(broken, "ideal", 1, True, lambda *it: None)
    assert found.problem == "KeyError: 'nonesuch'"
    assert found.verdict is Verdict.FAILED


def test_a_peer_that_is_not_installed_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    found = runner.run(benchmarks()["cpu"], "mpire", 1, True, lambda *it: None)
    assert found.problem == "mpire is not installed"
    assert found.verdict is Verdict.MISSING
    assert peers.missing("concurrent.futures") == peers.missing("ideal") == ""


def test_chunksizes_a_person_might_try():
    assert peers.chunksizes(2000, 2) == [1, 16, 63, 250, 500, 1000]
    assert 1 not in peers.chunksizes(50_000, 2)
    assert peers.chunksizes(1, 8) == [1]


# ------------------------------------------------------------ what is written


def written():
    return Record.here(pairs=2, quick=False).with_result(
        result([1.0, 2.0], [2.0, 2.5], note="chunksize 16", load=[0.5, 0.4, 0.3])
    )


def test_json_has_all_that_was_measured(tmp_path):
    kept, path = written(), tmp_path / "found.json"
    kept.write(path)
    assert Record.read(path) == kept
    assert next(iter(kept.versions)) == "python"
    assert kept.machine["cores"] >= 1
    assert '"verdict": "met", "measured": 0.66' in path.read_text()


def test_pieces_add_up_in_one_file(tmp_path):
    path = tmp_path / "found.json"
    written().write(path)
    later = Record.here(2, False).with_result(result([3.0], [4.0]))
    assert [one.ours for one in later.over(path).results] == [[3.0]]
    other = Record.here(2, False).with_result(Result("tail", "ray", at_most(1.0), [1.0], [2.0]))
    assert [one.benchmark for one in other.over(path).results] == ["cpu", "tail"]
    tried = Record.here(2, True).with_result(Result("tail", "ray", at_most(1.0), [1.0], [2.0]))
    assert [one.benchmark for one in tried.over(path).results] == ["tail"]
    assert other.over(tmp_path / "none.json") == other
    had = replace(other, versions={"ray": None, "tqdm": "2"})
    replace(later, versions={"ray": "1", "tqdm": "1"}).write(path)
    assert had.over(path).versions == {"ray": "1", "tqdm": "2"}  # with which it was measured


def test_the_page_is_rewritten_between_its_marks(tmp_path):
    (tmp_path / "images").mkdir()
    mine = tmp_path / "performance.md"
    shutil.copy(ROOT / "docs" / "performance.md", mine)
    page.write(written(), mine)
    once = mine.read_text()
    assert "| joblib | 1.50 s | 2.25 s | 0.67 (0.50 to 0.80) | ≤ 1 | met |" in once
    assert "- cpu against joblib: chunksize 16" in once
    assert "load average before a line was 0.5 to 0.5" in once
    assert "Others computed" not in once
    left = re.search(r"^Not measured: (.*)\.$", once, re.MULTILINE)[1].split(", ")
    assert "cpu against ray" in left
    assert "cpu against joblib" not in left
    page.write(written(), mine)
    assert mine.read_text() == once
    original = (ROOT / "docs" / "performance.md").read_text()
    assert once.partition(page.BEGIN)[0] == original.partition(page.BEGIN)[0]
    assert once.partition(page.END)[2] == original.partition(page.END)[2] != ""


def test_a_busy_machine_is_told():
    busy = result([1.0], [2.0], load=[2 * cores() + 0.1, 1.0, 1.0])
    said = page.measured(Record.here(1, False).with_result(busy), [busy], benchmarks())
    assert "**Others computed on this machine meanwhile" in said


def test_a_page_without_marks_is_left_alone():
    with pytest.raises(ValueError, match="must have the lines"):
        page.between("# Speed\n", "new")
    with pytest.raises(ValueError, match="in this order"):
        page.between(f"{page.END}\n{page.BEGIN}\n", "new")


def test_parts_and_problems_are_on_the_page():
    stages = Result("stages", "", value(None, "µs"), [3.0], parts={"pickle": [1.0], "run": [2.0]})
    absent = Result("cpu", "ray", at_most(1.0), problem="ray is not installed", missing=True)
    broken = Result("cpu", "dask", at_most(1.0), problem="OSError: a | b")
    said = page.measured(record.Record(), [stages, absent, broken], benchmarks())
    assert "| pickle | 1.00 | 1.00 to 1.00 |" in said
    assert "| ray |  |  |  | ≤ 1 | not installed |" in said
    assert "failed: OSError: a \\| b" in said


def test_the_chart_shows_every_ratio():
    efficient = Result("cpu", "ideal", at_least(0.5), [1.0], [0.8])
    others = [
        Result("plan", "", value(5, "ms"), [1.0]),
        Result("cpu", "ray", at_most(1.0), problem="ray is not installed", missing=True),
    ]
    drawn = ElementTree.fromstring(draw([result([1.0], [2.0]), efficient, *others]))
    dots = drawn.findall(".//{*}circle")
    assert len(dots) == 2
    assert {dot.get("class") for dot in dots} == {"met"}
    said = [text.text for text in drawn.findall(".//{*}text")]
    assert said.count("cpu") == 1
    assert {"joblib", "ideal", "0.50", "1.25"} <= set(said)
    left, right = (float(dot.get("cx")) for dot in dots)
    assert left < right


# ------------------------------------------------------------ the command line


def test_list_tells_of_every_line(capsys):
    assert command.main(["--list"]) == 0
    said = capsys.readouterr().out
    for name, it in benchmarks().items():
        assert re.search(rf"^{name} +{re.escape(it.title)}$", said, re.MULTILINE)
        for against, goal in it.goals.items():
            assert re.search(rf"^ +{re.escape(against)} +{re.escape(str(goal))}$", said, re.M) or (
                not str(goal)
            )


def test_an_unknown_name_is_told(capsys):
    assert command.main(["cpus"]) == 2
    assert "there is no benchmark 'cpus'; there are noop-processes, " in capsys.readouterr().err


def test_what_was_asked_for_is_measured_and_written(tmp_path, monkeypatch, capsys):
    def run(benchmark, against, pairs, quick, told):
        return Result(
            benchmark.name, against, benchmark.goals[against], [1.0] * pairs, [2.0] * pairs
        )

    monkeypatch.setattr(runner, "run", run)
    path = tmp_path / "found.json"
    asked = ["cpu", "tail", "--against", "ray", "--pairs", "3", "--json", str(path)]
    assert command.main(asked) == 0
    assert [(one.benchmark, one.against) for one in Record.read(path).results] == [
        ("cpu", "ray"),
        ("tail", "ray"),
    ]
    said = capsys.readouterr()
    assert "[2/2] tail against ray ... 0.50 (0.50 to 0.50) goal ≤ 1 met" in said.err
    assert re.search(r"^cpu +ray +1.00 s +2.00 s +0.50 ", said.out, re.MULTILINE)


def test_pairs_of_one_more_process_are_added(tmp_path, monkeypatch, capsys):
    """What others on the host take comes and goes: it takes many pairs to see beyond it."""
    took = iter([(1.0, 2.0, "chunksize 5"), (3.0, 2.0, "chunksize 9"), (5.0, 2.0, "chunksize 5")])

    def run(benchmark, against, pairs, quick, told):
        ours, theirs, note = next(took)
        goal = benchmark.goals[against]
        return Result(
            benchmark.name, against, goal, [ours] * pairs, [theirs] * pairs, note=note, load=[0.5]
        )

    monkeypatch.setattr(runner, "run", run)
    path = tmp_path / "found.json"
    asked = ["cpu", "--against", "ray", "--pairs", "2", "--json", str(path)]
    assert command.main([*asked, "--more"]) == 2
    assert "is none" in capsys.readouterr().err
    for more in [], ["--more"], ["--more"]:
        assert command.main([*asked, *more]) == 0
    (result,) = Record.read(path).results
    assert result.ours == [1.0, 1.0, 3.0, 3.0, 5.0, 5.0]
    assert result.measured == 1.5
    assert result.note == "chunksize 5; chunksize 9"
    assert command.main([*asked, "--more", "--quick"]) == 2
    assert "tiny sizes are not mixed" in capsys.readouterr().err


def test_tiny_sizes_are_a_setting():
    assert Setting("ideal").size(100, 1) == 100
    assert Setting("ideal", quick=True).size(100, 1) == 1
