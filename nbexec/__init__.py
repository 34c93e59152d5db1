"""nbexec: a slow notebook cell made faster, with a live panel that tells the truth.

General layout, in the order in which imports go (each may import what is below it):

    notebook/     the only place that imports IPython, ipywidgets, bokeh: magics, panel
    cell/         what %%parallel does, with no IPython in it
    api.py        map, imap, amap, start, invoke
    executor.py   Executor: concurrent.futures.Executor over the same loop
    tracking.py   track: a plain loop, shown and steered as a run is
    history.py    runs, attach: the runs of this kernel, and what journals know of past ones
    run.py        Run: what a call gives, to be watched and steered
    loop.py       Loop: the only loop;  backlog.py: what goes next;  slots.py: who has what
    bulletin.py   events -> state and observers;  endings.py, conclusion.py: how items, runs end
    results.py    where outcomes end up: Results, a stream, futures
    journal/      the file that finished items are kept in, and found again
    steering.py   opens backends;  probe.py: what is measured of items while they run
    auto.py       measured items -> a choice, and the reason;  memories.py: of earlier runs
    plan.py       items -> chunks
    backends/     the registry and the backends: serial, threads, processes, interpreters,
                  aio, dask;  tenant.py: what runs in an interpreter
    observers/    what watches a run: text progress, usage
    output.py     what the items of a run wrote;  memory.py: whether there is room for more
    worker.py     what runs inside a worker;  parcels.py: its way there and back;
                  loaded.py: functions that it has;  blas.py: its share of BLAS threads
    kernels.py    what Executor.compute reduces arrays by
    ear.py        how a worker process is asked for what it has not begun
    reloads.py    modules that were reloaded in the kernel, and are in workers
    capture.py    what a task says while it runs;  streams.py: stdout that knows its item
    codeprint.py  what a function does, fingerprint.py: what a value is, as digests
    wire.py       pickling;  shelved.py: large buffers apart;  traces.py: tracebacks that were sent
    policy.py     retry, accept or stop;  advice.py: one line, where it is worth it
    state.py      RunState: a pure fold of events;  text.py: how it is said
    timeline.py   Timeline: who was busy when, another;  bars.py: what it gives
    options.py    session defaults;  knobs.py: Options, every one of them
    hands.py      lent threads;  machine.py: cores and bytes
    origin.py     whose code it is;  roster.py: the runs of this kernel
    events.py     what happens in a run, as records
    sheet.py      what a worker notes of a chunk;  columns.py: columns that hold nothing
    subinterpreter.py: what a worker does otherwise that is one
    model.py      Task, Chunk, Outcome, Failure: start reading here

    items -> plan -> Run -> backend -> worker
                      ^                   |
                      +---- outcomes <----+
                      |
                      +-> RunState -> observers
"""

from __future__ import annotations

# Not lazily: a function of the same name as its module must be bound after the module is.
from .backends import backends, register_backend
from .options import configure, options

TYPE_CHECKING = False  # typing takes 10 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .api import amap, imap, invoke, map, start
    from .cell.detached import detached
    from .cell.report import CellReport
    from .cell.run import parallel
    from .errors import (
        BackendError,
        DeadlineExceeded,
        ItemsError,
        ItemTimeout,
        JournalError,
        MemoryLimitExceeded,
        NbexecError,
        NotReady,
        OptionError,
        PickleError,
        RunCancelled,
        SerialError,
        WorkerDied,
    )
    from .executor import Executor
    from .history import PastRun, RunRecord, attach, runs
    from .model import Failure
    from .options.record import Options
    from .run.handle import Run
    from .run.registry import last_run
    from .run.results import Results
    from .telemetry.bars import Bar, Bars
    from .telemetry.output import Outputs
    from .telemetry.stats import Stats
    from .tracking import track
    from .worker.capture import cancelled, progress

__version__ = "0.1.0"

_NAMES = {
    "backends": "backends register_backend",
    "options": "configure options",
    "api": "amap imap invoke map start",
    "worker.capture": "cancelled progress",
    "cell.report": "CellReport",
    "cell.run": "parallel",
    "cell.detached": "detached",
    "errors": "BackendError DeadlineExceeded ItemsError ItemTimeout JournalError "
    "MemoryLimitExceeded NbexecError NotReady OptionError PickleError RunCancelled SerialError "
    "WorkerDied",
    "executor": "Executor",
    "history": "PastRun RunRecord attach runs",
    "model": "Failure",
    "options.record": "Options",
    "telemetry.output": "Outputs",
    "run.results": "Results",
    "run.handle": "Run",
    "run.registry": "last_run",
    "telemetry.stats": "Stats",
    "telemetry.bars": "Bar Bars",
    "tracking": "track",
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = list(_WHERE)

# What is public says `nbexec` as its module: a pickle of it survives a move, and help shows the
# name that people use.
for _function in (backends, configure, register_backend):
    _function.__module__ = __name__


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in _WHERE:
        raise AttributeError(f"module 'nbexec' has no attribute {name!r}")
    import importlib  # 1 ms, and a kernel has it

    value = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    # For functions.  A class has it already; but Python 3.13 drops `__firstlineno__` when it is
    # set, which is right: the class is in another file.
    value.__module__ = __name__
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def load_ipython_extension(shell: Any) -> None:
    """Register the magics: what ``%load_ext nbexec`` calls."""
    from .notebook.magics import register

    register(shell)
