"""What modules hold, on its way: facts, values, what can't be sent, and changes in a worker.

Covers `nbexec.worker.held_values`, `nbexec.worker.set_names`,
`nbexec.worker.module_facts`, `nbexec.worker.module_state`, `nbexec.worker.sent_modules`,
`nbexec.worker.later_imports`, `nbexec.worker.run_values`, `nbexec.worker.sent_loaders`,
`nbexec.worker.unsent_values`, `nbexec.worker.value_changes`,
`nbexec.worker.unchanged_values` and `nbexec.serialize.live_modules`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import math
import pickle
import sys
import threading
import types
from collections import Counter, defaultdict, deque

import pytest

from nbexec.errors import PickleError
from nbexec.serialize import live_modules, pickling
from nbexec.worker import module_state, module_values, sent_modules
from nbexec.worker.later_imports import LaterImports
from nbexec.worker.module_facts import VALUE, fact, is_written
from nbexec.worker.unchanged_values import same, snapshot
from nbexec.worker.unsent_values import KEEP, NotSent, is_assigned, sendable_part
from nbexec.worker.value_changes import NOTHING, Changes

SOURCE = """
import functools
RATE = 1
CONFIG = {"x": [1]}
def f(x): return x * RATE
def g(x): return -x
def wrap(fn):
    @functools.wraps(fn)
    def w(x): return fn(x) + 1
    return w
@functools.lru_cache
def cached(x): return x * RATE
def default(x, c=CONFIG): return c is CONFIG
class Model:
    rate = 1
    def f(self): return self.rate
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's; what a worker knows is forgotten afterwards."""
    name = f"held_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(name)
    sys.meta_path[:] = [one for one in sys.meta_path if type(one) is not module_state.Finder]
    for table in (module_state._held, module_state._sent, module_state._made, module_state._first):
        table.clear()
    sys.modules.pop(name, None)


def taken_on(values, module):
    """Take on what a module holds as another process would."""
    name = module.__name__
    module_state.take_on({name: values.held[name]}, {})


def test_a_module_becomes_again_what_it_was(module):
    values, config, f = module_values.here(), module.CONFIG, module.f
    module_state.take_on({}, {})
    module_state.bring(module.__name__, module)  # as the worker imported it
    module.RATE, module.f, module.g = 5, None, module.f
    module.CONFIG["x"].append(2)
    module.Model.rate = module.Model.more = module.JUNK = 7
    module.cached(1)
    taken_on(values, module)
    assert (module.RATE, module.CONFIG, module.Model.rate) == (1, {"x": [1]}, 1)
    assert module.f is f
    assert module.g(1) == -1
    assert module.CONFIG is config
    assert module.default(1)
    assert not hasattr(module, "JUNK")
    assert not hasattr(module.Model, "more")
    assert module.cached.cache_info().currsize == 0


def test_one_that_is_imported_later_is_brought_then(module):
    name = module.__name__
    module.RATE = 3
    module.f = module.wrap(module.f)
    want = module.f(2)
    values = module_values.here()
    del sys.modules[name]
    taken_on(values, module)
    assert name not in sys.modules
    there = importlib.import_module(name)
    assert there is not module
    assert there.RATE == 3
    assert there.f(2) == want
    there.RATE = 4  # the function that was sent has the module's own globals
    assert there.f(2) == 9
    assert there.__spec__.loader is there.__loader__
    assert "nbexec" not in type(there.__loader__).__module__


def test_only_what_cannot_be_imported_is_sent(module, monkeypatch):
    name = module.__name__
    own = {name: module}
    assert sent_modules.own_modules()[name] is module
    assert "math" not in sent_modules.own_modules()
    assert sent_modules.to_send(own, True) == {}
    assert sent_modules.to_send(own, False)[name].source == SOURCE.encode()
    monkeypatch.setattr(sys, "path", [])
    assert sent_modules.to_send(own, True)[name].source == SOURCE.encode()
    made = types.ModuleType("made_here")
    monkeypatch.setitem(sys.modules, "made_here", made)
    exec("def f(x): return x", vars(made))
    assert sent_modules.to_send({"made_here": made}, True)["made_here"].whole


def test_an_extension_module_is_named_where_it_cannot_be_sent(monkeypatch):
    name, file = "made_of_c", "/nowhere/made_of_c.so"
    loader = importlib.machinery.ExtensionFileLoader(name, file)
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, loader, origin=file)
    made.__file__ = file
    assert not sent_modules.to_send({name: made}, True)[name].why
    sent = sent_modules.to_send({name: made}, False)
    monkeypatch.setattr(module_state, "_sent", sent)
    with pytest.raises(ModuleNotFoundError, match=r"an extension module .* install it where"):
        module_state.Finder().find_spec(name, None)


