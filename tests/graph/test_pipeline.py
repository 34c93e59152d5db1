"""`nbexec.Pipeline`: steps wired by name, on every backend, against plain calls.

Covers `graph/pipeline_flow`, `graph/sweep` and `graph/pictures`.
"""

from __future__ import annotations

import gc
import itertools
import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.graph import pictures
from nbexec.graph.pipeline_flow import BEHIND, OPEN, PipelineFlow
from nbexec.graph.step_calls import MOST

from ..waiting import until


def load(path):
    return f"{path} text"


def tokens(load):
    return load.split()


def count(tokens, base=0):
    return base + len(tokens)


def longest(tokens):
    return max(tokens, key=len)


def report(count, longest):
    return f"{count}: {longest}"


STEPS = (report, count, longest, tokens, load)  # in any order


def test_steps_are_wired_by_name_on_every_backend(backend):
    pipe = nbexec.Pipeline(*STEPS, backend=backend)
    assert pipe.inputs == ("path",)
    assert pipe.optional == ("base",)
    assert pipe.outputs == ("report",)
    assert pipe.run(path="some") == {"report": "2: some"}
    assert pipe.run({"path": "some"}, base=5) == {"report": "7: some"}


def test_many_items_on_every_backend(backend):
    pipe = nbexec.Pipeline(*STEPS, backend=backend)
    results = pipe.map(over="path", path=["a", "bbbbb c", "d"])
    assert results == {"report": ["2: text", "3: bbbbb", "2: text"]}
    assert results.inputs == {"path": ["a", "bbbbb c", "d"]}
    assert results.shape == (3,)


def test_until_runs_only_what_it_takes():
    ran = []

    def first(x):
        ran.append("first")
        return x

    def second(first):
        ran.append("second")

    pipe = nbexec.Pipeline(first, second, backend="threads")
    assert pipe.run(x=1, until="first") == {"first": 1}
    assert ran == ["first"]
    assert pipe.map(over="x", x=[1], until=["second", "first"]) == {"second": [None], "first": [1]}


def test_independent_steps_run_at_the_same_time():
    both = threading.Barrier(2)

    def left(x):
        return both.wait(20) >= 0

    def right(x):
        return both.wait(20) >= 0

    pipe = nbexec.Pipeline(left, right, backend="threads", workers=2)
    assert pipe.run(x=0) == {"left": True, "right": True}


def test_an_item_does_not_wait_for_the_slow_step_of_another():
    ended = threading.Event()

    def first(x):
        if x == 0:
            assert ended.wait(20)
        return x

    def second(first):
        if first == 3:
            ended.set()
        return first

    pipe = nbexec.Pipeline(first, second, backend="threads", workers=2)
    assert pipe.map(over="x", x=range(6)) == {"second": [0, 1, 2, 3, 4, 5]}


def test_each_step_may_run_elsewhere():
    import os

    @nbexec.step(backend="processes", workers=2)
    def there(x):
        return os.getpid()

    @nbexec.step(backend="threads", workers=1, output=("here", "thread"))
    def split(there):
        return there != os.getpid(), threading.current_thread().name

    result = nbexec.Pipeline(there, split).run(x=1, until=("here", "thread"))
    assert result["here"] is False or result["here"] is True
    assert result == {"here": True, "thread": result["thread"]}


def test_retries_of_a_step():
    tries = itertools.count()

    @nbexec.step(retries=3, retry_wait=0, backend="threads")
    def shaky(x):
        if next(tries) < 2:
            raise OSError(x)
        return x

    assert nbexec.Pipeline(shaky).run(x=1) == {"shaky": 1}


def test_coroutine_functions():
    async def fetch(x):
        return x + 1

    def double(fetch):
        return 2 * fetch

    pipe = nbexec.Pipeline(nbexec.step(fetch, backend="asyncio"), double, backend="threads")
    assert pipe.map(over="x", x=range(3)) == {"double": [2, 4, 6]}


def test_a_failure_names_its_step_and_item(backend):
    def inverse(x):
        return 1 / x

    with pytest.raises(ZeroDivisionError) as caught:
        nbexec.Pipeline(inverse, backend=backend).map(over="x", x=[1, 0])
    assert "nbexec: step inverse of item 1" in caught.value.__notes__


def test_a_failure_has_the_results_that_there_are():
    def inverse(x):
        return 1 / x

    pipe = nbexec.Pipeline(inverse, backend="serial")
    with pytest.raises(ZeroDivisionError) as caught:
        pipe.map(over="x", x=[1, 2, 0, 4])
    partial = caught.value.partial_results
    assert partial["inverse"][:2] == [1, 0.5]
    assert partial.inputs["x"][:2] == [1, 2]
    assert partial.to_frame()["x"].tolist() == partial.inputs["x"]


