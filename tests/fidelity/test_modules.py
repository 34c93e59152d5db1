"""What the user's modules hold in the kernel, and modules that a worker can't import.

A plain loop is the reference.
"""

from __future__ import annotations

import builtins
import http.client
import importlib
import importlib.util
import json
import math
import sys
import textwrap
import threading
import time
import types
import zipfile
from fractions import Fraction
from typing import Any

import pytest
import xxhash._xxhash as in_c

import nbexec

from . import settings_module as mod
from . import settings_user
from .ways import WAYS


def same(fn, backend, items=range(4)):
    """Have workers give what a plain loop gives; return that."""
    items = list(items)
    found = list(nbexec.map(fn, items, backend=backend))
    assert found == [fn(item) for item in items]
    return found


def everything(x):
    """Give what is seen of the module."""
    return (
        (mod.f(x), mod.call(x), mod.g(x), mod.root(x), mod.RATE, mod.is_mark()),
        (mod.CONFIG, mod.LIST, mod.PAIR, dict(mod.COUNTS), hasattr(mod, "GONE")),
        (mod.settings.rate, mod.limits.most, mod.slotted.rate, mod.GUARDED["rate"]),
        (mod.Model.rate, mod.Child().f(x), mod.Child.table, mod.Child().p, mod.Child.made()),
        (mod.with_default(x), settings_user.use(x)),
        sorted(mod.HANDLERS),
        [handler(x) for handler in mod.HANDLERS.values()],
    )


def test_what_a_module_holds_is_what_it_holds_in_the_kernel(backend, monkeypatch):
    before = same(everything, backend)
    with monkeypatch.context() as patch:
        patch.setattr(mod, "RATE", 2)
        patch.setitem(mod.CONFIG, "x", 3)
        patch.setitem(mod.CONFIG["deep"], "y", [1, 2])
        patch.setattr(mod, "LIST", [1, 2])
        patch.setattr(mod, "PAIR", (1, [7]))
        patch.setitem(mod.COUNTS, "new", 1)
        patch.setattr(mod.settings, "rate", 4)
        patch.setattr(mod.limits, "most", 5)
        patch.setattr(mod.slotted, "rate", 6)
        patch.setitem(mod.GUARDED, "rate", 7)
        patch.setattr(mod.Model, "rate", 8)
        patch.setitem(mod.Model.table, "k", 9)
        patch.setitem(mod.HANDLERS, "more", lambda x: x + 1)
        patch.delattr(mod, "GONE")
        assert same(everything, backend) != before
        patch.setattr(mod, "RATE", 3)
        same(everything, backend)
    assert same(everything, backend) == before


def test_functions_and_methods_that_were_replaced(backend, monkeypatch):
    original = mod.f
    before = same(everything, backend)
    with monkeypatch.context() as patch:
        patch.setattr(mod, "f", lambda x: original(x) + 1000)
        patch.setattr(mod, "sqrt", math.cos)
        patch.setattr(mod.Model, "f", lambda self, x: -x)
        patch.setattr(mod.Model, "p", property(lambda self: "new"))
        patch.setattr(mod.Model, "made", classmethod(lambda cls: cls.__name__))
        patch.setattr(mod, "RATE", 5)
        assert same(everything, backend) != before
    with monkeypatch.context() as patch:
        patch.setattr(mod, "f", mod.g)
        same(everything, backend)
        patch.setattr(mod, "g", original)
        same(everything, backend)
    assert same(everything, backend) == before


def test_a_class_that_was_replaced(backend, monkeypatch):
    class Mine:
        rate = 7

        def f(self, x):
            return "mine"

    def seen(x):
        return mod.Model().f(x), mod.Model.rate

    with monkeypatch.context() as patch:
        patch.setattr(mod, "Model", Mine)
        same(seen, backend)
    same(seen, backend)


def test_what_a_run_leaves_in_a_worker_is_gone(sent, monkeypatch):
    def spoil(x):
        mod.RATE += 100
        mod.CONFIG["x"] = "spoiled"
        mod.CONFIG["deep"]["y"].append("spoiled")
        mod.Model.rate = "spoiled"
        mod.Model.p = mod.f = mod.sqrt = None
        mod.JUNK = mod.Model.junk = 1
        mod.settings.rate = "spoiled"
        return mod.remember(x) and mod.cached(x) and 0

    def clean(x):
        junk = hasattr(mod, "JUNK"), hasattr(mod.Model, "junk")
        return everything(x), junk, mod.cached(1)

    nbexec.map(spoil, range(8), backend=sent)
    same(clean, sent)
    mod.cached.cache_clear()
    assert {*nbexec.map(mod.remember, range(2), backend=sent, chunk=1)} <= {1, 2}


