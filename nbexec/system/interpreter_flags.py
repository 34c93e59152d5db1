"""Interpreter flags: how a Python was started (-O, -X utf8, -W, ...), for those that it starts."""

from __future__ import annotations

import os
import sys

_VARIABLES = {  # by the attribute of `sys.flags`; each is a number
    "optimize": "PYTHONOPTIMIZE",
    "utf8_mode": "PYTHONUTF8",
    "dev_mode": "PYTHONDEVMODE",
    "dont_write_bytecode": "PYTHONDONTWRITEBYTECODE",
    "no_user_site": "PYTHONNOUSERSITE",
    "safe_path": "PYTHONSAFEPATH",
}


def flags_as_variables() -> dict[str, str]:
    """Give environment variables that start another Python as this one was started.

    loky starts workers without this one's options.

    Examples
    --------
    >>> found = flags_as_variables()
    >>> found.get("PYTHONOPTIMIZE", "0") == str(sys.flags.optimize)
    True
    """
    found = {}
    for flag, variable in _VARIABLES.items():
        value = int(getattr(sys.flags, flag))
        if value:
            found[variable] = str(value)
    if sys.flags.utf8_mode == 0:
        found["PYTHONUTF8"] = "0"  # -X utf8=0, where the locale would switch it on
    if sys.flags.ignore_environment:  # an empty variable counts as none
        found = {name: "" for name in os.environ if name.startswith("PYTHON")} | found
    given = [one for one in sys.warnoptions if "," not in one]  # those can't be in a list
    if given:
        found["PYTHONWARNINGS"] = ",".join(given)
    return found


def hash_seed() -> str:
    """Give the seed that texts are hashed with; "" where Python chose it, and nobody knows it."""
    if not sys.flags.hash_randomization:
        return "0"
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONHASHSEED", "")
    return given if given.isdigit() else ""
