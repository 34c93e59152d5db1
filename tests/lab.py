"""A real JupyterLab or Notebook 7 in headless Chromium, for tests: `Server` and `Page`.

The server has configuration, data and runtime directories of its own and listens on the
loopback alone; the page may ask for nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import quick_imports

ROOT = Path(__file__).parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DIRECTORIES = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)
# A stock JupyterLab without a network says these: absent settings, and what is blocked below.
NOISE = ("responded with a status of 404", "net::ERR_FAILED")
WIDGET_ERRORS = (
    "Error displaying widget",
    "Error creating widget",
    "Failed to load",
    "model not found",
    "Javascript Error",
)


def notebook(*cells: str) -> dict[str, Any]:
    """Give a notebook with these code cells."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{at}",
                "execution_count": None,
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for at, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


class Server:
    """A JupyterLab server below `work`; its notebooks are in `root`."""

    app = "jupyterlab"
    page = "lab/tree/{}?reset&"  # where a notebook is
    tabs = True  # whether a page can open one notebook after the other

    def __init__(self, work: Path, settings: dict[str, dict[str, Any]] | None = None) -> None:
        self.root = work / "notebooks"
        self.root.mkdir()
        self.token = secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._log = work / "jupyter.log"
        self._env = dict(os.environ)
        paths = [str(ROOT), quick_imports.folder(), os.environ.get("PYTHONPATH", "")]
        self._env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        for name in DIRECTORIES:
            (work / name.lower()).mkdir()
            self._env[name] = str(work / name.lower())
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        settings = {"@jupyterlab/apputils-extension:notification": quiet, **(settings or {})}
        for plugin, values in settings.items():
            package, _, name = plugin.partition(":")
            file = work / "jupyterlab_settings_dir" / package / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", self.app, "--no-browser", "--allow-root"]
        command += ["--expose-app-in-browser", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.port={self.url.rpartition(':')[2]}"]
        command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}"]
        command += [f"--ServerApp.root_dir={self.root}", "--LabApp.extension_manager=readonly"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._env, cwd=self.root, stdout=log, stderr=log
            )
        for _ in range(300):
            with suppress(urllib.error.URLError, ConnectionError):
                self.ask("/api/status")
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"{self.app} did not start:\n{self._log.read_text()}")

    def ask(self, path: str, method: str = "GET") -> Any:
        """Give what the server's REST API answers."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def stop_kernels(self) -> None:
        """Shut every kernel down."""
        for kernel in self.ask("/api/kernels"):
            self.ask(f"/api/kernels/{kernel['id']}", "DELETE")

    def stop(self) -> None:
        """Stop the kernels and the server."""
        if self._process.poll() is None:
            with suppress(OSError):
                self.stop_kernels()
            self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def write(self, name: str, *cells: str) -> None:
        """Put a notebook of these code cells there."""
        (self.root / name).write_text(json.dumps(notebook(*cells)))

    def read(self, name: str) -> dict[str, Any]:
        """Give a notebook as it was saved."""
        saved: dict[str, Any] = json.loads((self.root / name).read_text())
        return saved


class Notebook7(Server):
    """A Notebook 7 server, which is made of the same parts."""

    app = "notebook"
    page = "notebooks/{}?"
    tabs = False


class Page:
    """A browser page that shows a notebook of a server, and what went wrong in it.

    JupyterLab is loaded once: that is some 10 MB of scripts, and most of what a short test
    takes.  Further notebooks are opened in it; `close` leaves it as if it were new.
    """

    def __init__(self, server: Server, page: Any) -> None:
        self.server, self.page = server, page
        self._loaded = False
        self.wrong: list[str] = []  # script errors, and errors on the console
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.wrong.append(f"page: {error}"))

    def _on_console(self, message: Any) -> None:
        if message.type == "error" and not any(noise in message.text for noise in NOISE):
            self.wrong.append(f"console: {message.text}")

    def open(self, name: str) -> None:
        """Open a notebook, and wait until its kernel is ready."""
        if self._loaded and self.server.tabs:
            self.page.evaluate(  # it gives nothing: to send the widget here would take seconds
                "path => { window.jupyterapp.commands.execute('docmanager:open', { path }); }", name
            )
        else:
            where = self.server.page.format(name)
            self.page.goto(f"{self.server.url}/{where}token={self.server.token}")
            self._loaded = True
        self.page.wait_for_function(
            """name => {
                const widget = window.jupyterapp?.shell.currentWidget;
                const kernel = widget?.sessionContext?.session?.kernel;
                return widget?.context?.path === name && kernel?.status === 'idle'
                    && kernel.connectionStatus === 'connected';
            }""",
            arg=name,
        )
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")

    def close(self) -> None:
        """Close what is open, saved or not, and stop the kernels; what went wrong is forgotten."""
        if self._loaded and self.server.tabs:
            self.page.evaluate(
                """() => {
                    for (const one of [...window.jupyterapp.shell.widgets('main')]) one.dispose();
                }"""
            )
        else:
            self.page.close()
        self.server.stop_kernels()
        self.wrong.clear()

    def run_all(self) -> None:
        """Begin to run all cells; does not wait."""
        self.page.evaluate(
            """() => {
                window.ran = false;
                window.jupyterapp.commands.execute('notebook:run-all-cells')
                    .finally(() => { window.ran = true; });
            }"""
        )

    @property
    def ran(self) -> bool:
        """Whether what `run_all` began is over."""
        return bool(self.page.evaluate("() => window.ran"))

    def wait(self, seconds: float = 60) -> None:
        """Wait until what `run_all` began is over."""
        self.page.wait_for_function("() => window.ran", timeout=1000 * seconds)

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name
        )

    def outputs(self) -> str:
        """Give the text of all outputs, as it is seen."""
        shown = self.page.locator(".jp-OutputArea-output")
        return "\n".join(shown.nth(at).inner_text() for at in range(shown.count()))

    def widget_errors(self) -> list[str]:
        """Give what front-ends say where a widget could not be shown."""
        seen = self.outputs()
        return [error for error in WIDGET_ERRORS if error in seen]


@contextmanager
def browser(size: tuple[int, int] = (1200, 900)) -> Iterator[Any]:
    """Give a browser context that can reach the loopback only."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
        context.route(
            lambda url: not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:")),
            lambda route: route.abort(),
        )
        context.set_default_timeout(60_000)
        try:
            yield context
        finally:
            chromium.close()
