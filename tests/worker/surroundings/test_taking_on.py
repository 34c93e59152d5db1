"""Surroundings arrive before what needs them, and wait for imports.

Covers nbexec.worker.surroundings.kernel_state and nbexec.worker.surroundings.on_import.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import nbexec
from nbexec.serialize import pickling
from nbexec.worker.surroundings.kernel_state import Renewed, Surroundings
from nbexec.worker.surroundings.on_import import forget, when_imported
from nbexec.worker.surroundings.taking_on import Arrived


def test_they_are_taken_on_before_what_comes_after_them(tmp_path: Path) -> None:
    (tmp_path / "only_there.py").write_text("class Thing:\n    pass\n")
    program = (
        "import os, sys\n"
        "from nbexec.serialize import pickling\n"
        "from nbexec.worker.surroundings.kernel_state import Surroundings\n"
        f"sys.path.append({str(tmp_path)!r}); os.environ['MINE'] = '1'\n"
        "import only_there\n"
        "sys.stdout.buffer.write(pickling.dumps((Surroundings.here(), only_there.Thing())))\n"
    )
    data = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    read = (
        "import os, pickle, sys\n"
        "_, thing = pickle.loads(sys.stdin.buffer.read())\n"
        "print(type(thing).__name__, os.environ['MINE'])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", read], input=data, capture_output=True, check=True
    )
    assert found.stdout.split() == [b"Thing", b"1"]


def test_on_another_machine_only_variables_that_were_set_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINE", "1")
    make, (first, packed, variables, changed, _, process) = Surroundings.here().__reduce__()
    assert "MINE" in changed
    assert "PATH" not in changed
    monkeypatch.setenv("MINE", "2")
    monkeypatch.chdir(tmp_path)
    make(first, packed, variables, changed, "another machine", process)
    assert os.environ["MINE"] == "1"
    assert Path.cwd() == tmp_path


def test_they_are_taken_on_again_where_others_were_here_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE", "1")
    one: Arrived = pickle.loads(pickling.dumps(Surroundings.here()))
    monkeypatch.setenv("MINE", "2")
    other: Arrived = pickle.loads(pickling.dumps(Surroundings.here()))
    assert [each.run(lambda: os.environ["MINE"]) for each in (one, other, one)] == ["1", "2", "1"]


def test_renewed_ones_are_sent_only_where_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = Renewed(Surroundings.here())
    assert renewed.packed() == b""
    monkeypatch.setenv("MINE", "1")
    data = renewed.packed()
    assert data
    assert renewed.packed() == data


def test_what_waits_for_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "waited_for.py").write_text("rate = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    when_imported("waited_for", "a", lambda: found.append("dropped"))
    found: list[str] = []
    when_imported("waited_for", "a", lambda: found.append("a"))
    when_imported("waited_for", "b", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    when_imported("waited_for", "c", lambda: found.append("c"))
    forget("waited_for", "c")
    try:
        import waited_for  # type: ignore[import-not-found]

        assert isinstance(waited_for, types.ModuleType)
        assert found == ["a"]
    finally:
        sys.modules.pop("waited_for", None)


def test_what_an_initializer_has_set_stays_while_the_kernel_changes_something_else(
    remote: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def begin() -> None:
        os.chdir(tmp_path)
        os.environ["OF_THE_INITIALIZER"] = "1"
        socket.setdefaulttimeout(7)

    def look() -> Any:
        names = "OF_THE_INITIALIZER", "MINE", "OTHER"
        return os.getcwd(), [*map(os.environ.get, names)], socket.getdefaulttimeout()

    folder = str(tmp_path)
    monkeypatch.setenv("OTHER", "1")
    with nbexec.Executor(remote, workers=1, initializer=begin) as executor:
        assert executor.submit(look).result() == (folder, ["1", None, "1"], 7)
        monkeypatch.setenv("MINE", "2")
        assert executor.submit(look).result() == (folder, ["1", "2", "1"], 7)
        monkeypatch.delenv("OTHER")
        monkeypatch.setattr(sys, "argv", ["another"])
        assert executor.submit(look).result() == (folder, ["1", "2", None], 7)
        (tmp_path / "there").mkdir()
        monkeypatch.chdir(tmp_path / "there")
        assert executor.submit(look).result() == (str(Path.cwd()), ["1", "2", None], 7)
    found = nbexec.map(lambda _: look(), [1], backend=remote, workers=1)
    assert found == [look()]