def test_executors_imap_and_cells(backend, monkeypatch):
    with nbexec.Executor(backend=backend) as executor:
        for rate in (2, 3):
            monkeypatch.setattr(mod, "RATE", rate)
            assert executor.submit(mod.call, 2).result() == mod.call(2)
            assert [*executor.map(mod.call, range(3))] == [mod.call(x) for x in range(3)]
    for rate in (4, 5):
        monkeypatch.setattr(mod, "RATE", rate)
        monkeypatch.setitem(mod.CONFIG, "x", rate)
        assert [*nbexec.imap(mod.call, range(3), backend=backend)] == [*map(mod.call, range(3))]
        source = "out = [x * mod.RATE * mod.CONFIG['x'] for x in range(50)]"
        names, plain = {"mod": mod}, {"mod": mod}
        nbexec.parallel(source, names, backend=backend)
        exec(source, plain)
        assert names["out"] == plain["out"]


def test_two_runs_in_turn_on_the_same_workers(sent, monkeypatch):
    monkeypatch.setattr(mod, "RATE", 2)
    first = nbexec.imap(mod.call, [1] * 40, backend=sent, workers=1, chunk=1)
    found = [next(first)]
    monkeypatch.setattr(mod, "RATE", 3)
    assert {*nbexec.map(mod.call, [1] * 4, backend=sent, workers=1)} == {3}
    assert {*found, *first} == {2}


def test_what_cannot_be_sent_is_the_worker_s_own_or_an_error_where_it_is_used(sent, monkeypatch):
    assert nbexec.map(lambda x: mod.LOCK.acquire(False), [1], backend=sent) == [True]
    monkeypatch.setattr(mod, "CONNECTION", threading.Lock(), raising=False)
    assert nbexec.map(mod.call, [1], backend=sent) == [1]
    with pytest.raises(nbexec.PickleError, match=r"settings_module\.CONNECTION, a _thread.lock"):
        nbexec.map(lambda x: mod.CONNECTION.acquire(), [1], backend=sent)
    monkeypatch.setattr(mod, "RATE", threading.Lock())
    with pytest.raises(nbexec.PickleError, match=r"settings_module\.RATE"):
        nbexec.map(mod.call, [1], backend=sent)


def test_arrays_keep_their_place(remote, monkeypatch):
    np = pytest.importorskip("numpy")
    array = np.arange(200_000)
    monkeypatch.setattr(mod, "ARRAY", array, raising=False)
    same(lambda x: (mod.ARRAY[1], mod.ARRAY.sum(), mod.ARRAY.flags.writeable), remote)
    array[1] = 7

    def spoil(x):
        mod.ARRAY[1] += 1

    nbexec.map(spoil, range(4), backend=remote)
    array[2] = 9
    same(lambda x: (mod.ARRAY[1], mod.ARRAY[2]), remote)


# ---------------------------------------------------------------- that can't be imported

HELPER = "K = 3\ndef g(x): return x * K\n"
PLUG = """
import dataclasses, enum
import {helper} as helper
RATE = 1
TABLE = {{"k": 1}}
class Plug:
    made = 0
    def __init__(self, n): self.n = n
    def twice(self): return self.n * 2 * RATE
    def __eq__(self, other): return type(other) is type(self) and other.n == self.n
@dataclasses.dataclass
class Point:
    n: int
class Color(enum.Enum):
    RED = 1
class PlugError(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b
def f(x): return x + RATE + helper.g(x)
def make(x): return Plug(x)
def point(x): return Point(x)
def red(x): return Color.RED
def fail(x): raise PlugError(x, 2)
def again(x):
    import pickle, sys
    there = __name__ not in sys.modules or sys.modules[__name__].Plug is Plug
    return there and (__name__ not in sys.modules or pickle.loads(pickle.dumps(Plug(x))) == Plug(x))
"""


def load(name, file, register=True):
    """Load a module by the path of its file."""
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    if register:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def helper(tmp_path, monkeypatch):
    name = f"helper_{tmp_path.name}"
    (tmp_path / "helper.py").write_text(HELPER)
    yield load(name, tmp_path / "helper.py")
    del sys.modules[name]


