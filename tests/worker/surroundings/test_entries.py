"""Each entry of the register is read and set.

Covers nbexec.worker.surroundings.register_entry, nbexec.worker.surroundings.register,
nbexec.worker.surroundings.interpreter_entries, nbexec.worker.surroundings.library_entries,
nbexec.worker.surroundings.standard_entries and
nbexec.worker.surroundings.thread_entries.
"""

from __future__ import annotations

import csv
import decimal
import locale
import os
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from nbexec.worker.surroundings.kernel_state import Surroundings
from nbexec.worker.surroundings.register import built_in, entries
from nbexec.worker.surroundings.register_entry import Entry, same

from ...cell.both_ways import both


def value(name: str) -> object:
    entry = built_in(name)
    assert entry is not None
    return entry.read()


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = Surroundings.here()
    yield
    monkeypatch.undo()
    time.tzset()
    for entry in entries():
        if entry.name in before.values and entry.name != "context variables":
            entry.take_on(before.values[entry.name])


def test_they_are_set_where_they_differ() -> None:
    before = Surroundings.here().values
    pd.set_option("display.max_rows", 4)
    csv.field_size_limit(99)
    sys.set_int_max_str_digits(1000)
    changed = Surroundings.here().values
    assert changed["options of pandas"] == {"display.max_rows": 4}
    for values in (before, changed):
        for entry in entries():
            if entry.name in values:
                entry.take_on(values[entry.name])
        assert pd.get_option("display.max_rows") == (60 if values is before else 4)
    assert csv.field_size_limit() == 99


def test_nothing_is_set_that_is_as_it_should_be() -> None:
    entry = Entry("one", lambda: 1, lambda _: pytest.fail("it was set"))
    entry.take_on(1)


def test_what_can_not_be_compared_is_not_the_same() -> None:
    assert not same(np.array([1, 2]), np.array([1, 2]))
    assert same(np.array([1]), np.array([1]))


def test_variables_of_the_worker_itself_stay() -> None:
    entry = built_in("environment variables")
    assert entry is not None
    os.environ["OMP_NUM_THREADS"] = "3"
    os.environ["MINE"] = "1"
    here = {name: one for name, one in entry.read().items() if b"MINE" not in os.fsencode(name)}
    entry.take_on(here)
    assert "MINE" not in os.environ
    assert os.environ.pop("OMP_NUM_THREADS") == "3"


def test_every_entry_can_be_taken_on_as_it_is() -> None:
    for entry in entries():
        if not entry.module or entry.module in sys.modules:
            entry.take_on(entry.read())
            entry.write(entry.read())


def test_flags_of_decimal_are_part_of_its_context() -> None:
    with decimal.localcontext() as context:
        context.clear_flags()
        before = value("context of decimal")
        decimal.Decimal(1) / 3
        assert value("context of decimal") != before
        context.clear_flags()
        assert value("context of decimal") == before
        context.prec = 3
        assert value("context of decimal") != before


def test_cells_in_workers_have_them(remote: str) -> None:
    earlier = """
import csv, locale, sys, time
import pandas as pd
table = pd.DataFrame({"a": range(9)})
"""
    probe = """
rows = [str(table) for i in range(3)]
zones = [time.strftime("%Z", time.localtime(0)) for i in range(3)]
digits = [sys.get_int_max_str_digits() for i in range(3)]
limits = [csv.field_size_limit() for i in range(3)]
names = [locale.setlocale(locale.LC_ALL) for i in range(3)]
"""
    os.environ["TZ"] = "Asia/Tokyo"
    try:
        time.tzset()
        pd.set_option("display.max_rows", 4, "display.precision", 2)
        sys.set_int_max_str_digits(1000)
        csv.field_size_limit(99)
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        both(probe, remote, earlier=earlier)
        pd.reset_option("display.max_rows")
        both(probe, remote, earlier=earlier)
    finally:
        del os.environ["TZ"]
