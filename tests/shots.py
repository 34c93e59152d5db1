"""The panel's states, from a real JupyterLab, in light and in dark.

``python -m tests.shots`` writes the contact sheet docs/images/states.png; with a folder as
its argument it puts a PNG of each state there, too.  ``python -m tests.shots search`` writes
docs/images/search.png, ``python -m tests.shots executor`` docs/images/executor.png and
jobs.png.  Look at them before they are committed.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import lab

IMAGES = lab.ROOT / "docs" / "images"
SHEET = IMAGES / "states.png"
PANEL = ".nbexec-panel"
SUMMARY = ".nbexec-summary"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

SETUP = """\
%load_ext nbexec
import math, random, time, nbexec
def measure(path):
    end = time.thread_time() + 0.02 + 0.05 * (int(path[-6:-3]) % 5 == 0)
    while time.thread_time() < end:
        math.sqrt(2.0)
    if path.endswith(("07.py", "57.py")):
        raise UnicodeDecodeError("utf-8", b"\\xff", 0, 1, "invalid start byte")
    if path.endswith("31.py"):
        raise ValueError(f"{path}: no numbers in it")
    return len(path)
def measure_all(path):
    return measure(path.replace("7.py", "8.py").replace("1.py", "2.py"))
def fetch_page(page):
    if page % 70 == 3:
        raise ConnectionError(f"page {page}: 503 from the server")
    time.sleep(0.2)
def train(model):
    for epoch in range(300):
        print(f"epoch {epoch}: loss {1 / (1 + epoch + model):.3f}")
        nbexec.progress((epoch + 1) / 300, f"epoch {epoch}")
        time.sleep(0.25)
paths = [f"lib/module_{at:03}.py" for at in range(1487)]
quiet = dict(on_error="collect", backend="processes", workers=2)"""

# The name of each state, and the cell that shows it.
STATES = {
    "running": "a = nbexec.start(measure, paths, **quiet)",
    "paused": 'b = nbexec.start(fetch_page, range(10_000), backend="threads", workers=20, '
    'on_error="collect", retries=1)',
    "failing": "c = nbexec.start(measure, paths, **quiet)",
    "output": 'd = nbexec.start(train, range(3), backend="threads", workers=3)',
    "resources": "e = nbexec.start(measure, paths * 3, name='survey', **quiet)",
    "detached": "%%parallel --detach --workers 2 --backend processes\n"
    "sizes = []\nfor path in paths[:900]:\n    sizes.append(measure_all(path))\ntotal = sum(sizes)",
    "folded": 'f = nbexec.start(time.sleep, [0.3] * 3000, backend="threads", name="train")',
    "done": "g = nbexec.start(measure, paths[:120], **quiet)",
    "cancelled": 'h = nbexec.start(time.sleep, [0.2] * 4000, backend="threads", name="download")',
}


SEARCHING = (
    """\
import joblib, nbexec
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
nbexec.register_joblib()
X, y = load_digits(return_X_y=True)""",
    """\
grid = {"C": [0.1, 0.3, 1, 3, 10], "gamma": [0.0005, 0.001, 0.002, 0.005, 0.01]}
search = GridSearchCV(SVC(), grid, cv=5, verbose=3)
with joblib.parallel_config(backend="nbexec", n_jobs=2):
    search.fit(X, y)""",
)


EXECUTOR = (
    """\
import random, time, nbexec
def download(page):
    time.sleep(random.expovariate(8))
    if page % 40 == 7:
        raise ConnectionError("503 from the server")
    return page
def poll():
    return random.randrange(20)
def measure():
    raise OSError("/dev/ttyUSB0: no such device")
executor = nbexec.Executor("threads", workers=6, name="downloads", retries=1)
jobs = nbexec.Executor("threads", workers=2)""",
    """\
executor.panel()
futures = [executor.submit(download, page) for page in range(1500)]""",
    """\