@pytest.fixture(params=["by path", "by path, not registered", "made by exec"])
def plug(request, tmp_path, helper):
    """A module that no worker can import."""
    name = f"plug_{tmp_path.name}"
    source = PLUG.format(helper=helper.__name__)
    if request.param == "made by exec":
        module = sys.modules[name] = types.ModuleType(name)
        exec(source, vars(module))
    else:
        (tmp_path / "plug.py").write_text(source)
        module = load(name, tmp_path / "plug.py", request.param == "by path")
    yield module
    sys.modules.pop(name, None)


@pytest.mark.one_in(2)
def test_a_module_that_cannot_be_imported(backend, plug, helper):
    for fn in (plug.f, plug.make, plug.point, plug.red, plug.again):
        same(fn, backend)
    same(lambda x: (plug.f(x), plug.TABLE, plug.red(x) is plug.Color.RED), backend)
    same(lambda fn: fn(3), backend, [plug.f, plug.make])
    same(plug.Plug.twice, backend, [plug.Plug(1), plug.Plug(2)])
    assert type(nbexec.map(plug.make, [1], backend=backend)[0]) is plug.Plug
    assert nbexec.map(plug.red, [1], backend=backend)[0] is plug.Color.RED
    with pytest.raises(plug.PlugError) as raised:
        nbexec.map(plug.fail, [1], backend=backend)
    assert raised.value.b == 2
    with nbexec.Executor(backend=backend) as executor:
        assert executor.submit(plug.Plug.twice, plug.Plug(2)).result() == 4
    plug.RATE, helper.K, plug.Plug.made = 2, 5, 7
    plug.TABLE["j"] = 2
    same(lambda x: (plug.f(x), plug.TABLE, plug.Plug.made, plug.Plug(x).twice()), backend)
    names, plain = {"plug": plug}, {"plug": plug}
    source = "out = [plug.f(x) for x in range(50)]\nmade = [plug.make(x) for x in range(9)]"
    nbexec.parallel(source, names, backend=backend)
    exec(source, plain)
    assert (names["out"], names["made"]) == (plain["out"], plain["made"])


def test_one_that_is_loaded_again(sent, tmp_path):
    file, name = tmp_path / "again.py", f"again_{tmp_path.name}"
    for text in ("first", "second, longer"):
        file.write_text(f"def f(x): return {text!r}\n")
        module = load(name, file)
        same(module.f, sent)
    del sys.modules[name]


def test_packages_zip_files_and_removed_folders(sent, tmp_path, monkeypatch):
    name = f"p_{tmp_path.name}"
    folder = tmp_path / "package" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("from . import sub\n")
    (folder / "sub.py").write_text("from . import other\ndef h(x): return x + other.W\n")
    (folder / "other.py").write_text("W = 2\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as file:
        file.writestr(f"z{name}.py", "R = 2\ndef f(x): return x * R\n")
    before = {*sys.modules}
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path / "package"))
        patch.syspath_prepend(str(tmp_path / "packed.zip"))
        package = importlib.import_module(name)
        packed = importlib.import_module(f"z{name}")
    package.other.W = 5
    same(package.sub.h, sent)
    same(lambda x: package.sub.other.W, sent)
    packed.R = 7
    same(packed.f, sent)
    sys.modules["alias"] = packed

    def aliased(x):
        import importlib

        return importlib.import_module("alias") is importlib.import_module(f"z{name}")

    assert same(aliased, sent) == [True] * 4
    for added in {*sys.modules} - before:
        del sys.modules[added]


