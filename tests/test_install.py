"""Binder's environment installs from its files, and the quickstart runs in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"
QUICKSTART = ROOT / "notebooks" / "01-quickstart.ipynb"


def test_binder_takes_a_python_that_the_package_supports():
    python = (BINDER / "runtime.txt").read_text().strip()
    minor = re.fullmatch(r"python-3\.(\d+)", python)
    assert minor is not None, python
    assert int(minor[1]) >= 11
    assert os.access(BINDER / "postBuild", os.X_OK)


@pytest.mark.extended
@pytest.mark.install
@pytest.mark.timeout(900)
def test_the_quickstart_runs_where_binder_installed_it(tmp_path):
    """The steps of repo2docker, in a fresh virtual environment instead of a container."""
    venv, home = tmp_path / "venv", tmp_path / "home"
    home.mkdir()
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    env = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    for inherited in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        env.pop(inherited, None)

    def step(*command, **more):
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env={**env, **more}, timeout=800
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    step(sys.executable, "-m", "venv", str(venv))
    step("python", "-m", "pip", "install", "-q", "-r", "binder/requirements.txt")
    step("python", "-m", "pip", "check")
    at_home = {"HOME": str(home), "USERPROFILE": str(home)}  # what is trusted is kept there
    step("bash", "binder/postBuild", **at_home)
    disabled = step("jupyter", "labextension", "list", "--verbose", **at_home)
    assert "announcements" in disabled
    execute = ["jupyter", "nbconvert", "--to", "notebook", "--execute"]
    step(*execute, "--output-dir", str(tmp_path), str(QUICKSTART), **at_home)

    cells = nbformat.read(tmp_path / QUICKSTART.name, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("All three runs give the same rows." in o.get("text", "") for o in outputs)
