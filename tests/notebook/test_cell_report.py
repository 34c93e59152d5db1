"""The report below a cell: folded, escaped, and also there when the notebook is opened later."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest

import nbexec
from nbexec.cell.plan import plan
from nbexec.notebook.cell_report import plan_bundle, report_bundle

from .. import lab
from ..waiting import until

CELL = """\
rows, last = [], 0
for x in [1, 0, 2]:
    rows.append(1 / x)
for x in [1, 2]:
    last = last + x * last
"""


def picture(html):
    """Give the SVG of the image in HTML."""
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', html)
    return base64.b64decode(data).decode()


def test_the_report_says_all_in_words_and_folds_in_html():
    report = nbexec.parallel(CELL, {}, backend="threads", on_error="collect")
    shown = report_bundle(report)
    assert shown["text/plain"] == str(report)
    html = shown["text/html"]
    summary = html.partition("</summary>")[0]
    assert html.startswith("<details")
    assert "1 of 3 steps in parallel" in summary
    assert "line 5 in order" in summary
    assert "1 left out" in summary
    assert "item 1: ZeroDivisionError: division by zero  0" in html
    assert "<svg" not in html  # a sanitiser would take it out
    drawn = picture(html)
    assert "lines 2-3 → rows, x" in drawn
    assert "currentColor" in drawn
    assert "color:#7d8793" in drawn


def test_a_cell_of_one_step_needs_no_folding():
    html = report_bundle(nbexec.parallel("x = 3", {}, backend="threads"))["text/html"]
    assert html.startswith("<div")
    assert report_bundle(nbexec.parallel("", {}))["text/plain"] == "nothing to run"


def test_what_comes_from_the_cell_is_escaped():
    cell = "xs = [1]\nlast = '<u>1</u>'\nfor x in xs:\n    last = last + '<script>' + last\n"
    cell += "out = [x['<i>'] for x in [{}]]\n"
    report = nbexec.parallel(cell, {}, backend="threads", on_error="collect")
    assert "<i>" in str(report)
    for html in (report_bundle(report)["text/html"], plan_bundle(plan(cell, {}))["text/html"]):
        assert not re.search(r"<(u>|script|i>)", html + picture(html))


EVIL = """\
%%parallel --backend threads --on-error collect
rows, last = [], 0
for x in ["<img src=x onerror='hacked=1'>", "<script>hacked = 1</script>"]:
    rows.append({}[x])
for x in [1, 2]:
    last = last + x * last
"""


@pytest.mark.extended  # a JupyterLab and a browser for one test: 15 s
@pytest.mark.browser
@pytest.mark.timeout(240)
def test_in_jupyterlab_also_in_a_notebook_that_is_not_trusted(tmp_path):
    if not Path(lab.CHROMIUM).exists():
        missing = f"no Chromium at {lab.CHROMIUM}; set $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    server = lab.Server(tmp_path)
    server.start()
    try:
        with lab.browser() as context:
            page = lab.Page(server, context.new_page())
            server.write("cell.ipynb", "%load_ext nbexec", EVIL)
            page.open("cell.ipynb")
            page.run_all()
            page.wait()
            look(page)
            page.save()
            until(lambda: "nbexec-report" in json.dumps(server.read("cell.ipynb")))
            saved = json.dumps(server.read("cell.ipynb"))
            (server.root / "theirs.ipynb").write_text(saved.replace("last", "more"))
            page.close()
            page.open("theirs.ipynb")
            look(page)
    finally:
        server.stop()


def look(page):
    """Open the report, and check its text and its picture."""
    page.page.wait_for_selector("details.nbexec-report")
    report = page.page.locator("details.nbexec-report")
    assert not report.locator("pre").is_visible()
    report.locator("summary").click()
    said = report.inner_text()
    assert "<script>hacked = 1</script>" in said
    assert "2 left out" in said
    box = report.locator("img").bounding_box()
    assert box["width"] > 150
    assert page.page.evaluate("() => typeof window.hacked") == "undefined"
    assert page.wrong == []
