"""Branches, steps that are left out, what steps give, and items that go on after a failure.

Covers `graph/routes`, `graph/graph_rows`, `graph/step_values`, `graph/step_calls` and
`graph/pipeline_results`.
"""

from __future__ import annotations

import pickle
from typing import Literal

import pytest

import nbexec
from nbexec import GraphError, OptionError, Pipeline, Skipped, route, step

SKIPPED = Skipped.SKIPPED


def kind(doc) -> Literal["pdf", "html"]:
    return "pdf" if doc.startswith("p") else "html"


def test_a_route_picks_what_runs(backend):
    @step(output="text")
    def pdf(doc):
        return f"P {doc}"

    @step(output="text")
    def html(doc):
        return f"H {doc}"

    def words(text):
        return text.split()

    pipe = Pipeline(words, html, route(kind), pdf, backend=backend)
    assert (pipe.inputs, pipe.outputs) == (("doc",), ("words",))
    results = pipe.map(over="doc", doc=["p1", "h1", "p2"], until=["words", "kind"], progress="off")
    assert results["words"] == [["P", "p1"], ["H", "h1"], ["P", "p2"]]
    assert results["kind"] == ["pdf", "html", "pdf"]
    assert [results.report[name].done for name in ("pdf", "html")] == [2, 1]
    assert results.report["html"].skipped == 2


def test_what_needs_a_branch_that_does_not_run_is_skipped_unless_it_has_a_default():
    @route(to={True: "extra"})
    def wanted(x):
        return x > 1 or None

    def extra(x):
        return x * 100

    def needs(extra):
        return extra + 1

    def may(x, extra=0):
        return x + extra

    pipe = Pipeline(wanted, extra, needs, may, backend="threads")
    results = pipe.map(over="x", x=[1, 2], progress="off")
    assert results == {"needs": [SKIPPED, 201], "may": [1, 202]}
    assert not SKIPPED
    assert pickle.loads(pickle.dumps(SKIPPED)) is SKIPPED
    assert results.failures == []


def test_routes_in_a_row():
    @route(to=("inner", "plain"))
    def outer(x):
        return "inner" if x else "plain"

    @route(to=("low", "high"))
    def inner(x):
        return "high" if x > 5 else "low"

    @step(output="plain_size")
    def plain(x):
        return "none"

    @step(output="size")
    def low(x):
        return "low"

    @step(output="size")
    def high(x):
        return "high"

    def said(size="-", plain_size="-"):
        return size, plain_size

    pipe = Pipeline(said, high, low, plain, inner, outer, backend="threads")
    found = pipe.map(over="x", x=[0, 1, 9], progress="off")["said"]
    assert found == [("-", "none"), ("low", "-"), ("high", "-")]


def test_a_failed_route_costs_what_is_behind_it():
    def nowhere(x):
        return "elsewhere"

    def here(x):
        return x

    pipe = Pipeline(route(nowhere, to=("here",)), here, backend="threads")
    with pytest.raises(ValueError, match=r"route nowhere gave 'elsewhere'.*\('here'\)"):
        pipe.run(x=1)
    (failure,) = pipe.map(over="x", x=[1], on_error="collect", progress="off").failures
    assert isinstance(failure.exception, ValueError)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pipeline(route(lambda x: 1, to=("her",), name="r"), here), "mean 'here'"),
        (lambda: Pipeline(route(lambda x: 1, name="r"), here), "route r needs the names"),
        (
            lambda: Pipeline(
                route(lambda x: 1, to=("here",), output="a"),
                route(lambda x: 1, to=("here",), output="b"),
                here,
            ),
            "two routes go to here",
        ),
        (
            lambda: Pipeline(
                route(lambda x: "here", to=("here",), name="r"),
                here,
                step(lambda x: x, name="here", output="there"),
            ),
            "route r goes to 'here', but several steps are called so",
        ),
        (lambda: route(here, to="here"), "to= must be names of steps"),
        (lambda: route(here, to=(1,)), "to= must be names of steps, not 1"),
        (lambda: route(here, to=("a",), seed=1), "a route has no option 'seed'"),
        (lambda: step(here, priority="high"), "priority must be an integer"),
    ],
)
def test_routes_that_can_not_be(make, said):
    with pytest.raises(OptionError, match=said):
        make()


def here(x):
    return x


