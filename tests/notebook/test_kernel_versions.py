"""Clicks are heard in the middle of a cell, with each ipykernel, and nothing else is disturbed.

A real kernel each; the messages are those that a page sends.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from jupyter_client import KernelManager

ROOT = Path(__file__).parents[2]
VERSIONS = ["6.29.5", "6.31.0", "7.0.1", "7.1.0", "7.2.0", "7.3.0", "7.4.0"]
# Seconds without a word, after which the kernel is asked for some. ipykernel 7.2 and 7.3 now and
# then leave a request unread until the next one comes: seen before nbexec was imported.
SILENCE = 6.0
# They do so the more the busier the machine is, and then not even the next one helps: alone.
OTHER = [pytest.mark.extended, pytest.mark.alone]
WIDGET = "application/vnd.jupyter.widget-view+json"
LONG = "time.sleep, [0.1] * 300, backend='threads', workers=2, progress='panel'"  # 15 s
WAYS = {  # of waiting for a run; `ask` says how it ended
    "map": f"nbexec.map({LONG})",
    "amap": f"await nbexec.amap({LONG})",
    "start": f"nbexec.start({LONG}).result()",
    "imap": f"for _ in nbexec.imap({LONG}): pass",
    "serial": f"nbexec.map({LONG.replace('threads', 'serial')})",
}
WAYS["track"] = "for _ in nbexec.track(range(300), progress='panel'): time.sleep(0.1)"
CAUGHT = """\
try:
    {}
except BaseException as error:
    kept = getattr(error, "partial_results", [])
    print("ended by", type(error).__name__, "kept", sum(one is None for one in kept))
