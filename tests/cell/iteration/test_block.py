"""BlockIteration: brief items in one compiled loop, and item by item where something is unusual.

Each cell leaves what the plain cell leaves, and the test sees that blocks were what did it.

Covers `nbexec.cell.iteration.columns`, `nbexec.cell.loops.block_columns`,
`nbexec.cell.execution.block_effects` and `nbexec.cell.execution.block_arrays`.
"""

from __future__ import annotations

import ast
import contextlib
import warnings

import pytest

from nbexec.cell.execution import loop_run
from nbexec.cell.iteration import guard
from nbexec.cell.iteration.block import BlockIteration, BlockRecord
from nbexec.cell.iteration.iteration import Changed
from nbexec.cell.loops import rewrite
from nbexec.cell.loops.find import find_loop
from nbexec.worker import blocks as worker_blocks
from nbexec.worker.blocks import Block, ChunkItems
from nbexec.worker.chunk_state import SharedChunkState
from nbexec.worker.execute import StopFlag

from ..both_ways import both, frames, kind, plainly, run

PLACES = [0, 1, 2, 30, 58, 59]  # of an unusual item among 60: first, middle, last


@pytest.fixture
def blocks(monkeypatch):
    """Give the numbers of items of the blocks that were kept, on threads."""
    found: list[int] = []
    record = BlockIteration._record

    def noted(self, ran, items, unguarded):
        made = record(self, ran, items, unguarded)
        found.append(made.count)
        return made

    monkeypatch.setattr(BlockIteration, "_record", noted)
    monkeypatch.setattr(worker_blocks, "BRIEF", 60.0)  # also where the machine is busy
    return found


@pytest.fixture
def came_back(monkeypatch):
    """Give the numbers of items of the blocks that came back to the kernel."""
    found: list[int] = []
    placed = loop_run._placed

    def noted(done):
        found.extend(one.count for one in done if isinstance(one, BlockRecord))
        return placed(done)

    monkeypatch.setattr(loop_run, "_placed", noted)
    return found


def threads(source, **options):
    """Run a cell both ways, on threads."""
    return both(source, "threads", workers=2, **options)


