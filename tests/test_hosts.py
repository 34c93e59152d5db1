"""The panel in other hosts than JupyterLab: Notebook 7."""

from __future__ import annotations

import re

import pytest

from . import lab
from .test_browser import PANEL, SLOW, SUMMARY, button, checked, percent, server_of
from .waiting import until

pytestmark = [pytest.mark.extended, pytest.mark.browser, pytest.mark.timeout(240)]

# Notebook 7.6.5 says so by itself, on a blank notebook too.
KNOWN = "page: Cannot read properties of undefined (reading 'schema')"
CAUGHT = f"try:\n    {SLOW}\nexcept nbexec.RunCancelled as e:\n    kept = e.partial_results.ok()"
# A kernel in which no way works: as with an ipykernel that is not known here.
DEAF = (
    "from nbexec.notebook import kernel\n"
    "kernel.pump_comms = lambda: None\n"
    "kernel.listen = lambda widget: None"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from server_of(lab.Notebook7, tmp_path_factory.mktemp("notebook"))


@pytest.fixture
def page(server, context):
    yield from checked(lab.Page(server, context.new_page()), [KNOWN])


def test_the_bar_moves_in_notebook_7_and_cancel_stops_a_cell_that_blocks(server, page):
    server.write("cancel.ipynb", "import time, nbexec", CAUGHT, "print('kept', len(kept))")
    page.open("cancel.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    first = percent(page)
    until(lambda: percent(page) >= first + 2)
    button(page, "Pause").click()
    state = page.page.locator(f"{PANEL} [role=status]")
    until(lambda: state.inner_text().startswith("paused"))
    button(page, "Resume").click()
    until(lambda: state.inner_text() == "running")
    button(page, "Cancel").click()
    assert until(lambda: page.ran) < 12.0  # of the 20 s that it would have taken
    page.page.wait_for_selector(SUMMARY)
    assert page.page.locator(PANEL).count() == 0
    said = page.outputs()
    assert "cancelled after" in said
    assert 4 <= int(re.search(r"^kept (\d+)$", said, re.MULTILINE)[1]) < 200


def test_a_plain_loop_has_the_panel_too(server, page):
    loop = "for n in nbexec.track(range(300), name='count'):\n    time.sleep(0.1)"
    server.write("track.ipynb", "import time, nbexec", loop, "print('not', 'reached')")
    page.open("track.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    first = percent(page)
    until(lambda: percent(page) > first)
    button(page, "Cancel").click()
    assert until(lambda: page.ran) < 12.0  # of the 20 s that it would have taken
    said = page.outputs()
    assert "RunCancelled" in said
    assert "not reached" not in said


def test_where_no_click_is_heard_the_panel_says_so_and_what_to_press(server, page):
    server.write("deaf.ipynb", "import time, nbexec", DEAF, CAUGHT)
    page.open("deaf.ipynb")
    page.run_all()
    page.page.wait_for_selector(PANEL)
    alert = page.page.locator(f"{PANEL} [role=alert]")
    assert not alert.is_visible()
    button(page, "Cancel").click()
    until(alert.is_visible, 5)
    assert "has not heard this click yet" in alert.inner_text()
    assert "■" in alert.inner_text()
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    assert until(lambda: page.ran) < 3.0
    assert "KeyboardInterrupt" in page.outputs()
    page.page.wait_for_selector(SUMMARY)


def test_a_run_begun_by_a_button_has_its_panel_where_the_button_says(server, page):
    dashboard = (
        "import ipywidgets\n"
        "go, there = ipywidgets.Button(description='Go'), ipywidgets.Output()\n"
        "def begin(_):\n"
        "    with there:\n"
        "        nbexec.start(time.sleep, [0.1] * 300, backend='threads', workers=1)\n"
        "go.on_click(begin)\n"
        "ipywidgets.VBox([go, there])"
    )
    server.write("button.ipynb", "import time, nbexec", dashboard)
    page.open("button.ipynb")
    page.run_all()
    page.page.get_by_role("button", name="Go", exact=True).click()
    page.page.wait_for_selector(f".jp-OutputArea .jp-OutputArea {PANEL}")
    first = percent(page)
    until(lambda: percent(page) > first)
    button(page, "Cancel").click()
    # An Output widget leaves what is in it as it is: the panel's last picture stays.
    state = page.page.locator(f"{PANEL} [role=status]")
    until(lambda: state.inner_text().startswith("cancelled after"))