@pytest.mark.parametrize("way", ["map", "imap"])
def test_what_ends_together_with_a_failure_is_there_up_to_it(monkeypatch, way):
    submit, go = PipelineFlow._submit, threading.Event()

    def submit_all(flow):
        submit(flow)
        if flow._calls[0].at == 2:
            go.set()
            until(lambda: flow._inbox.qsize() == 2)

    monkeypatch.setattr(PipelineFlow, "_submit", submit_all)

    def inverse(x):
        assert go.wait(10)
        return 1 / x

    pipe, found = nbexec.Pipeline(inverse, backend="threads", workers=1), []

    def take():
        for one in pipe.imap(over="x", x=[2, 0]):
            found.append(one["inverse"])

    with pytest.raises(ZeroDivisionError) as caught:
        pipe.map(over="x", x=[2, 0]) if way == "map" else take()
    assert (found or caught.value.partial_results["inverse"]) == [0.5]


def test_a_failure_costs_what_needs_it_alone():
    def inverse(x):
        return 1 / x

    def doubled(inverse):
        return 2 * inverse

    def shown(x):
        return str(x)

    def both(doubled, shown):
        return f"{doubled} of {shown}"

    pipe = nbexec.Pipeline(inverse, doubled, shown, both, backend="threads")
    results = pipe.map(over="x", x=[1, 0, 2], until=["shown", "both"], on_error="collect")
    assert results["shown"] == ["1", "0", "2"]
    assert results["both"][::2] == ["2.0 of 1", "1.0 of 2"]
    failure = results["both"][1]
    assert isinstance(failure, nbexec.Failure)
    assert failure.item == {"x": 0}
    assert failure.index == 1
    assert results.failures == [failure]


def test_each_with_each(backend):
    def power(base, exponent, shift=0):
        return base**exponent + shift

    pipe = nbexec.Pipeline(power, backend=backend)
    grid = {"base": [2, 3], "exponent": [1, 2, 3]}
    results = pipe.map(grid, over=("base", "exponent"), mode="product", shift=1)
    assert results["power"] == [3, 5, 9, 4, 10, 28]
    assert results.shape == (2, 3)
    pd = pytest.importorskip("pandas")
    frame = results.to_frame()
    assert frame.columns.tolist() == ["base", "exponent", "power"]
    assert frame.pivot(index="base", columns="exponent", values="power").loc[3, 2] == 10
    assert isinstance(frame, pd.DataFrame)


def test_a_sweep_as_a_dataset():
    pytest.importorskip("xarray")
    pipe = nbexec.Pipeline(lambda_like, backend="threads")
    data = pipe.map(over=("a", "b"), mode="product", a=[1, 2], b=[10, 20, 30]).to_xarray()
    assert data["lambda_like"].sel(a=2, b=30).item() == 32


def lambda_like(a, b):
    return a + b


def test_a_pipeline_is_a_step_of_another():
    words = nbexec.Pipeline(load, tokens, count, name="words")
    assert words(path="some") == 2
    assert nbexec.Pipeline(words).outputs == ("count",)

    def shout(words):
        return "!" * words

    outer = nbexec.Pipeline(nbexec.step(words, output="words"), shout, backend="threads")
    assert outer.map(over="path", path=["a", "b c"]) == {"shout": ["!!", "!!!"]}


def test_results_come_in_order_of_endless_items_in_bounded_memory():
    begun = itertools.count()

    class Big:
        alive = 0

        def __init__(self):
            Big.alive += 1
            weakref.finalize(self, Big.gone)

        @classmethod
        def gone(cls):
            cls.alive -= 1

    def made(x):
        next(begun)
        return Big()

    def used(made):
        return Big.alive

    pipe = nbexec.Pipeline(made, used, backend="threads", workers=2)
    gc.disable()  # at once, not when cycles are looked for
    try:
        results = pipe.imap(over="x", x=itertools.count())
        alive = [one["used"] for one in itertools.islice(results, 2000)]
        results.close()
    finally:
        gc.enable()
    most = OPEN * MOST
    assert max(alive) <= most
    assert next(begun) <= 2000 + 2 * most


def test_a_slow_source_does_not_hold_back_what_it_has_given():
    got = threading.Event()

    def source():
        yield 1
        assert got.wait(20)
        yield 2

    def seen(x):
        got.set()
        return x

    pipe = nbexec.Pipeline(seen, backend="threads")
    assert pipe.map(over="x", x=source()) == {"seen": [1, 2]}


def test_closing_ends_what_runs():
    begun, stopped = threading.Event(), threading.Event()

    def waits(x):
        if x == 0:
            assert begun.wait(20)
        else:
            begun.set()
            while not nbexec.cancelled():
                time.sleep(0.001)
            stopped.set()
        return x

    results = nbexec.Pipeline(waits, backend="threads", workers=2).imap(over="x", x=[0, 1])
    assert next(results) == {"waits": 0}
    results.close()
    assert stopped.wait(20)