"""


class Kernel:
    """A kernel in a process of its own, and what has come from it."""

    def __init__(self, ipykernel: Path | None) -> None:
        paths = [str(ipykernel)] if ipykernel is not None else []
        paths += [str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        env["PYTHONWARNINGS"] = "ignore"
        self.manager = KernelManager()
        self.manager.start_kernel(env=env, stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.seen: list[dict] = []
        self.subshell = None
        self.version = self.ask("import ipykernel; print(ipykernel.__version__)")
        self.ask("import time, nbexec")
        if self.version >= "7":
            self.client.control_channel.send(self.client.session.msg("create_subshell_request"))
            reply = self.client.get_control_msg(timeout=10)
            self.subshell = reply["content"]["subshell_id"]

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def watch(self, until, seconds=30.0):
        """Take in what comes until the condition holds of all that has come."""
        end = time.monotonic() + seconds
        silent = time.monotonic()
        while not until():
            assert time.monotonic() < end, "\n".join(
                str((m["msg_type"], m["parent_header"].get("msg_id", "")[-4:], m["content"]))[:300]
                for m in self.seen[-80:]
            )
            try:
                self.seen.append(self.client.get_iopub_msg(timeout=0.5))
                silent = time.monotonic()
            except queue.Empty:
                if time.monotonic() - silent > SILENCE:
                    self.client.kernel_info()
                    silent = time.monotonic()

    def about(self, request, kind):
        """Give the contents of the messages of a kind that a request led to."""
        return [
            message["content"]
            for message in self.seen
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == kind
        ]

    def idle(self, *requests):
        return all(
            any(said["execution_state"] == "idle" for said in self.about(request, "status"))
            for request in requests
        )

    def said(self, request):
        return "".join(content["text"] for content in self.about(request, "stream")).strip()

    def ask(self, code):
        """Run code and give what it printed."""
        request = self.client.execute(code)
        self.watch(lambda: self.idle(request))
        assert not self.about(request, "error"), self.about(request, "error")
        return self.said(request)

    def panel(self, request):
        """Wait until the panel of a request is there, and give its comm."""
        self.watch(lambda: self.about(request, "display_data"))
        return self.about(request, "display_data")[0]["data"][WIDGET]["model_id"]

    def click(self, comm, subshell=None, do="cancel"):
        data = {"method": "custom", "content": {"do": do}}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """Give a function that installs an ipykernel, with nothing that it needs, somewhere."""
    there = tmp_path_factory.mktemp("ipykernels")

    def install(version):
        target = there / version
        if not target.exists():
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
            command += ["--disable-pip-version-check", "--target", target, f"ipykernel=={version}"]
            subprocess.run(command, check=True, timeout=100)
        return target

    return install


@pytest.fixture(
    scope="module",
    params=[
        None,
        *(pytest.param(one, marks=[*OTHER, pytest.mark.install]) for one in VERSIONS),
    ],
    ids=lambda version: version or "installed",
)
def kernel(request, install):
    kernel = Kernel(None if request.param is None else install(request.param))
    assert request.param in (None, kernel.version)
    yield kernel
    kernel.stop()


def ended_early(kernel, request):
    """Wait for the end of a run, and say how it ended; what was finished must be there."""
    clicked = time.monotonic()
    kernel.watch(lambda: kernel.idle(request))
    assert time.monotonic() - clicked < 5.0
    how, kept = kernel.said(request).removeprefix("ended by ").split(" kept ")
    assert 0 < int(kept) < 100
    return how


@pytest.mark.parametrize("shell", ["main shell", "subshell"])
@pytest.mark.parametrize("way", ["map", "amap"])
def test_a_click_on_cancel_ends_a_run_that_blocks_the_cell(kernel, way, shell):
    subshell = kernel.subshell if shell == "subshell" else None
    if shell == "subshell" and subshell is None:
        return  # ipykernel 6 has none
    request = kernel.client.execute(CAUGHT.format(WAYS[way]))
    comm = kernel.panel(request)
    kernel.click(comm, subshell)
    assert ended_early(kernel, request) == "RunCancelled"


@pytest.mark.parametrize("way", ["start", "imap", "serial", "track"])
def test_a_click_is_heard_in_whatever_way_a_cell_waits(kernel, way):
    request = kernel.client.execute(CAUGHT.format(WAYS[way]))
    kernel.click(kernel.panel(request))
    clicked = time.monotonic()
    kernel.watch(lambda: kernel.idle(request))
    assert time.monotonic() - clicked < 5.0
    assert kernel.said(request).startswith("ended by RunCancelled")


def test_the_kernels_interrupt_ends_a_run_with_what_is_finished(kernel):
    request = kernel.client.execute(CAUGHT.format(WAYS["map"]))
    kernel.panel(request)
    kernel.manager.interrupt_kernel()
    assert ended_early(kernel, request) == "KeyboardInterrupt"


@pytest.mark.parametrize("way", ["map", "amap"])
def test_cells_that_wait_behind_run_afterwards_in_their_order_and_once(kernel, way):
    request = kernel.client.execute(CAUGHT.format(WAYS[way]))
    comm = kernel.panel(request)
    behind = []
    for number in range(20):  # all through the run
        behind.append(kernel.client.execute(f"print({number})"))
        time.sleep(0.02)
        kernel.click("somebody else's")
    kernel.click(comm)
    assert ended_early(kernel, request) == "RunCancelled"
    kernel.watch(lambda: kernel.idle(*behind))
    ran = [m for m in kernel.seen if m["msg_type"] == "execute_input"]
    order = [m["parent_header"]["msg_id"] for m in ran if m["parent_header"]["msg_id"] in behind]
    assert order == behind
    assert [kernel.said(one) for one in behind] == [str(number) for number in range(20)]


def test_cells_that_wait_behind_one_that_was_cancelled_do_not_run(kernel):
    request = kernel.client.execute(WAYS["map"])
    comm = kernel.panel(request)
    behind = [kernel.client.execute("print('not', 'reached')") for _ in range(3)]
    time.sleep(0.3)
    kernel.click(comm)
    kernel.watch(lambda: kernel.idle(request, *behind))
    assert kernel.about(request, "error")[0]["ename"] == "RunCancelled"
    replies = Counter()
    while not all(replies[one] for one in behind):
        reply = kernel.client.get_shell_msg(timeout=10)
        if reply["parent_header"]["msg_id"] in behind:
            replies[reply["parent_header"]["msg_id"]] += 1
            assert reply["content"]["status"] == "aborted"
    assert set(replies.values()) == {1}
    assert kernel.ask("print('and on')") == "and on"


def test_pause_and_resume_are_heard_too(kernel):
    request = kernel.client.execute(CAUGHT.format(WAYS["map"]))
    comm = kernel.panel(request)

    def phases():
        return [
            message["content"]["data"]["state"]["snapshot"]["phase"]
            for message in kernel.seen
            if message["msg_type"] == "comm_msg"
            and message["content"]["comm_id"] == comm
            and "snapshot" in message["content"]["data"].get("state", {})
        ]

    kernel.click(comm, kernel.subshell, do="pause")
    kernel.watch(lambda: "paused" in phases())
    kernel.click(comm, kernel.subshell, do="resume")
    kernel.watch(lambda: phases()[-1] == "running")
    kernel.click(comm, kernel.subshell)
    assert ended_early(kernel, request) == "RunCancelled"


LEFT = """\
import comm, threading, time
from ipywidgets.widgets.widget import _instances
from nbexec.notebook import kernel
from nbexec.notebook.panel.panel import Panel
Panel.patience, Panel.every = 0.0, 0.001  # so that even these runs have a widget
def one(how):
    if how == "map":
        nbexec.map(time.sleep, [0.002] * 4, backend="threads", workers=2, progress="panel")
    elif how == "start":
        nbexec.start(time.sleep, [0.002] * 4, backend="threads", workers=2).result()
    elif how == "track":
        for _ in nbexec.track(range(4), progress="panel"):
            time.sleep(0.002)
def left():
    return len(_instances), len(comm.get_comm_manager().comms), threading.active_count()
"""


def test_after_200_runs_no_more_is_left_than_after_one():
    kernel = Kernel(None)
    try:
        kernel.ask(LEFT)
        kernel.ask("[one(how) for how in ('map', 'start', 'track')]")
        before = eval(kernel.ask("time.sleep(0.5); print(left())"))
        displays = len([m for m in kernel.seen if m["msg_type"] == "display_data"])
        kernel.ask("for _ in range(67):\n    [one(how) for how in ('map', 'start', 'track')]")
        after = eval(kernel.ask("time.sleep(0.5); print(left())"))
        assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
        assert len([m for m in kernel.seen if m["msg_type"] == "display_data"]) - displays == 201
        opened = [m for m in kernel.seen if m["msg_type"] == "comm_open"]
        assert len(opened) > 200  # most of them did have a widget
        assert int(kernel.ask("print(len(kernel._listening))")) <= 201
        assert kernel.ask("1\nprint(len(kernel._listening))") == "0"  # forgotten with the next cell
    finally:
        kernel.stop()
