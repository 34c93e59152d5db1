"""Asserts of `both_ways` say what differs, as those of the tests do."""

from __future__ import annotations

import pytest

from nbexec.cell.execution.group_run import StatementGroup

pytest.register_assert_rewrite(f"{__package__}.both_ways")


@pytest.fixture(autouse=True)
def groups_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have statements that may run beside others go to workers at once, however short they are."""
    if request.node.get_closest_marker("plain_first") is None:
        monkeypatch.setattr(StatementGroup, "patience", 0.0)
