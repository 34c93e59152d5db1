"""Modules by the names that they had in 0.1.0, whose journals hold pickles and fingerprints.

What can be in a journal: the public names, what an iteration of a cell leaves behind, and what
unpickles a class.  A module or a class of these that moves once more gets its new name here.
"""

from __future__ import annotations

import sys

_BEFORE = {  # today: in 0.1.0
    "nbexec.cell.iteration.boundary": "nbexec.cell.crossing",
    "nbexec.cell.iteration.effect_log": "nbexec.cell.log",
    "nbexec.cell.iteration.iteration": "nbexec.cell.iteration",
    "nbexec.options.record": "nbexec.knobs",
    "nbexec.run.handle": "nbexec.run",
    "nbexec.run.registry": "nbexec.run",
    "nbexec.run.results": "nbexec.results",
    "nbexec.serialize.pickling": "nbexec.wire",
    "nbexec.telemetry.bars": "nbexec.bars",
    "nbexec.telemetry.output": "nbexec.output",
    "nbexec.telemetry.stats": "nbexec.state",
    "nbexec.worker.capture": "nbexec.capture",
    "nbexec.worker.execute": "nbexec.worker",
}
_TODAY = {before: today for today, before in _BEFORE.items()}
# Functions that pickles name, and that have moved since: to where.
_ONWARD = {
    ("nbexec.serialize.pickling", "_code_of_file"): "nbexec.serialize.cloud_pickler",
    **dict.fromkeys(
        [
            ("nbexec.serialize.by_value", name)
            for name in ("_begin_class", "_class_arrived", "_update_class", "class_of_name")
        ],
        "nbexec.serialize.classes_by_value",
    ),
}
_RENAMED = {("nbexec.cell.iteration", "Record"): "IterationRecord"}  # classes that pickles name
_CAME = {(to, name): module for (module, name), to in _ONWARD.items()}
PACKAGE = __name__.partition(".")[0]


def today(module: str, name: str) -> tuple[str, str]:
    """Give module and name of today for those that a pickle has.

    Examples
    --------
    >>> today("nbexec.cell.iteration", "Record")
    ('nbexec.cell.iteration.iteration', 'IterationRecord')
    >>> today("nbexec.run", "last_run")
    ('nbexec', 'last_run')
    """
    if module not in _TODAY:
        return _ONWARD.get((module, name), module), name
    if name in sys.modules[PACKAGE]._WHERE:
        return PACKAGE, name
    found = _TODAY[module]
    return _ONWARD.get((found, name), found), _RENAMED.get((module, name), name)


def before(module: str, name: str) -> str:
    """Give the module by which fingerprints know a name of nbexec.

    Examples
    --------
    >>> before("nbexec", "progress"), before("nbexec", "Failure")
    ('nbexec.capture', 'nbexec.model')
    """
    if module == PACKAGE:
        home = sys.modules[PACKAGE]._WHERE.get(name)
        module = f"{PACKAGE}.{home}" if home else module
    if (module, name) in _CAME:
        module = _CAME[module, name]
    return _BEFORE.get(module, module)
