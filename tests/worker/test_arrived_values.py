"""What an executor's initializer has set in a module stays while the kernel changes another value.

Covers `nbexec.worker.arrived_values`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nbexec

SOURCE = """
import json
import numpy as np

model = None
counts = {}
large = np.zeros(100_000)
there = 1

def begin(rate):
    global model, added
    model = added = {"rate": rate}
    large[0] = 7
    json.marked = rate

def look(_):
    added = globals().get("added")
    same = model is added
    return model, added, same, counts, large[0], "there" in globals(), getattr(json, "marked", 0)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a module of the user's with an initializer."""
    (tmp_path / "of_the_users.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import of_the_users  # type: ignore[import-not-found]

    yield of_the_users
    del sys.modules["of_the_users"]


def test_what_the_kernel_has_not_changed_stays(module: Any, remote: str) -> None:
    assert isinstance(module, ModuleType)
    rate = {"rate": 3}
    with nbexec.Executor(remote, workers=1, initializer=module.begin, initargs=(3,)) as executor:

        def look() -> Any:
            return executor.submit(module.look, 0).result()

        assert look() == (rate, rate, True, {}, 7, True, 3)
        module.counts["a"] = 1
        assert look() == (rate, rate, True, {"a": 1}, 7, True, 3)
        module.counts = {"b": 1}
        del module.there
        assert look() == (rate, rate, True, {"b": 1}, 7, False, 3)
        module.large[1] = 1
        module.model = "the kernel's"
        assert look() == ("the kernel's", rate, False, {"b": 1}, 0, False, 3)
        assert look() == ("the kernel's", rate, False, {"b": 1}, 0, False, 3)
    assert not hasattr(json, "marked")
    found = nbexec.map(module.look, [1], backend=remote, workers=1)
    assert found == [("the kernel's", None, False, {"b": 1}, np.float64(0), False, 0)]
