"""Asserts of `both_ways` say what differs, as those of the tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(f"{__package__}.both_ways")