jobs.schedule(poll, every="30 s", name="messages")
jobs.schedule(measure, after_each="5 min", name="temperature")
jobs.schedule(print, cron="0 9 * * mon-fri", name="morning report")
jobs.schedule(print, at="2030-01-31 18:00", name="licence").pause()
jobs.jobs""",
)


def main(folder: Path | None = None) -> None:
    """Write the images of the states."""
    with lab_page((1400, 2600)) as (page, context, work):
        if folder is None:
            folder = work / "images"
        folder.mkdir(parents=True, exist_ok=True)
        page.server.write("panel.ipynb", SETUP, *STATES.values())
        page.open("panel.ipynb")
        page.run_all()
        page.wait()
        shots = take(page, folder)
        sheet(context, shots, SHEET)


def search() -> None:
    """Write the image of a search of scikit-learn, as it runs."""
    with lab_page((1400, 1000)) as (page, _, _):
        page.server.write("search.ipynb", *SEARCHING)
        page.open("search.ipynb")
        page.run_all()
        cell = page.page.locator(".jp-CodeCell").nth(1)
        cell.locator(".nbx-output pre >> text=gamma=0.002").first.wait_for(timeout=200_000)
        cell.locator(PANEL).screenshot(path=IMAGES / "search.png")
        press(cell, "Cancel")
        page.wait()


def executor() -> None:
    """Write the images of an executor at work, and of jobs."""
    with lab_page((1400, 1000)) as (page, _, _):
        page.server.write("executor.ipynb", *EXECUTOR)
        page.open("executor.ipynb")
        page.run_all()
        page.wait()
        cells = page.page.locator(".jp-CodeCell")
        jobs = cells.nth(2).locator(".nbx-jobs")
        jobs.locator(".nbx-last >> text=OSError").wait_for()
        panel = cells.nth(1).locator(PANEL)
        press(cells.nth(1), "Timeline", "tab")
        panel.locator(".nbx-plot canvas").first.wait_for()
        time.sleep(12)  # so that there is something to be seen
        panel.screenshot(path=IMAGES / "executor.png")
        jobs.screenshot(path=IMAGES / "jobs.png")


@contextmanager
def lab_page(size: tuple[int, int]) -> Iterator[tuple[lab.Page, Any, Path]]:
    """Give a page of a JupyterLab of its own, its browser context, and a folder."""
    with tempfile.TemporaryDirectory() as work:
        os.environ["NBEXEC_STATE_DIR"] = work  # as in tests: nothing is left elsewhere
        whole = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
        server = lab.Server(Path(work), whole)
        server.start()
        try:
            with lab.browser(size) as context:
                page = lab.Page(server, context.new_page())
                yield page, context, Path(work)
                if page.wrong:
                    raise SystemExit("\n".join(page.wrong))
        finally:
            server.stop()


def take(page: lab.Page, folder: Path) -> dict[str, dict[str, Path]]:
    """Bring each panel into its state, and give the images of it by theme."""
    cells = {name: page.page.locator(".jp-CodeCell").nth(at + 1) for at, name in enumerate(STATES)}
    cells["cancelled"].locator(PANEL).wait_for()
    time.sleep(3)  # so that there is something to be seen, here and below
    press(cells["paused"], "Pause")
    press(cells["cancelled"], "Cancel")
    press(cells["folded"], "Fold the panel")
    press(cells["running"], "Timeline", "tab")
    press(cells["detached"], "Plan", "tab")
    press(cells["resources"], "Resources", "tab")
    cells["cancelled"].locator(SUMMARY).wait_for()
    cells["done"].locator(SUMMARY).wait_for(timeout=120_000)
    cells["done"].locator("details").last.evaluate("node => { node.open = true; }")
    time.sleep(6)
    shots: dict[str, dict[str, Path]] = {name: {} for name in STATES}
    for theme, name in THEMES.items():
        page.theme(name)
        time.sleep(2)  # colours change slowly
        for state, cell in cells.items():
            shown = cell.locator(f"{PANEL}, {SUMMARY}").first
            shown.scroll_into_view_if_needed()
            shots[state][theme] = folder / f"panel-{state}-{theme}.png"
            shown.screenshot(path=shots[state][theme])
    return shots


def press(cell: Any, name: str, role: str = "button") -> None:
    """Click a button of a cell's panel."""
    found = cell.locator(PANEL).get_by_role(role, name=name)
    found.first.click()


def sheet(context: Any, shots: dict[str, dict[str, Path]], to: Path) -> None:
    """Put every image on one, light on the left and dark on the right."""
    colours = {"light": "#ffffff", "dark": "#111111"}
    columns = ""
    for theme, colour in colours.items():
        images = "".join(
            f'<img style="display:block;width:980px;margin:0 0 16px" src="{data(by[theme])}">'
            for by in shots.values()
        )
        columns += f'<div style="background:{colour};padding:20px">{images}</div>'
    page = context.new_page()
    page.set_content(f'<body style="margin:0"><div id="all" style="display:flex">{columns}</div>')
    page.set_viewport_size({"width": 2100, "height": 900})
    page.locator("#all").screenshot(path=to)
    page.close()


def data(image: Path) -> str:
    """Give an image as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"


if __name__ == "__main__":
    if sys.argv[1:] in (["search"], ["executor"]):
        {"search": search, "executor": executor}[sys.argv[1]]()
    else:
        main(*map(Path, sys.argv[1:]))
