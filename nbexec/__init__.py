"""nbexec: a slow notebook cell made faster, with a live panel that tells the truth.

The rooms, in the order of the layers (each imports only what is below it):

    notebook/     IPython, ipykernel and widgets: the magics; panel/ the live panel
    testing/      what backends and executors promise, as tests to subclass; it needs pytest
    cell/         %%parallel: analysis, loops, iterations, and their execution
    integrations/ other libraries that run on nbexec
    transforms/   functions made of functions; graph/ pipelines of functions
    api, answers, tracking, history, suggesting, events: what people call
    executor/     for whom calls concurrent.futures
    run/          one run: its handle, its loop, its results, how it stops
    placement/    which backend, how many workers, which worker has which chunk
    pacing/       how fast a run may go: rate limits, slowing down, a budget
    backends/     the contract of a backend, and every backend, on the kernel's side
    journal/      checkpoints, and the fingerprints that find them again
    observers/    what shows a run outside a notebook, and what samples its usage
    worker/       what runs where items run; it imports nothing of the kernel's side
    telemetry/    events, what they are folded into, and how that is put into words
    items/        where items come from, how many travel together, where outcomes go
    serialize/    pickles, task files and tracebacks across a process boundary
    records/      rows that a model validates: errors by field, and Parquet in pieces
    options/      session defaults, and the record of every option with its checks
    system/       this machine and this interpreter
    model, errors: records and exceptions; start reading in model.py

docs/design.md has the way of an item through them, with every queue and thread.
"""

from __future__ import annotations

# Not lazily: a function of the same name as its module must be bound after the module is.
from .backends import backends, register_backend
from .options import configure, options

TYPE_CHECKING = False  # typing takes 10 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .answers import ensemble
    from .api import aimap, amap, imap, invoke, map, start
    from .cell.detached import detached
    from .cell.report import CellReport
    from .cell.run import parallel
    from .errors import (
        BackendError,
        BudgetExceeded,
        Cancelled,
        DeadlineExceeded,
        GraphError,
        ItemsError,
        ItemTimeout,
        JournalError,
        MemoryLimitExceeded,
        NbexecError,
        NotReady,
        OptionError,
        PickleError,
        QueueFull,
        RunCancelled,
        SerialError,
        WorkerDied,
    )
    from .executor.executor import Executor
    from .executor.future import CallFuture
    from .executor.job import Job
    from .executor.lifecycle import UnstartedCall
    from .executor.scheduling import jobs
    from .graph.nodes import Skipped, step
    from .graph.pipeline import Pipeline
    from .graph.pipeline_results import PipelineOutputs, PipelineResults, PipelineStream
    from .graph.routes import route
    from .graph.step_counts import PipelineReport
    from .history import PastRun, RunRecord, attach, runs
    from .integrations.pandas_accessors import pandas
    from .integrations.polars_accessors import polars
    from .integrations.registered_joblib import register_joblib
    from .model import Failure
    from .observers.json_lines import JsonLines
    from .observers.open_telemetry import OpenTelemetry
    from .options.call_options import Priority
    from .options.cancel_token import CancelToken
    from .options.rates import Limit
    from .options.record import Options
    from .run.handle import Run
    from .run.registry import last_run
    from .run.results import Results
    from .suggesting import Suggestion, suggest
    from .telemetry.bars import Bar, Bars
    from .telemetry.output import Outputs
    from .telemetry.stats import Stats
    from .tracking import track
    from .transforms.pmap import pmap
    from .transforms.vmap import vmap
    from .worker.batching import batched
    from .worker.capture import cancelled, progress
    from .worker.sleeping import sleep
    from .worker.surroundings.register import carry

__version__ = "0.1.0"

_NAMES = {
    "backends": "backends register_backend",
    "options": "configure options",
    "answers": "ensemble",
    "api": "aimap amap imap invoke map start",
    "worker.batching": "batched",
    "worker.capture": "cancelled progress",
    "worker.sleeping": "sleep",
    "cell.report": "CellReport",
    "cell.run": "parallel",
    "cell.detached": "detached",
    "errors": "BackendError BudgetExceeded Cancelled DeadlineExceeded GraphError ItemsError "
    "ItemTimeout JournalError MemoryLimitExceeded NbexecError NotReady OptionError PickleError "
    "QueueFull RunCancelled SerialError WorkerDied",
    "executor.executor": "Executor",
    "executor.future": "CallFuture",
    "executor.job": "Job",
    "executor.lifecycle": "UnstartedCall",
    "executor.scheduling": "jobs",
    "graph.pipeline": "Pipeline",
    "graph.nodes": "Skipped step",
    "graph.pipeline_results": "PipelineOutputs PipelineResults PipelineStream",
    "graph.routes": "route",
    "graph.step_counts": "PipelineReport",
    "history": "PastRun RunRecord attach runs",
    "integrations.pandas_accessors": "pandas",
    "integrations.polars_accessors": "polars",
    "integrations.registered_joblib": "register_joblib",
    "model": "Failure",
    "options.cancel_token": "CancelToken",
    "observers.json_lines": "JsonLines",
    "observers.open_telemetry": "OpenTelemetry",
    "options.call_options": "Priority",
    "options.rates": "Limit",
    "options.record": "Options",
    "telemetry.output": "Outputs",
    "run.results": "Results",
    "run.handle": "Run",
    "run.registry": "last_run",
    "suggesting": "Suggestion suggest",
    "telemetry.stats": "Stats",
    "telemetry.bars": "Bar Bars",
    "tracking": "track",
    "transforms.pmap": "pmap",
    "transforms.vmap": "vmap",
    "worker.surroundings.register": "carry",
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