BODIES = {
    "append": "out = [0]\nfor x in range(60): out.append(x * 2)",
    "insert": "out = [0]\nfor x in range(60): out.insert(len(out), x)",
    "deque": "from collections import deque\nout = deque(maxlen=7)\nfor x in range(60): out.append(x)",
    "extend": "out = [0]\nfor x in range(60): out.extend(range(x % 3))",
    "plus": "out = [0]\nfor x in range(60): out += [x, x]",
    "add": "s = {3, 'a'}\nfor x in range(60): s.add(x * 7 % 19)",
    "add what is equal": "s = set()\nfor x in range(60): s.add([1, True, 1.0, 0, False][x % 5])",
    "update": "s = set()\nfor x in range(60): s.update(str(x * x))",
    "setitem": "d = {5: 'there'}\nfor x in range(60): d[x % 11] = x",
    "setitem of a Counter": "from collections import Counter\nd = Counter('ab')\n"
    "for x in range(60): d[x % 11] = x",
    "setitem, ordered": "from collections import OrderedDict\nd = OrderedDict(a=1, b=2)\n"
    "for x in range(60): d['bcd'[x % 3]] = x\nd.move_to_end('a')",
    "dict.update": "d = {'k': 0}\nfor x in range(60): d.update({x % 7: x}, k=x)",
    "setindex": "xs = [0] * 60\nfor x in range(60): xs[-x] = x",
    "own place": "xs = [*range(60)]\nfor i in range(60): xs[i] = xs[i] * 2",
    "tally": "from collections import Counter\nc = Counter(b=2)\nfor x in range(60): c['abc'[x % 3]] += 1",
    "counted": "from collections import Counter\nc = Counter(zz=2)\n"
    "for x in range(60): c.update(str(x * x))",
    "tally down": "from collections import defaultdict\nc = defaultdict(int)\n"
    "for x in range(60): c[x % 5] -= 2",
    "count": "c = {0: 1.5, 1: 2, 2: 'no'}\nfor x in range(60): c[x % 2] += x / 7",
    "count in a list": "c = [0] * 5\nfor x in range(60): c[x % 5] += x",
    "count texts": "c = {0: '', 1: 'b'}\nfor x in range(60): c[x % 2] += str(x)",
    "group": "g = {1: [0]}\nfor x in range(60): g.setdefault(x % 4, []).append(x)",
    "group of a defaultdict": "from collections import defaultdict\ng = defaultdict(list)\n"
    "for x in range(60): g[x % 4].append(x)",
    "counted where the value raises": "from collections import defaultdict\nc = defaultdict(int)\n"
    "for x in range(60):\n    try:\n        c[(x + 3) % 7] += 7 // ((x + 3) % 7)\n"
    "    except ZeroDivisionError:\n        y = x",
    "groups of sets": "g = {}\nfor x in range(60): g.setdefault(x % 4, set()).add(x % 7)",
    "groups, extended": "g = {k: [] for k in range(4)}\nfor x in range(60): g[x % 4].extend([x] * 2)",
    "integers": "t = 5\nfor x in range(60): t += x",
    "floats": "t = 0.1\nfor x in range(60): t += x / 7",
    "integers onto a float": "t = 0.1\nfor x in range(60): t += x",
    "integers, then floats": "t = 0\nfor x in range(60): t += x if x < 40 else 0.1",
    "difference": "t = 0.1\nfor x in range(60): t -= x / 7",
    "product": "t = 1.0\nfor x in range(60): t *= 1 + x / 7",
    "bits": "t = 0\nfor x in range(60): t |= 1 << x % 9",
    "text": "t = 'a'\nfor x in range(60): t += str(x)",
    "tuple": "t = (1,)\nfor x in range(60): t += (x, str(x))",
    "array": "import numpy as np\na = np.zeros(60)\nfor i in range(60): a[i - 60] = i / 7",
    "array of integers": "import numpy as np\na = np.zeros(60, int)\n"
    "for i in np.arange(60): a[i] = i * 3",
    "array, places again": "import numpy as np\na = np.ones(7)\nfor i in range(60): a[i * i % 7] = i",
    "array, cast": "import numpy as np\na = np.zeros(60, int)\nfor i in range(60): a[i] = i / 7",
    "array, two axes": "import numpy as np\na = np.zeros((60, 2))\n"
    "for i in range(60): a[i, -1] = np.sqrt(i)",
    "array, rows": "import numpy as np\na = np.zeros((60, 3))\nfor i in range(60): a[i] = [i, 1, 2]",
    "array, added": "import numpy as np\na = np.full(5, 0.1)\nfor i in range(60): a[i % 5] += i / 7",
    "array, counted": "import numpy as np\na = np.zeros(5, int)\nfor i in range(60): a[i * i % 5] += 1",
    "array, taken off": "import numpy as np\na = np.full(5, 0.1)\n"
    "for i in range(60): a[i % 5] -= np.float64(i) / 3",
    "array, multiplied": "import numpy as np\na = np.full(5, 1.1)\nfor i in range(60): a[i % 5] *= i",
    "array, infinite": "import numpy as np\na = np.full(5, np.inf)\nfor i in range(60): a[i % 5] += i",
    "array of small ones": "import numpy as np\na = np.zeros(5, 'f4')\n"
    "for i in range(60): a[i % 5] += i / 7",
    "max": "best = 7\nfor x in range(60): best = max(best, x * 7 % 19)",
    "max, other way round": "best = 1\nfor x in range(60): best = max([1.0, True, 0][x % 3], best)",
    "min": "best = 7.5\nfor x in range(60): best = min(best, x * 7 % 19 - 3)",
    "print": "for x in range(60): print(x, end=',')",
    "several": "out, s, t = [], set(), 0.5\nfor x in range(60):\n"
    "    out.append((x, str(x)))\n    s.add(x % 7)\n    t += x / 3\n    last = x * 2",
    "several, sometimes": "out, more, t = [], [], 0\nfor x in range(60):\n    if x % 3:\n"
    "        out.append(x)\n        continue\n    more.append(x)\n    t += 1",
    "one object twice": "out = []\nfor x in range(60):\n    out.append(x)\n    if x % 3: out.extend([x])",
    "one number twice": "t = 0.1\nfor x in range(60):\n    t += x / 3\n    t -= 0.1",
    "merged": "s = {*range(99)}\nfor x in range(60): s &= {*range(99)} - {x}",
    "names": "for x in range(60):\n    y = [x]\n    if x == 25: z = y\n    if x == 40: w = str(y)",
    "deleted": "for x in range(60):\n    y = x\n    if x != 20: del y",
    "unpacked": "out = []\nfor a, *b in [(x, x, 2) for x in range(60)]: out.append(b[0])",
    "list": "r = [x * 2 for x in range(60) if x % 3]",
    "nested": "r = [(x, y) for x in range(60) for y in range(x % 4)]",
    "set": "r = list({x * 7 % 19 for x in range(60)})",
    "dict": "r = {x % 7: x for x in range(60)}",
    "sum": "r = sum(x / 7 for x in range(60))",
    "any": "r = any(x == 41 for x in range(60))",
    "map": "r = list(map(str, range(60)))",
    "filter": "r = list(filter(lambda x: x % 3, range(60)))",
}