def test_optional_steps_are_left_out_where_an_input_is_not_given():
    @step(optional=True)
    def dictionary(words):
        return set(words)

    def known(text, dictionary=None):
        return text if dictionary is None else [one for one in text if one in dictionary]

    def size(dictionary):
        return len(dictionary)

    pipe = Pipeline(dictionary, known, backend="threads")
    assert (pipe.inputs, pipe.optional) == (("text",), ("words",))
    assert pipe.run(text=["a", "b"]) == {"known": ["a", "b"]}
    assert pipe.run(text=["a", "b"], words=["b"]) == {"known": ["b"]}
    assert Pipeline(pipe, step(here, name="n", output="n")).run(text=["a"], x=1)["n"] == 1
    with pytest.raises(GraphError, match="step size takes 'dictionary', but step dictionary"):
        Pipeline(dictionary, size, backend="threads").run()


def test_what_a_generator_yields_is_a_list_for_all(backend):
    def numbers(count):
        yield from range(count)

    def total(numbers):
        return sum(numbers)

    def most(numbers):
        return max(numbers)

    pipe = Pipeline(numbers, total, most, backend=backend)
    assert pipe.run(count=4) == {"total": 6, "most": 3}


def test_generator_functions_have_parameters_of_any_name():
    def pair(self, fn):
        yield from (self, fn)

    async def other(self):
        yield self

    pipe = Pipeline(pair, step(other, backend="asyncio"), backend="threads")
    assert pipe.run({"self": 1, "fn": 2}) == {"pair": [1, 2], "other": [1]}


def test_what_an_asynchronous_generator_yields():
    async def numbers(count):
        for one in range(count):
            yield one

    assert Pipeline(numbers, backend="asyncio").run(count=3) == {"numbers": [0, 1, 2]}


def test_a_step_may_raise_stop_iteration(backend):
    def ends(x):
        raise StopIteration(x)

    pipe = Pipeline(ends, backend=backend)
    with pytest.raises(StopIteration):
        pipe.run(x=1)
    with pytest.raises(StopIteration):
        pipe.map(over="x", x=[1], progress="off")
    with pytest.raises(RuntimeError, match="StopIteration"):  # as of any generator
        list(pipe.imap(over="x", x=[1], progress="off"))
    results = pipe.map(over="x", x=[1], on_error="collect", progress="off")
    assert isinstance(results.failures[0].exception, StopIteration)


def test_failed_items_go_on_from_where_they_failed():
    ran, there = [], []

    def load(x):
        ran.append(f"load {x}")
        return x * 10

    def beside(x):
        ran.append(f"beside {x}")
        return -x

    def shaky(load):
        ran.append(f"shaky {load}")
        if load == 20 and not there:
            raise OSError("away")
        return load + 1

    def both(shaky, beside):
        return shaky, beside

    pipe = Pipeline(load, beside, shaky, both, backend="threads")
    results = pipe.map(over="x", x=[1, 2, 3], on_error="collect", progress="off")
    assert [one.index for one in results.failures] == [1]
    assert [one.index for one in results.retry_failed().failures] == [1]
    there.append(True)
    ran.clear()
    again = results.retry_failed()
    assert again == {"both": [(11, -1), (21, -2), (31, -3)]}
    assert (ran, again.failures, again.inputs) == (["shaky 20"], [], {"x": [1, 2, 3]})
    assert results["both"][1].index == 1, "the first results stay as they are"
    elsewhere = pickle.loads(pickle.dumps(again))
    assert (elsewhere, elsewhere.inputs) == (again, again.inputs)
    with pytest.raises(GraphError, match="come from another process"):
        elsewhere.retry_failed()


def test_a_step_of_greater_priority_begins_first():
    order = []

    @step(priority=1)
    def urgent(x):
        order.append("urgent")

    def idle(x):
        order.append("idle")

    Pipeline(idle, urgent, backend="serial").run(x=1)
    assert order == ["urgent", "idle"]


def test_the_time_of_each_step_is_told():
    def spin(x):
        nbexec.sleep(0.01)
        return x

    report = Pipeline(spin, backend="threads").run(x=1).report
    assert report["spin"].seconds >= 0.01
    assert report[0] is report["spin"]
    with pytest.raises(KeyError):
        report["span"]
    assert "spin" in report._repr_html_()
