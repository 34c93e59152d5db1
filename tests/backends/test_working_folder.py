"""A working folder that was deleted is said before anything runs."""

from __future__ import annotations

import pytest

import nbexec
from nbexec.backends import working_folder


@pytest.fixture
def deleted(tmp_path, monkeypatch):
    """Be in a folder that is not there any more."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()


def test_a_folder_that_is_there_is_no_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    working_folder.require("processes")


def test_worker_processes_can_not_begin_in_one_that_is_not(deleted, remote):
    began = []
    with pytest.raises(nbexec.BackendError, match=r"the working folder was deleted.*chdir"):
        nbexec.map(began.append, range(3), backend=remote)
    assert not began


@pytest.mark.parametrize("backend", ["serial", "threads", "asyncio", "auto"])
def test_others_need_none(deleted, backend):
    assert nbexec.map(abs, range(3), backend=backend) == [0, 1, 2]
