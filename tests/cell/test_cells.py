"""Cells as people write them, from `tests/cell/cells`: each leaves the same with `parallel`.

Most of them must have something that runs in parallel.
"""

from __future__ import annotations

import functools
import gc
import http.server
import re
import shutil
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .both_ways import both

HERE = Path(__file__).parent / "cells"


def read(path: Path) -> dict[str, tuple[str, str]]:
    """Give the cells of a file by name: the file's prelude, and the cell itself."""
    parts = re.split(r"^# %% (.*)\n", path.read_text(), flags=re.MULTILINE)
    cells = dict(zip(parts[1::2], parts[2::2], strict=True))
    prelude = cells.pop("prelude")
    return {f"{path.stem}: {name}": (prelude, cell) for name, cell in cells.items()}


CELLS = {name: cell for path in sorted(HERE.glob("*.txt")) for name, cell in read(path).items()}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Give a folder with texts and pictures, and the URL that it is served at."""
    folder = tmp_path_factory.mktemp("cells")
    (folder / "inputs").mkdir()
    for name, text in {
        "a": "one two\nthree\n",
        "b": "the needle is here\n",
        "c": "one two\nthree\n",
    }.items():
        (folder / "inputs" / f"{name}.txt").write_text(text)
    for number in range(3):
        pixels = (np.arange(64).reshape(8, 8) * (number + 1) % 256).astype("uint8")
        Image.fromarray(pixels).save(folder / "inputs" / f"p{number}.png")
    handler = functools.partial(Quiet, directory=str(folder / "inputs"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


found: Counter[str] = Counter()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("where", ["threads", "processes"])
@pytest.mark.parametrize("name", CELLS)
# A cell leaves the socket of a failed download to the garbage collector: see the end.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_cell_that_people_write(name, where, inputs, monkeypatch):
    folder, base = inputs
    monkeypatch.chdir(folder)
    left: list[dict[str, bytes]] = []

    def clear() -> None:
        """Keep the files that were written, and start with an empty folder."""
        if (folder / "outputs").exists():
            written = sorted((folder / "outputs").iterdir())
            left.append({path.name: path.read_bytes() for path in written})
            shutil.rmtree(folder / "outputs")
        (folder / "outputs").mkdir()

    prelude, cell = CELLS[name]
    prelude = f"base = {base!r}\n{prelude}"
    if where == "processes":  # the prelude is an earlier cell, as in most notebooks
        ours, first = both(cell, where, before=clear, earlier=prelude, workers=2), 0
    else:
        ours, first = both(prelude + cell, where, before=clear, workers=2), prelude.count("\n")
    clear()
    assert left[-1] == left[-2]
    if ours.report is not None:
        kinds = {step.kind for step in ours.report.steps if step.first > first}
        found.update({f"{where} cells": 1, **{f"{where} {kind}": 1 for kind in kinds}})
        found[f"{where} at once"] += bool(kinds & {"parallel", "together"})
    if "download" in name:
        gc.collect()  # while the warning about sockets is ignored


def test_there_are_many_and_most_have_something_to_run_at_once():
    assert len(CELLS) >= 150
    for where in ("threads", "processes"):
        if found[f"{where} cells"] < len(CELLS) / 3:  # one in two is in a quick run
            pytest.skip("only some of the cells were run")
        share = found[f"{where} at once"] / found[f"{where} cells"]
        of = f"{found[f'{where} at once']} of {found[f'{where} cells']}"
        sys.stdout.write(f"{where}: {of} cells have something that ran at once, {share:.0%}\n")
        assert share > 0.7