def test_what_is_imported_later_is_found_without_importing_it(module, tmp_path, monkeypatch):
    (tmp_path / "package_x").mkdir()
    (tmp_path / "package_x" / "__init__.py").write_text("def f():\n    from .inner import g\n")
    (tmp_path / "package_x" / "inner.py").write_text("import json, last_x\n")
    (tmp_path / "last_x.py").write_text("import package_x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    later = LaterImports({})
    later.follow(compile("def f():\n    import package_x", "", "exec"), "")
    assert [*later.found] == ["package_x", "package_x.inner", "last_x"]
    assert not {*later.found} & {*sys.modules}


def test_this_process_takes_nothing_on_from_itself(module):
    values = module_values.here()
    assert values.origin == module_values.process()
    module.RATE = 9
    pickling.loads(pickling.dumps(values))
    assert module.RATE == 9


def test_values_are_compared_by_what_they_are(module):
    first = module_values.here()
    assert module_values.here().digest() == first.digest()
    module.CONFIG["x"].append(1)
    assert module_values.here().digest() != first.digest()


def test_facts(module):
    name = module.__name__
    assert fact(3) is fact([1]) is VALUE
    assert fact(module.Model) == ("r", name, "Model")
    assert fact(math) == ("m", "math")
    assert fact(math.sqrt) == ("r", "math", "sqrt")
    assert fact(module.f)[:3] == ("f", name, "f")
    assert is_written(name, "f", module.f)
    assert not is_written(name, "f", module.wrap(module.f))


def test_a_function_without_a_name_has_its_module_s_globals(module):
    module.f = module.wrap(module.f)
    inner = pickle.loads(pickling.dumped(live_modules.pickler(), module.f))
    module.RATE = 10
    assert inner(2) == 21
    assert inner.__globals__ is vars(module)


def test_parts_that_cannot_be_sent(module):
    class Settings:
        def __init__(self):
            self.rate, self.lock = 1, threading.Lock()

    lock = threading.Lock()
    assert sendable_part([1, lock], {}) == [1, KEEP]
    part = sendable_part({"settings": Settings()}, {})["settings"]
    assert type(part) is Settings
    assert part.rate == 1
    assert part.lock is KEEP
    assert sendable_part(lock, {}) is KEEP
    assert is_assigned(module.__name__, "RATE")
    assert not is_assigned(module.__name__, "NEW")
    assert pickle.loads(pickle.dumps(KEEP)) is KEEP


@pytest.mark.parametrize("use", [lambda it: it(), lambda it: it + 1, lambda it: 2 * it, len, bool])
def test_what_was_not_sent_says_so(use):
    with pytest.raises(PickleError, match=r"settings\.db, a Db that was set after the import"):
        use(NotSent("settings.db", "Db"))
    with pytest.raises(PickleError, match=r"settings\.db"):
        _ = NotSent("settings.db", "Db").query


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": [1], "b": 2}, {"b": [1], "a": [1, 2]}),
        ([1, [2]], [[3], [2, 3], 4]),
        ({1}, {2, 3}),
        (deque([1], 3), deque([2, 3], 3)),
        (bytearray(b"a"), bytearray(b"bc")),
        (defaultdict(int, a=1), defaultdict(list, b=2)),
        (Counter("a"), Counter("bb")),
        (types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(a=[3])),
    ],
)
def test_containers_keep_their_place(old, new):
    assert Changes().brought(old, new) is old
    assert old == new


def test_what_is_one_object_stays_one_and_what_is_two_becomes_two():
    one = [1]
    changes = Changes()
    old = {"a": one, "b": one}
    new = changes.brought(old, {"a": [1], "b": [2]})
    assert new["a"] is one
    assert new == {"a": [1], "b": [2]}
    two = [3]
    again = Changes().brought(new, {"a": two, "b": two})
    assert again["a"] is again["b"]
    loop: list[object] = []
    loop.append(loop)
    found = Changes().brought([1], loop)
    assert found[0] is found


def test_a_part_that_is_kept():
    lock = threading.Lock()
    assert Changes().brought({"rate": 1, "lock": lock}, {"rate": 2, "lock": KEEP}) == {
        "rate": 2,
        "lock": lock,
    }
    assert Changes().brought(NOTHING, {"rate": 2, "lock": KEEP}) == {"rate": 2}


def test_what_a_function_or_a_package_s_object_has_tells_whether_it_changed(module):
    wrapped = module.wrap(module.f)
    assert same(snapshot(wrapped), snapshot(wrapped))
    before = snapshot(wrapped)
    wrapped.calls = 1
    assert not same(before, snapshot(wrapped))
    assert snapshot([1]) is snapshot({}) is snapshot(module.Model()) is None
    mark = pytest.mark.parametrize("x", [1])
    before = snapshot(mark)
    assert before is not None
    assert same(before, snapshot(mark))
    assert not same(before, snapshot(pytest.mark.skip))
    counter = [0]

    def counts():
        counter[0] += 1

    assert snapshot(counts) is None  # what it holds may change