@pytest.mark.parametrize("name", BODIES)
def test_every_kind_of_effect(name, blocks):
    left = threads(BODIES[name])
    assert kind(left) == ("serial" if name.endswith("ordered") else "parallel")
    assert sum(blocks) > 20


@pytest.mark.parametrize("name", BODIES)
def test_every_kind_of_effect_in_another_process(name, came_back):
    many = BODIES[name].replace("range(60)", "range(600)").replace("arange(60)", "arange(600)")
    many = many.replace("zeros(60", "zeros(600").replace("zeros((60", "zeros((600")
    many = many.replace("x == 41", "x == 541")  # so that `any` needs most of them
    both(many.replace("[0] * 60", "[0] * 600").replace("i - 60", "i - 600"), "processes", workers=2)
    assert sum(came_back) > 60


ITEMS = {
    "raises": "1 // (x - {at})",
    "raises what is no Exception": "exec('raise SystemExit(3)') if x == {at} else 0",
    "can't be added": "[] if x == {at} else 1",
    "has no hash": "{{[]: 1}} if x == {at} else 1",
}
LOOPS = {
    "for": "out, t = [], 0\nfor x in range(60):\n    out.append(x)\n    y = {0}\n    t += y\n    z = 1",
    "set": "s = {{7}}\nfor x in range(60): s.add({0})",
    "dict": "d = {{}}\nfor x in range(60): d[x % 9] = {0}",
    "caught": "out = []\nfor x in range(60):\n    try:\n        out.append({0})\n"
    "    except Exception as e:\n        out.append(str(e))",
    "list comprehension": "r = [{0} for x in range(60)]",
    "set comprehension": "r = {{{0} for x in range(60)}}",
    "dict comprehension": "r = {{{0}: x for x in range(60)}}",
    "sum": "r = sum({0} for x in range(60))",
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("at", PLACES)
def test_an_unusual_item_anywhere(at, item, loop, blocks):
    threads(LOOPS[loop].format(ITEMS[item].format(at=at)))


@pytest.mark.parametrize("at", PLACES)
def test_an_exception_has_the_frames_of_the_cell(at, blocks):
    source = (
        f"def f(x):\n    return 1 / (x - {at})\nout = []\nfor x in range(60):\n    out.append(f(x))"
    )
    left = threads(source)
    plain = run(plainly, source)
    assert [one[1:] for one in frames(left.error)] == [one[1:] for one in frames(plain.error)]
    assert sum(blocks) >= min(at - 2, 1)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("after", ["", "\nelse:\n    done = 1"])
def test_a_break_anywhere(at, after, blocks):
    threads(
        f"out = []\nfor x in range(60):\n    y = x\n    if x == {at}: break\n    out.append(x){after}"
    )
    assert at < 3 or sum(blocks)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_a_value_that_can_not_be_sent(at, where):
    earlier = "import threading\nlock = threading.Lock()\ndef f(x): return threading.Lock()"
    source = f"out, n = [], 0\nfor x in range(60):\n    out.append(type(f(x)) if x == {at} else x)\n    n += 1"
    both(source, where, workers=2, earlier=earlier)
    source = f"out = []\nfor x in range(60):\n    out.append(f(x) if x == {at} else x)\nout = [*map(type, out)]"
    both(source, where, workers=2, earlier=earlier)


@pytest.mark.parametrize("at", PLACES)
def test_an_object_that_was_there_is_the_same_object(at):
    earlier = f"rows = [{{'n': n}} for n in range(60)]\nodd = [rows[{at}]]"
    left = both(
        "kept = [row for row in rows if row['n'] % 3 != 1]\nfirst = {}\n"
        "for row in rows: first[row['n'] % 7] = row\n"
        "pairs = []\nfor row in rows: pairs.append((row['n'], row))",
        "processes",
        workers=2,
        earlier=earlier,
    )
    names = left.names
    assert all(row is names["rows"][n] for n, row in names["pairs"])
    assert all(any(row is one for one in names["rows"]) for row in names["kept"])


@pytest.mark.parametrize("at", [0, 2, 40, 59])
def test_an_effect_that_only_the_kernel_can_tell_to_fail(at, blocks):
    threads(
        f"d = {{}}\nd.update((k, 0) for k in range(60) if k != {at})\nfor x in range(60): d[x] += 1"
    )
    threads(f"xs, n = [0] * {at}, 0\nfor x in range(60):\n    n += 1\n    xs[x] = x")
    threads(f"t = 0\nfor x in range(60): t += 'a' if x == {at} else 1")
    threads(
        "c = {0: 0, 1: []}\nout = []\nfor x in range(60):\n    out.append(x)\n    c[x % 2] += 1"
    )
    assert sum(blocks) > 20


def test_entries_that_are_one_object():
    earlier = "one = []\ng = {0: one, 1: one, 2: []}"
    threads("for x in range(60): g[x % 3].append(x)", earlier=earlier)


def test_the_order_of_sets():
    for body in (
        "for x in range(60): s.add(x * 64 % 641)",
        "s = {x * 64 % 641 for x in range(60)}",
    ):
        for where in ("threads", "processes"):
            both(f"s = set()\n{body}\norder = list(s)", where, workers=2)


def test_what_is_added_and_then_changed():
    earlier = "class Box:\n    n = 1\n    def __radd__(self, other): return other + self.n"
    threads("t = 0\nfor x in range(60):\n    b = Box()\n    t += b\n    b.n = 5", earlier=earlier)


def test_what_only_the_kernel_can_do_and_the_body_swallows():
    source = (
        "c = {0: set(), 1: set()}\nn = 0\nfor x in range(60):\n    try:\n        c[x % 2] |= {x}"
    )
    threads(f"{source}\n    except:\n        n += 1")


def test_a_name_that_can_not_be_sent_of_an_item_that_can_not_run_again():
    earlier = "import threading\ndef make(n): return n, threading.Lock()\nxs = [*range(600)]"
    source = "for i in range(600):\n    if i < 450: y = make(xs[i])\n    xs[i] = xs[i] + 100"
    both(f"{source}\nn, y = y[0], 0", "processes", workers=2, earlier=earlier)


def test_counts_of_counts(blocks):
    earlier = "from collections import Counter\nc = Counter(a=0.1)\nw = ['ab', 'b']"
    threads("for x in range(60): c.update(w[x % 2])", earlier=earlier)
    threads("for x in range(60): c.update({'b': x} if x == 40 else ['b', 'd'])", earlier=earlier)
    threads("for x in range(60): c.update([[]] if x == 40 else ['b'])", earlier=earlier)
    assert sum(blocks) > 60


def test_tallies_onto_floats():
    earlier = "from collections import Counter\nc = Counter({0: 0.1, 1: 1e16})"
    threads("for x in range(60): c[x % 2] += 1", earlier=earlier)


def test_a_default_factory_of_the_users_own():
    earlier = "from collections import defaultdict\nmade = []\n"
    earlier += "def make():\n    made.append(1)\n    return 0\nd = defaultdict(make)"
    threads("for x in range(60): d[x % 3] += 1", earlier=earlier)


def test_what_runs_item_by_item_makes_no_blocks(blocks, tmp_path):
    source = "r = [x * 2 for x in range(60)]"
    for options in ({"retries": 1}, {"timeout": 9.0}):
        threads(source, **options)
    both(source, "processes", workers=2, checkpoint=str(tmp_path / "kept"))
    threads("r = [(y := x) for x in range(60)]")
    threads("out = []\nfor x in range(60):\n    def f(): return x\n    out.append(f())")
    assert blocks == []


def test_what_never_can_be_a_block_is_given_up(blocks):
    threads("c = {0: [], 1: []}\nfor x in range(300): c[x % 2] += [x]")
    assert blocks == []


GUARDED = """\
import lib_that_keeps
rows = [[n] for n in range(150)]
out = []
for row in rows:
    out.append(lib_that_keeps.touch(row, {at}))
"""


@pytest.mark.parametrize("at", [0, 1, 75, 148, 149])
def test_a_library_that_changes_its_argument_is_found_out(at, tmp_path, monkeypatch):
    text = "def touch(row, at):\n    if row[0] == at: row.append(1)\n    return len(row)\n"
    site = tmp_path / "site-packages"
    site.mkdir()
    (site / "lib_that_keeps.py").write_text(text)
    monkeypatch.syspath_prepend(str(site))
    left = both(GUARDED.format(at=at), "processes", workers=2)
    assert "changed the item" in str(left.report)


def test_few_blocks_do_many_items(blocks):
    threads("r = [x for x in range(5000)]")
    assert sum(blocks) > 4900
    assert len(blocks) < 100


@pytest.mark.parametrize("at", [0, 300, 599])
def test_what_another_process_would_make_otherwise(at):
    """Warnings, NaNs, the order of sets and values that don't pickle."""
    warned = (
        f"import warnings\nout = []\nfor x in range(600):\n    if x == {at}: warnings.warn('odd')"
    )
    with warnings.catch_warnings(record=True):
        both(f"{warned}\n    out.append(x)", "processes", workers=2)
    earlier = "nan = float('nan')\nimport re\nmade = [nan] * 600"
    for body in (
        "s = {x for x in made}",
        f"out = []\nfor x in range(600): out.append(nan if x == {at} else x)\nn = out.count(nan)",
        f"out = []\nfor x in range(600): out.append({{8, 0, 16}} if x == {at} else x)",
        f"out = [frozenset([x, x + 64, x * 64]) if x == {at} else x for x in range(600)]\n"
        "out = [list(x) if isinstance(x, frozenset) else x for x in out]",
        f"out = [re.match('a', 'a') if x == {at} else x for x in range(600)]",
        f"out = []\nfor x in range(600): out.append(re.match('a', 'a') if x == {at} else x)",
    ):
        both(body, "processes", workers=2, earlier=earlier)


def iteration_of(source, names, **options):
    """Give the iteration of a loop alone."""
    loop = find_loop(ast.parse(source).body[0], names)
    body = rewrite.body_function(loop, names, "<cell>", 0)
    block = rewrite.block_body(loop, names, "<cell>", 0)
    return BlockIteration(body, tuple(sorted(loop.made)), block=block, **options)


def ran(iteration, items):
    """Run one block."""
    block = Block(ChunkItems(SharedChunkState(items)), StopFlag(), 1)
    return iteration.__nbexec_block__(block)


@pytest.mark.parametrize("odd", ["break", "1 / 0"])
def test_what_came_before_an_unusual_item_is_kept(odd):
    names = {"out": []}
    source = f"for x in xs:\n    out.append(x)\n    if x == 60: {odd}\n    y = x"
    value, done, alone = ran(iteration_of(source, names), list(range(100)))
    assert (done, alone) == (60, 1)
    assert value.columns == [list(range(60))]
    assert value.names == {"y": 59}
    assert names["out"] == []


def test_a_block_in_another_process_sees_that_its_items_were_changed(monkeypatch):
    monkeypatch.setattr(BlockIteration, "elsewhere", True)
    monkeypatch.setattr(guard, "FLOOR", 60.0)  # looking is affordable, on a slow machine too
    monkeypatch.setattr(BlockIteration, "surroundings", lambda self, log: contextlib.nullcontext())
    items = [[n] for n in range(100)]
    untouched = iteration_of("for x in xs: y = x[0]", {}, guarded=True)
    assert ran(untouched, items)[1] == 100
    touching = iteration_of("for x in xs:\n    if x[0] == 40: x.append(1)", {}, guarded=True)
    with pytest.raises(Changed, match="the item"):
        ran(touching, items)


def test_a_block_in_another_process_sees_that_what_it_reads_was_changed(monkeypatch):
    monkeypatch.setattr(BlockIteration, "elsewhere", True)
    monkeypatch.setattr(guard, "FLOOR", 60.0)  # looking is affordable, on a slow machine too
    monkeypatch.setattr(BlockIteration, "surroundings", lambda self, log: contextlib.nullcontext())
    names = {"seen": [], "xs": []}
    touching = iteration_of("for x in xs:\n    if x == 40: seen.insert(0, x)", names, guarded=True)
    with pytest.raises(Changed, match="seen"):
        ran(touching, list(range(100)))
