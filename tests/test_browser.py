"""The panel in a real JupyterLab, in headless Chromium.

Covers `nbexec.notebook.panel.plots`.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from . import lab
from .test_notebooks import shorter
from .waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
second_half = pytest.mark.xdist_group("browser 2")  # with a server of its own, at the same time

QUICKSTART = Path(__file__).parents[1] / "notebooks" / "01-quickstart.ipynb"
PANEL = ".nbexec-panel"
SUMMARY = ".nbexec-summary"

SLOW = 'nbexec.map(time.sleep, [0.2] * 200, backend="threads", workers=2)'
EVIL = """\
import os, time, nbexec
class Evil:
    def __repr__(self):
        return "<script>hacked = 1</script><img src=x onerror='hacked = 1'>"
def fail(item):
    print(item)
    begun.append(item)
    while len(begun) > 20 and not os.path.exists("all of it was seen"):
        time.sleep(0.05)
    raise ValueError(repr(item))
begun = []
failed = nbexec.map(fail, [Evil()] * 80, on_error="collect", workers=2, backend="threads",
                    name=repr(Evil()))
"""


def server_of(kind, folder):
    """Give a server while it is wanted; without Chromium, only CI fails."""
    if not Path(lab.CHROMIUM).exists():
        missing = f"no Chromium at {lab.CHROMIUM}; set $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    server = kind(folder)
    server.start()
    yield server
    server.stop()


def checked(page, known=()):
    """Give a page whose errors fail the test, but for those that are known."""
    yield page
    wrong = [error for error in page.wrong if error not in known] + page.widget_errors()
    page.close()
    assert wrong == []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from server_of(lab.Server, tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def loaded(server, context):
    """A page for all tests of a process: to load JupyterLab takes longer than most of them."""
    return lab.Page(server, context.new_page())


@pytest.fixture
def page(loaded):
    yield from checked(loaded)


def percent(page):
    """Where the panel's bar is, or None where there is no panel."""
    # in one step: the panel may be gone between two
    query = f"document.querySelector('{PANEL} [role=progressbar]')?.ariaValueNow ?? null"
    at = page.page.evaluate(query)
    return None if at is None else int(at)


def button(page, name):
    """Give the panel's button of that name."""
    return page.page.locator(PANEL).get_by_role("button", name=name, exact=True)


def tab(page, name):
    """Give the panel's tab of that name."""
    return page.page.locator(PANEL).first.get_by_role("tab", name=name)


def bar_moves(page):
    """Give the places where the bar is seen while cells run."""
    seen = []
    while not page.ran:
        at = percent(page)
        if at is not None and at not in seen:
            seen.append(at)
        time.sleep(0.03)
    return seen


def texts(notebook):
    """Give the text/plain of each display in a saved notebook."""
    return [
        "".join(output["data"]["text/plain"])
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "data" in output
    ]


