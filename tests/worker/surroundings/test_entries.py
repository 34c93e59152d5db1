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
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest

import nbexec
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


PROGRAM = """
import nbexec

def leave(x):
    import dask, decimal, mimetypes, xarray
    dask.config.set({"array.chunk-size": "1MiB", "of.an": "item"})
    decimal.DefaultContext.prec = 5
    mimetypes.add_type("of/it", ".of_it")
    xarray.set_options(display_width=33)

def look(x):
    import dask, decimal, mimetypes, xarray
    config = dask.config.get("array.chunk-size"), dask.config.get("of.an", None)
    kind = mimetypes.guess_type("a.of_it")[0]
    return *config, decimal.DefaultContext.prec, kind, xarray.get_options()["display_width"]

if __name__ == "__main__":
    nbexec.map(leave, [1], backend="processes", workers=1, progress="off")
    print(nbexec.map(look, [1], backend="processes", workers=1, progress="off"))
    print([look(1)])
    nbexec.map(leave, [1], backend="processes", workers=1, progress="off")
    print(nbexec.map(look, [1], backend="processes", workers=1, progress="off"))
"""


def test_what_an_item_set_of_a_library_is_gone_also_where_only_the_item_imports_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    lines = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(lines) == 3
    assert lines[0] == lines[1] == lines[2]


def test_lists_that_were_changed_in_place(remote: str) -> None:
    def look(_: int) -> Any:
        import dask
        import matplotlib

        return dask.config.get("of.mine"), matplotlib.rcParams["font.sans-serif"][0]

    matplotlib = pytest.importorskip("matplotlib")
    mine: list[int] = []
    fonts = matplotlib.rcParams["font.sans-serif"]
    try:
        with dask.config.set({"of.mine": mine}):
            for at in range(3):
                mine.append(at)
                fonts.insert(0, f"Font {at}")
                assert nbexec.map(look, range(2), backend=remote) == [look(0)] * 2
    finally:
        del fonts[:3]
