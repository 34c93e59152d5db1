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
    "nbexec.serialize.cloud_pickler": "nbexec.wire",
    "nbexec.serialize.pickling": "nbexec.wire",  # which has what pickles name, too
    "nbexec.telemetry.bars": "nbexec.bars",
    "nbexec.telemetry.output": "nbexec.output",
    "nbexec.telemetry.stats": "nbexec.state",
    "nbexec.worker.capture": "nbexec.capture",
    "nbexec.worker.execute": "nbexec.worker",
}
_TODAY = {before: today for today, before in _BEFORE.items()}
_RENAMED = {("nbexec.cell.iteration", "Record"): "IterationRecord"}  # classes that pickles name
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
        return module, name
    if name in sys.modules[PACKAGE]._WHERE:
        return PACKAGE, name
    return _TODAY[module], _RENAMED.get((module, name), name)


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
    return _BEFORE.get(module, module)
