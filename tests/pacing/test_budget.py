"""What items cost: what is shown of it, and how a run ends at its budget."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbexec
from nbexec.pacing.budget import FEW, Budget
from nbexec.telemetry import wording

PRICES = st.lists(st.integers(0, 20), max_size=60)


@given(PRICES, st.integers(1, 60), st.integers(1, 5))
def test_known_prices_never_go_over(prices, limit, workers):
    budget, running = Budget(limit), []
    for item, price in enumerate(prices):
        while running and (len(running) == workers or not budget.fits(price)):
            budget.ended(running.pop(0), None)
        if not budget.fits(price):
            break
        budget.begun(item, price)
        running.append(item)
    else:
        price = None
    for item in running:
        budget.ended(item, None)
    assert budget.spent <= limit
    if price:
        assert budget.spent + price > limit or budget.spent >= limit


@given(st.integers(1, 60), st.integers(1, 9))
def test_prices_that_are_alike_are_spent_to_the_end(limit, workers):
    """Even though each is known only by its result."""
    budget, running, item = Budget(limit), [], 0
    while True:
        if len(running) < workers and budget.fits(None):
            budget.begun(item, None)
            running.append(item)
            item += 1
        elif running:
            budget.ended(running.pop(), 1.0)
        else:
            break
    assert budget.spent == limit


def test_what_all_will_cost_is_in_its_range():
    inside = 0
    for seed in range(200):
        chance = random.Random(seed)
        prices, budget = [chance.random() for _ in range(100)], Budget(None)
        for item, price in enumerate(prices[:FEW]):
            assert budget.spending(100 - item).expected is None
            budget.begun(item, None)
            budget.ended(item, price)
        about, least, most = budget.spending(100 - FEW).expected
        assert least < about < most
        inside += least <= sum(prices) <= most
    assert inside > 170
    assert budget.spending(None).expected is None


@pytest.mark.parametrize("by", ["price", "item_price"])
def test_a_run_ends_at_its_budget(backend, by):
    with pytest.raises(nbexec.BudgetExceeded, match=r"over budget=10: 10 was spent; 20 of 50") as e:
        nbexec.map(str, range(50), backend=backend, budget=10, **{by: lambda x: 0.5})
    results = e.value.partial_results
    assert len(results.ok()) == 20
    assert (results.stats.spent, results.stats.budget) == (10, 10)
    assert results.stats.notes[-1] == "ended at the budget"


def test_with_collect_the_others_are_failures():
    options = {"budget": 3, "item_price": 1, "backend": "threads", "on_error": "collect"}
    results = nbexec.map(str, range(5), **options)
    assert results[:3] == ["0", "1", "2"]
    assert [type(one.exception) for one in results[3:]] == [nbexec.BudgetExceeded] * 2


def test_enough_is_enough():
    assert nbexec.map(str, range(4), budget=4, price=1, backend="threads") == list("0123")


def test_the_same_call_goes_on_with_a_journal(tmp_path):
    options = {"checkpoint": tmp_path / "journal.db", "backend": "threads", "budget": 4}
    for _ in range(2):
        with pytest.raises(nbexec.BudgetExceeded, match="the same call goes on"):
            nbexec.map(str, range(10), price=lambda text: 1, **options)
    assert nbexec.map(str, range(10), price=lambda text: 1, **options) == list("0123456789")


def test_failed_items_cost_what_was_known_before():
    def work(x):
        return 1 / x

    options = {"on_error": "collect", "backend": "threads"}
    assert nbexec.map(work, [1, 0], item_price=2, **options).stats.spent == 4
    assert nbexec.map(work, [1, 0], budget=9, item_price=2, **options).stats.spent == 4
    assert nbexec.map(work, [1, 0], price=2, **options).stats.spent == 2
    assert nbexec.map(work, [1, 0], price=lambda v: 3, item_price=2, **options).stats.spent == 5


def test_it_is_shown():
    run = nbexec.start(str, range(40), price=0.25, backend="threads", rate="20/min")
    while run.stats.done < 20:
        run.wait(0.01)
    while run.stats.expected is None or run.stats.spent < 5:
        run.wait(0.01)
    assert "spent 5, about 10 in all" in wording.summary(run.stats)
    run.cancel()
    run.wait()
    assert "spent 5," in wording.summary(run.stats)


@pytest.mark.parametrize("price", [lambda text: "much", lambda text: -1, lambda text: text.much])
def test_a_price_that_is_none_ends_the_run(price):
    with pytest.raises(nbexec.OptionError, match="price="):
        nbexec.map(str, range(5), price=price, backend="threads")