def test_the_bar_moves_and_a_click_on_cancel_stops_a_cell_that_blocks(server, page):
    caught = (
        f"try:\n    {SLOW}\nexcept nbexec.RunCancelled as e:\n    kept = e.partial_results.ok()"
    )
    server.write("cancel.ipynb", "import time, nbexec", caught, "print('kept', len(kept))")
    page.open("cancel.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    first = percent(page)
    until(lambda: percent(page) >= first + 2)
    button(page, "Cancel").click()
    assert until(lambda: page.ran) < 12.0  # of the 20 s that it would have taken
    page.page.wait_for_selector(SUMMARY)
    assert page.page.locator(PANEL).count() == 0
    said = page.outputs()
    assert "cancelled after" in said
    assert "results kept" in said
    kept = int(re.search(r"^kept (\d+)$", said, re.MULTILINE)[1])
    assert 4 <= kept < 200


NAPS = """\
import time, nbexec
going, most = [], [0]
def nap(item):
    going.append(item)
    most.append(len(going))
    time.sleep(0.2)
    going.remove(item)
"""


def test_pause_holds_a_run_and_workers_change_while_it_runs(server, page):
    run = 'nbexec.map(nap, range(200), backend="threads", workers=2)'
    caught = f"try:\n    {run}\nexcept nbexec.RunCancelled:\n    print('at once:', max(most))"
    server.write("pause.ipynb", NAPS, caught)
    page.open("pause.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    button(page, "Pause").click()
    state = page.page.locator(f"{PANEL} [role=status]")
    until(lambda: state.inner_text() == "paused")
    held = percent(page)
    time.sleep(0.6)
    assert percent(page) == held
    workers = page.page.locator(f"{PANEL} .nbx-workers b")
    button(page, "One worker more").click()
    until(lambda: workers.inner_text() == "3")
    page.page.locator(PANEL).get_by_role("slider").fill("6")
    until(lambda: workers.inner_text() == "6")
    button(page, "Resume").click()
    until(lambda: percent(page) >= held + 5)
    until(lambda: percent(page) > held)
    cancel = button(page, "Cancel")
    cancel.focus()
    page.page.keyboard.press("Enter")  # by keyboard alone, though JupyterLab wants Enter too
    assert until(lambda: page.ran) < 12.0  # of the 20 s that it would have taken
    assert "at once: 6" in page.outputs()


SEARCH = """\
import time, joblib, nbexec
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV
class Slow(DummyClassifier):
    def fit(self, X, y):
        time.sleep(0.1)
        return super().fit(X, y)
nbexec.register_joblib()
search = GridSearchCV(Slow(), {"random_state": range(200)}, cv=2)
"""
FIT = """\
with joblib.parallel_config(backend="nbexec", n_jobs=2):
    search.fit([[0]] * 20, [0, 1] * 10)
"""


@pytest.mark.extended
@second_half
def test_a_search_of_scikit_learn_is_paused_and_cancelled_while_fit_blocks(server, page):
    pytest.importorskip("sklearn")
    server.write("search.ipynb", SEARCH, FIT, "print('not', 'reached')")
    page.open("search.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    until(lambda: percent(page) >= 1, 60)  # each worker imports scikit-learn
    assert "GridSearchCV: 2 folds × 200 candidates" in page.page.locator(PANEL).inner_text()
    button(page, "Pause").click()
    state = page.page.locator(f"{PANEL} [role=status]")
    until(lambda: state.inner_text() == "paused")
    held = percent(page)
    time.sleep(0.6)
    assert percent(page) == held
    button(page, "Resume").click()
    until(lambda: percent(page) > held)
    button(page, "Cancel").click()
    page.wait(20)  # all of it takes that long at least
    page.page.wait_for_selector(SUMMARY)
    said = page.outputs()
    assert "RunCancelled: GridSearchCV: 2 folds × 200 candidates was cancelled" in said
    assert "not reached" not in said
    page.save()
    until(lambda: "results kept" in json.dumps(server.read("search.ipynb")))
    (saved,) = texts(server.read("search.ipynb"))
    assert re.search(r"GridSearchCV.*: \d+ / 400, cancelled after .* results kept", saved)
    assert percent(page) is None


def test_cells_after_a_cancelled_one_do_not_run(server, page):
    server.write("stop.ipynb", "import time, nbexec", SLOW, "print('not', 'reached')")
    page.open("stop.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    button(page, "Cancel").click()
    page.wait(5)
    said = page.outputs()
    assert "RunCancelled" in said
    assert "not reached" not in said


def test_the_saved_notebook_has_the_summary_and_no_widget(server, page):
    count = 'r = nbexec.map(time.sleep, [0.05] * 100, backend="threads", workers=4)'
    server.write("saved.ipynb", "import time, nbexec", count, "nbexec.map(abs, [-1, 2])")
    page.open("saved.ipynb")
    page.run_all()
    page.wait()
    page.page.wait_for_selector(SUMMARY)
    page.save()
    until(lambda: "100 / 100" in json.dumps(server.read("saved.ipynb")))
    saved = server.read("saved.ipynb")
    assert "widget-view" not in json.dumps(saved)
    assert "widgets" not in saved["metadata"] or not saved["metadata"]["widgets"]
    slow, fast, value = texts(saved)
    assert slow.startswith("nbexec sleep: 100 / 100, ")
    assert fast.startswith("nbexec abs: 2 / 2, ")
    assert value == "[1, 2]"
    assert len(json.dumps(saved)) < 20_000

    # as someone else's: another name, another kernel, not trusted
    (server.root / "theirs.ipynb").write_text(json.dumps(saved).replace("r = ", "results = "))
    assert page.wrong == []
    page.close()
    page.open("theirs.ipynb")
    page.page.wait_for_selector(SUMMARY)
    assert "100 / 100" in page.outputs()
    box = page.page.locator(f"{SUMMARY} img").first.bounding_box()
    assert box["width"] > 40


def read_offline(saved, context):
    """Open what nbconvert makes of the saved notebook, in a page that reaches nothing else."""
    html, _ = HTMLExporter().from_filename(str(saved))
    page = context.new_page()
    page.set_content(html)
    said = page.locator(SUMMARY).inner_text()
    assert "80 / 80" in said or "80 failed" in said
    assert said.count("<script>hacked") >= 3
    assert page.evaluate("() => typeof window.hacked") == "undefined"
    page.close()


def test_what_items_say_is_text_in_the_panel_and_in_the_summary(server, page, context):
    server.write("evil.ipynb", EVIL)
    page.open("evil.ipynb")
    page.run_all()
    page.page.wait_for_selector(f"{PANEL} .nbx-group")  # it opens at the first failure
    page.page.locator(f"{PANEL} summary").click()
    live = page.page.locator(PANEL).inner_text()
    assert live.count("<script>hacked") >= 4  # the name, a message, an item, the traceback
    tab(page, "Output").click()
    page.page.wait_for_selector(f"{PANEL} .nbx-output pre >> text=<script>hacked")
    (server.root / "all of it was seen").touch()
    page.wait()
    page.page.wait_for_selector(SUMMARY)
    page.page.locator(f"{SUMMARY} summary").first.click()
    assert page.page.locator(SUMMARY).inner_text().count("<script>hacked") >= 4
    assert page.page.locator(f"{SUMMARY} script, {SUMMARY} img:not([src^=data])").count() == 0
    assert page.page.evaluate("() => typeof window.hacked") == "undefined"
    page.save()
    until(lambda: "nbexec-summary" in json.dumps(server.read("evil.ipynb")))
    read_offline(server.root / "evil.ipynb", context)


def test_a_run_in_the_background_keeps_its_panel_in_its_own_cell(server, page):
    begin = 'run = nbexec.start(time.sleep, [0.1] * 30, backend="threads", workers=1)'
    server.write("background.ipynb", "import time, nbexec", begin, "print('meanwhile')")
    page.open("background.ipynb")
    page.run_all()
    page.wait()
    page.page.wait_for_selector(PANEL)
    cells = page.page.locator(".jp-CodeCell")
    assert "meanwhile" in cells.nth(2).inner_text()
    first = percent(page)
    until(lambda: percent(page) > first)
    assert cells.nth(1).locator(PANEL).count() == 1
    page.page.wait_for_selector(SUMMARY)
    assert "30 / 30" in cells.nth(1).inner_text()


@pytest.mark.skipif(not QUICKSTART.exists(), reason="the quickstart is not written yet")
@pytest.mark.extended  # it also runs in a kernel and in a terminal: test_notebooks
def test_the_quickstart_runs_and_its_panel_moves(server, page):
    nbformat.write(shorter(QUICKSTART), server.root / QUICKSTART.name)
    page.open(QUICKSTART.name)
    page.run_all()
    assert len(bar_moves(page)) >= 3
    errors = page.page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.all_inner_texts() == []
    page.page.wait_for_selector(SUMMARY)


SAYING = """\
import logging, time, nbexec
def train(number):
    for epoch in range(40):
        print(f"model {number}: epoch {epoch} done")
        nbexec.progress((epoch + 1) / 40, f"epoch {epoch}")
        time.sleep(0.1)
    logging.warning("model %s <b>has not converged</b>", number)
    return number
"""


@second_half
def test_what_tasks_write_and_how_far_they_are_is_seen_while_they_run(server, page):
    run = 'trained = nbexec.map(train, range(2), backend="processes", workers=2)'
    server.write("saying.ipynb", SAYING, run)
    page.open("saying.ipynb")
    page.run_all()
    page.page.wait_for_selector(f"{PANEL} .nbx-output pre >> text=epoch 3 done")
    assert not page.ran
    small = page.page.locator(f"{PANEL} .nbx-progress")
    assert "epoch" in small.inner_text()
    until(lambda: small.locator("> div").count() == 2)
    if os.environ.get("NBEXEC_SHOTS"):
        page.page.screenshot(path=f"{os.environ['NBEXEC_SHOTS']}/output.png")
    page.wait()
    page.page.wait_for_selector(SUMMARY)
    page.save()
    (text,) = [said for said in texts(server.read("saying.ipynb")) if "nbexec train" in said]
    assert "item 1 │ WARNING:root:model 1 <b>has not converged</b>" in text
    assert "lines above these, in .output" in text


MIXED = """\
import time, nbexec
def work(item):
    print(f"item {item} begins")
    nbexec.progress(0.5, "halfway")
    time.sleep(0.1)
    if item % 9 == 4:
        raise ValueError(f"{item} is bad")
    return item
"""
BEGIN = 'run = nbexec.start(work, range(600), backend="threads", workers=3, on_error="collect")'


def plotted(page):
    """Give how many values the plot that was made last shows."""
    return page.page.evaluate(
        """() => {
            const figure = window.Bokeh?.documents.at(-1)?.get_model_by_name('live');
            return figure ? Object.values(figure.data)[0].length : 0;
        }"""
    )


@second_half
def test_each_tab_shows_its_content_while_the_run_goes_on(server, page):
    server.write("tabs.ipynb", MIXED, BEGIN)
    page.open("tabs.ipynb")
    page.run_all()
    panel = page.page.locator(PANEL)
    group = panel.locator(".nbx-group")
    group.wait_for()  # it opens at the first failure
    until(lambda: "4, 13" in group.inner_text())
    said = group.inner_text()
    for words in ("ValueError", "4 is bad", "work, line", " items"):
        assert words in said
    group.locator("summary").click()
    assert "raise ValueError" in group.locator("pre").inner_text()
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="copy debug line").click()
    copied = until_value(lambda: page.page.evaluate("() => navigator.clipboard.readText()"))
    assert re.fullmatch(r"nbexec\.attach\('.+'\)\.debug\(4\)", copied)
    tab(page, "Output").click()
    panel.get_by_label("Filter the output").fill("item 1")
    until(lambda: "item 1" in panel.locator(".nbx-output pre").inner_text())
    for line in panel.locator(".nbx-output pre > div").all_inner_texts():
        assert "item 1" in line
    assert "halfway" in panel.locator(".nbx-progress").inner_text()
    tab(page, "Timeline").click()
    panel.locator(".nbx-plot canvas").first.wait_for()
    until(lambda: plotted(page) > 3)
    first = plotted(page)
    until(lambda: plotted(page) > first)
    tab(page, "Resources").click()
    panel.locator(".nbx-plot canvas >> visible=true").first.wait_for()
    until(lambda: plotted(page) > 2)
    tab(page, "Resources").click()  # once more: closed
    assert not panel.get_by_role("tabpanel").is_visible()
    panel.get_by_role("button", name="Fold the panel", exact=True).click()
    assert panel.bounding_box()["height"] < 60
    button(page, "Cancel").click()
    page.page.wait_for_selector(SUMMARY)
    page.page.locator(f"{SUMMARY} summary").last.click()
    image = page.page.get_by_alt_text("timeline")
    until(lambda: image.bounding_box()["height"] > 20)


@pytest.mark.extended
@second_half
def test_the_panel_suits_a_dark_page(server, page):
    server.write("dark.ipynb", MIXED, BEGIN)
    page.open("dark.ipynb")
    page.theme("JupyterLab Dark")
    page.run_all()
    page.page.wait_for_selector(f"{PANEL} .nbx-group")
    back, text = page.page.evaluate(
        """panel => {
            const style = getComputedStyle(document.querySelector(panel));
            const light = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
            return [light(style.backgroundColor), light(style.color)];
        }""",
        PANEL,
    )
    assert max(back) < 80
    assert min(text) > 170
    button(page, "Cancel").click()
    page.page.wait_for_selector(SUMMARY)
    page.theme("JupyterLab Light")


def until_value(get):
    """Wait until there is something, and give it."""
    until(get)
    return get()


@pytest.mark.extended
@second_half
def test_two_views_of_a_panel_and_a_reloaded_page_go_on(server, page):
    server.write("views.ipynb", MIXED, BEGIN)
    page.open("views.ipynb")
    page.run_all()
    page.wait()
    page.page.wait_for_selector(PANEL)
    page.page.locator(".jp-CodeCell").nth(1).locator(".jp-InputArea-editor").click()
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:create-output-view')")
    panels = page.page.locator(PANEL)
    until(lambda: panels.count() == 2)
    panels.nth(1).get_by_role("tab", name="Timeline").click()
    for at in range(2):
        panels.nth(at).locator(".nbx-plot canvas").first.wait_for()
    page.save()
    page.page.reload()
    page.page.wait_for_selector(PANEL)
    first = percent(page)
    until(lambda: percent(page) > first)
    page.page.locator(PANEL).first.locator(".nbx-plot canvas").first.wait_for()
    button(page, "Cancel").first.click()
    until(lambda: "cancelled after" in page.page.locator(PANEL).first.inner_text())
    time.sleep(0.5)
    assert "cancelled after" in page.outputs()  # its last picture stays


@second_half
def test_a_panel_is_opened_again_in_another_cell_and_after_the_end(server, page):
    begin = BEGIN.replace("600", "60")
    again = "nbexec.attach(run.id)"
    server.write("again.ipynb", MIXED, begin, again, "run.wait()", "run")
    page.open("again.ipynb")
    page.run_all()
    cells = page.page.locator(".jp-CodeCell")
    cells.nth(2).locator(PANEL).wait_for()
    page.wait()
    for at in (1, 2):
        cells.nth(at).locator(SUMMARY).wait_for()
    last = cells.nth(4).locator(PANEL)
    last.wait_for()
    assert "7 failed" in last.inner_text()
    assert last.get_by_role("button", name="Cancel").count() == 0
    last.get_by_role("tab", name="Output").click()
    last.locator(".nbx-output pre >> text=item 59 begins").wait_for()
    last.get_by_role("button", name="Retry failed").click()
    until(lambda: "7 / 7" in last.inner_text() or "/ 7" in last.inner_text())
    last.get_by_role("button", name="Close the panel").click()
    cells.nth(4).locator(SUMMARY).wait_for()


@second_half
def test_a_kernel_restart_leaves_a_page_that_works(server, page):
    server.write("restart.ipynb", MIXED, BEGIN)
    page.open("restart.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    page.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    page.run_all()
    page.wait()
    page.page.wait_for_selector(PANEL)
    first = percent(page)
    until(lambda: percent(page) > first)
    button(page, "Cancel").first.click()
    page.page.wait_for_selector(SUMMARY)
    # what JupyterLab asked the old kernel for itself, and says of it
    page.wrong = [wrong for wrong in page.wrong if "Canceled future" not in wrong]


JOBS = """\
import nbexec
executor = nbexec.Executor("threads", workers=2)
poll = executor.schedule(abs, -5, every=0.2, name="poll")
later = executor.schedule(abs, -7, delay="1 h", name="<b>later</b>")
parse = executor.schedule(int, "x", every="1 h", name="parse")
executor.jobs"""


@second_half
def test_jobs_count_down_and_are_steered_while_a_cell_runs(server, page):
    going = "import time\nwhile not (poll.done and later.done and parse.done):"
    blocked = f"{going}\n    time.sleep(0.05)"
    server.write("jobs.ipynb", JOBS, blocked)
    page.open("jobs.ipynb")
    page.run_all()
    poll, later, parse = (page.page.locator(".nbx-job").nth(at) for at in range(3))
    later.locator(".nbx-state >> text=in 59 min").wait_for()
    poll.locator(".nbx-last >> text=5").wait_for()
    wrong = parse.locator(".nbx-last")
    wrong.locator("text=ValueError: invalid literal for int() with base 10: 'x'").wait_for()
    name = parse.locator(".nbx-name").bounding_box()
    assert wrong.bounding_box()["y"] > name["y"] + name["height"] / 2  # all of it is seen
    colour = "node => getComputedStyle(node).color"
    assert wrong.evaluate(colour) == parse.locator(".nbx-cancel").evaluate(colour)
    cut = "node => node.scrollWidth > node.clientWidth"
    assert not any(one.evaluate(cut) for one in page.page.locator(".nbx-name").all())
    parse.get_by_role("button", name="Cancel").click()
    poll.get_by_role("button", name="Pause").click()
    poll.locator(".nbx-state >> text=paused").wait_for()
    poll.get_by_role("button", name="Resume").click()
    later.get_by_role("button", name="Run now").click()
    poll.get_by_role("button", name="Cancel").click()
    page.wait()
    page.page.wait_for_selector(SUMMARY)
    shown = page.page.locator(SUMMARY).first.inner_text()
    assert re.search(r"poll\s+every 0.2 s\s+cancelled\s+\d+ runs.*\s+5", shown)
    assert re.search(r"<b>later</b>\s+once after 1 h\s+done\s+1 run\s+7", shown)
    assert page.page.locator(".nbx-job").count() == 0
