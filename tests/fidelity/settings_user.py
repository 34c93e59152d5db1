"""A module of the user's, for tests: it has names of another one."""

from __future__ import annotations

from tests.fidelity import settings_module
from tests.fidelity.settings_module import CONFIG, f


def use(x):
    return x * CONFIG["x"] * settings_module.RATE, f(x), CONFIG is settings_module.CONFIG