def test_a_cluster_that_was_given_needs_none_of_the_users_files(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    name = f"lib_{tmp_path.name}"
    folder = tmp_path / name
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(host="127.0.0.1", **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        folder.mkdir()
        (folder / "__init__.py").write_text("from .core import f, Thing\n")
        (folder / "core.py").write_text(
            f"from . import util\nimport top_{name}\nRATE = 1\n"
            "class Thing:\n    def __init__(self, n): self.n = n\n"
            "def f(x): return util.g(x) * RATE\n"
            "def later(x):\n    from . import late\n"
            f"    import last_{name} as last\n    return late.L + last.L\n"
        )
        (folder / "util.py").write_text("def g(x): return x + 1\n")
        (folder / "late.py").write_text("L = 4\n")
        (tmp_path / f"top_{name}.py").write_text("T = 7\n")
        (tmp_path / f"last_{name}.py").write_text("L = 8\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        before = {*sys.modules}
        lib = importlib.import_module(name)
        same(lib.f, client)
        assert list(nbexec.map(lib.core.later, range(2), backend=client)) == [12, 12]
        assert type(nbexec.map(lib.Thing, [1], backend=client)[0]) is lib.Thing
        lib.core.RATE = 3
        same(lambda x: lib.f(x), client)
        same(lambda thing: thing.n, client, [lib.Thing(1)])
        for added in {*sys.modules} - before:
            if added.endswith((name, ".core", ".util", ".late")):
                del sys.modules[added]


# ---------------------------------------------------------------- of Python and of packages


def of_libraries(x):
    """Give what is seen of some modules of Python's."""
    port = http.client.HTTP_PORT
    return str(Fraction(x, 7)), json.dumps([x]), port, textwrap.fill("a b c d", 3)


def test_what_was_changed_in_modules_of_python(backend, monkeypatch):
    dumps = json.dumps
    before = same(of_libraries, backend)
    with monkeypatch.context() as patch:
        patch.setattr(Fraction, "__str__", lambda self: f"{self.numerator} over 7")
        patch.setattr(json, "dumps", lambda thing: dumps(thing) + "!")
        patch.setattr(http.client, "HTTP_PORT", 81)
        assert same(of_libraries, backend) != before
        patch.setattr(textwrap, "fill", lambda text, width: "filled")
        same(of_libraries, backend)
    assert same(of_libraries, backend) == before


@pytest.mark.parametrize("way", WAYS)
def test_a_constant_of_a_module_in_c(remote: str, way: str, monkeypatch: Any) -> None:
    for pi in (3, 4, math.pi):  # the last time it is as it was
        monkeypatch.setattr(math, "pi", pi)
        assert WAYS[way](lambda x: x * math.pi, range(3), remote) == [x * pi for x in range(3)]


def added(text: str) -> str:
    """Stand for a function that the notebook adds to a module."""
    return f"{text}!"


class Added:
    """Stands for a class that the notebook adds to a module."""

    def __init__(self, n: int) -> None:
        self.n = n


def of_names(x: int) -> Any:
    """Give what is seen of names that were added to modules and deleted from them."""
    tau = getattr(math, "tau", "gone"), hasattr(textwrap, "fill"), hasattr(math, "steps")
    return tau, math.tau2 * x, textwrap.more("a"), textwrap.added.n, textwrap.Added(x).n  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", WAYS)
def test_names_that_were_added_to_modules_and_deleted(
    backend: str, way: str, monkeypatch: Any
) -> None:
    def plainly(x: int) -> Any:
        return math.tau, textwrap.fill("a b"), hasattr(math, "tau2"), hasattr(textwrap, "more")

    with monkeypatch.context() as patch:
        patch.setattr(math, "tau2", 6.28, raising=False)
        patch.setattr(math, "steps", [1], raising=False)
        patch.delattr(math, "tau")
        patch.delattr(textwrap, "fill")
        patch.setattr(textwrap, "more", added, raising=False)
        patch.setattr(textwrap, "added", Added(5), raising=False)
        patch.setattr(textwrap, "Added", Added, raising=False)
        assert WAYS[way](of_names, range(3), backend) == [*map(of_names, range(3))]
    assert WAYS[way](plainly, range(3), backend) == [*map(plainly, range(3))]


def test_a_name_that_was_added_and_cannot_be_sent_says_so_where_it_is_used(
    sent: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(math, "lock", [threading.Lock()], raising=False)
    with pytest.raises(nbexec.PickleError, match=r"math\.lock"):
        nbexec.map(lambda x: math.lock[0], range(2), backend=sent)  # type: ignore[attr-defined]


def test_plain_values_of_a_module_in_c(remote: str, monkeypatch: Any) -> None:
    """Of one that is installed: nobody knows what it held at first."""
    if remote != "processes":  # elsewhere the module may be another one
        return

    def look(x: int) -> Any:
        return in_c.XXHASH_VERSION, getattr(in_c, "RATE", None)

    with monkeypatch.context() as patch:
        patch.setattr(in_c, "XXHASH_VERSION", "mine")
        patch.setattr(in_c, "RATE", 3, raising=False)
        for way in WAYS.values():
            assert way(look, range(3), remote) == [*map(look, range(3))]
    for way in WAYS.values():
        assert way(look, range(3), remote) == [*map(look, range(3))]


def test_names_that_were_added_to_builtins_and_time(backend: str, monkeypatch: Any) -> None:
    def look(x: int) -> Any:
        return getattr(builtins, "RATE", None), getattr(time, "RATE", None)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "RATE", 3, raising=False)
        patch.setattr(time, "RATE", 4, raising=False)
        for way in WAYS.values():
            assert way(look, range(3), backend) == [*map(look, range(3))]
    for way in WAYS.values():
        assert way(look, range(3), backend) == [*map(look, range(3))]
