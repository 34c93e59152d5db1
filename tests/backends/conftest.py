"""Fixtures for tests that count files, or measure them."""

from __future__ import annotations

import pytest

from nbexec.worker import sent_modules


@pytest.fixture
def no_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run take no modules along: the suite's own hold as much as large arrays do."""
    monkeypatch.setattr(sent_modules, "own_modules", dict)
