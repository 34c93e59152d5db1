"""Workers see the kernel's folder, environment variables, import path and settings."""

from __future__ import annotations

import decimal
import sys

import numpy as np

import nbexec

from ..both_ways import both


def test_workers_have_the_settings_of_the_kernel(tmp_path, monkeypatch):
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "elsewhere.py").write_text("def double(x):\n    return x * 2\n")
    (tmp_path / "here.txt").write_text("here")
    nbexec.map(abs, [1], backend="processes", progress="off")
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBEXEC_TEST", "1")
    source = """
import decimal, elsewhere, os, pathlib
import numpy as np
a = [elsewhere.double(x) for x in [1, 2]]
b = [pathlib.Path("here.txt").read_text() for x in [1, 2]]
with decimal.localcontext(prec=40), np.printoptions(precision=2):
    c = [decimal.Decimal(1) / x for x in [3, 7]]
decimal.getcontext().prec = 33
d = [str(decimal.Decimal(1) / x) for x in [3, 7]]
np.set_printoptions(precision=3)
e = [str(np.array([1 / x])) for x in [3, 7]]
f = [os.environ["NBEXEC_TEST"] for x in [3, 7]]
"""
    try:
        left = both(source, "processes")
    finally:
        np.set_printoptions(precision=8)
        decimal.getcontext().prec = 28
        sys.modules.pop("elsewhere", None)
    assert [one.kind for one in left.report.steps].count("parallel") == 5