def test_the_text_and_the_picture():
    pipe = nbexec.Pipeline(*STEPS, name="report")
    assert str(pipe).splitlines()[0] == "report: path, [base] -> report"
    assert "  tokens(load)" in str(pipe)
    bundle = pipe._repr_mimebundle_()
    assert bundle["image/svg+xml"].count("<text") == len(STEPS)
    assert repr(pipe) == "<Pipeline report: 5 steps>"
    column = {one.name: at for one, at in pictures.levels(pipe.wiring).items()}
    assert column == {"load": 0, "tokens": 1, "count": 2, "longest": 2, "report": 3}


def test_it_can_be_cancelled_while_a_step_runs():
    def waits(x):
        if x:
            run = next(one for one in nbexec.runs() if one.name == "cancelled")
            nbexec.attach(run.id).cancel("enough")
            while not nbexec.cancelled():
                time.sleep(0.001)
        return x

    pipe = nbexec.Pipeline(waits, backend="threads", workers=1, name="cancelled")
    with pytest.raises(nbexec.RunCancelled, match="enough") as caught:
        pipe.map(over="x", x=[0, 1], progress="off")
    assert caught.value.partial_results["waits"] in ([], [0])  # they may have travelled together


def test_it_can_be_stopped_by_an_interrupt():
    begun, stopped = threading.Event(), threading.Event()

    def waits(x):
        if x == 0:
            assert begun.wait(20)
        else:
            begun.set()
            while not nbexec.cancelled():
                time.sleep(0.001)
            stopped.set()
        return x

    pipe = nbexec.Pipeline(waits, backend="threads", workers=2)
    results = pipe.imap(over="x", x=[0, 1])
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())
    assert stopped.wait(20)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_graph_is_what_plain_calls_give(data):
    size = data.draw(st.integers(1, 7))
    inputs = ["x", "y"]
    functions, calls = [], []
    for number in range(size):
        names = [*inputs, *(f"f{at}" for at in range(number))]
        takes = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=3))
        source = f"def f{number}({', '.join(takes)}):\n    calls.append({number})\n"
        source += f"    return ({number}, {', '.join(takes)})\n"
        scope = {"calls": calls}
        exec(source, scope)
        functions.append(scope[f"f{number}"])
    order = data.draw(st.permutations(functions))
    pipe = nbexec.Pipeline(*order, backend="threads", workers=2)
    rows = [{"x": f"x{at}", "y": f"y{at}"} for at in range(3)]
    expected = []
    for row in rows:
        values = dict(row)
        for function in functions:
            code = function.__code__
            names = code.co_varnames[: code.co_argcount]
            values[function.__name__] = function(*(values[name] for name in names))
        expected.append({name: values[name] for name in pipe.outputs})
    calls.clear()
    taken = list(pipe.inputs)
    columns = {name: [row[name] for row in rows] for name in taken}
    found = pipe.map(columns, over=taken)
    assert [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)] == (
        expected
    )
    assert sorted(calls) == sorted(list(range(size)) * 3)  # each step once an item


def test_imap_keeps_few_items_behind_one_that_takes_long():
    go, begun = threading.Event(), []

    def held(x):
        if x == 0:
            go.wait(60)
        return x

    def numbers():
        for number in range(100_000):
            begun.append(number)
            yield number

    pipe = nbexec.Pipeline(held, backend="threads", workers=2)
    found = pipe.imap(over="x", x=numbers())
    first = []
    reader = threading.Thread(target=lambda: first.append(next(found)))
    reader.start()
    try:
        before = -1
        while before != len(begun):  # until it takes in no more
            before = len(begun)
            time.sleep(0.5)
        assert len(begun) <= BEHIND * OPEN * MOST + 1
    finally:
        go.set()
        reader.join(60)
    assert first == [{"held": 0}]
    assert [one["held"] for one in itertools.islice(found, 5)] == [1, 2, 3, 4, 5]
    found.close()


def test_until_must_name_an_output():
    pipe = nbexec.Pipeline(count, backend="serial")
    with pytest.raises(nbexec.GraphError, match="it is empty"):
        pipe.run(tokens=["a"], until=())
    with pytest.raises(nbexec.GraphError, match="it is empty"):
        pipe.map(over="tokens", tokens=[["a"]], until=[])


def test_a_name_that_over_has_twice_is_one():
    pipe = nbexec.Pipeline(count, backend="serial")
    results = pipe.map(over=("tokens", "tokens"), mode="product", tokens=[["a"], []])
    assert (results["count"], results.shape) == ([1, 0], (2,))
