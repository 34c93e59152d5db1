"""Tests of nbexec.cell.iteration.settings."""

from __future__ import annotations

import csv
import locale
import os
import sys
import time
from collections.abc import Iterator

import pandas as pd
import pytest

import nbexec
from nbexec.cell.iteration.settings import set_here, settings_here

from ..both_ways import both


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = settings_here()
    yield
    monkeypatch.undo()
    time.tzset()
    set_here(before)


def test_they_are_set_where_they_differ() -> None:
    before = settings_here()
    pd.set_option("display.max_rows", 4)
    csv.field_size_limit(99)
    sys.set_int_max_str_digits(1000)
    changed = settings_here()
    assert changed["pandas._config.config"] == {"display.max_rows": 4}
    set_here(before)
    assert settings_here() == before
    set_here(changed)
    assert pd.get_option("display.max_rows") == 4
    assert csv.field_size_limit() == 99


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
    assert nbexec.map(abs, [-1], backend=remote) == [1]
