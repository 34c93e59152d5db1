"""Options: every option in one frozen record, checked in one place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import OptionError
from ..system import machine
from . import cancel_token, checks, pacing_checks, worker_options
from .checks import suggest
from .worker_options import WorkerOptions

ON_ERROR = ("raise", "collect", "group")
RECONNECT = 30.0  # seconds
ALONE = ("timeout", "rate", "rate_key", "budget", "hedge_after")  # are about single items


def _option(default: Any, help: str, check: Callable[[str, Any], None] | None, kind: type) -> Any:
    """Declare one option; `kind` is the type that a magic's flag is converted to."""
    return field(default=default, metadata={"help": help, "check": check, "kind": kind})


@dataclass(frozen=True, kw_only=True)
class Options:  # its docstring is made from the fields, below
    __module__ = "nbexec"

    backend: Any = _option(
        "auto",
        "Where items run: 'auto' (measure the first ones and choose), 'serial', 'threads', "
        "'processes', 'asyncio', 'dask' (a local cluster), the address of a Dask scheduler "
        "('tcp://host:8786'), one of joblib's ('joblib:loky'), a registered name, or an object: "
        "a backend, a "
        "`concurrent.futures.Executor`, a `distributed.Client`.",
        None,  # checked by the registry, which knows the names
        str,
    )
    workers: int | None = _option(
        None,
        "How many items run at once; None suits the backend and this machine's cores.",
        checks.int_at_least(1),
        int,
    )
    chunk: int | None = _option(
        None,
        "Items sent to a worker at a time; None adapts it to how long they take.",
        checks.int_at_least(1),
        int,
    )
    on_error: str = _option(
        "raise",
        "'raise' stops at the first item that fails and raises its exception; 'collect' leaves "
        "a `Failure` in the item's place and goes on; 'group' goes on, too, and at the end raises "
        "the exceptions of all items that failed as one `ExceptionGroup`.",
        checks.one_of(ON_ERROR),
        str,
    )
    retries: int = _option(
        0, "How many more times an item that raised is tried.", checks.int_at_least(0), int
    )
    retry_wait: Any = _option(
        None,
        "Seconds before an item is tried again; or a function that gives them for the number of "
        "the attempt that failed, from 1; or a wait strategy of tenacity. None is a random time "
        "of up to 0.1 s, then 0.2 s, 0.4 s and so on to 30 s (exponential, with full jitter).",
        checks.wait,
        float,
    )
    retry_on: Any = _option(
        None,
        "What is tried again, with `retries`: an exception type, several in a tuple, their names "
        "in a string, or a function of the exception; None is every exception.",
        checks.errors,
        str,
    )
    crash_retries: int = _option(
        1,
        "How many more times an item is tried whose worker died while it ran; with 0 no item "
        "is ever begun twice.",
        checks.int_at_least(0),
        int,
    )
    reconnect: float = _option(
        RECONNECT,
        "Seconds that a run on a Dask cluster which was given waits for its scheduler, when that "
        "is gone; what had not ended is sent again then. Elsewhere it does nothing.",
        checks.seconds,
        float,
    )
    timeout: float | None = _option(
        None,
        "Seconds that one item may take: then its worker is stopped (a thread can't be, and is "
        "left behind) and the item fails with `ItemTimeout`. To start a worker, to load the "
        "function there and `setup` don't count. Items then travel alone. Not on serial, which "
        "can't leave an item.",
        checks.seconds,
        float,
    )
    deadline: float | None = _option(
        None,
        "Seconds that the run may take: then it stops, and what is finished is kept.",
        checks.seconds,
        float,
    )
    cancel: Any = _option(
        None,
        "A `CancelToken`, which cancels this run and all others that have it; or the name of one. "
        "With a cancelled one the run ends at once, with `RunCancelled`, and no item begins.",
        cancel_token.check,
        str,
    )
    memory_limit: Any = _option(
        None,
        "Bytes that the kernel and its workers may use together: a number, '4 GB', or '80%' of "
        "what this machine or container allows. While they use more, no further item begins; if "
        "nothing runs any more and it is still more, the run ends with `MemoryLimitExceeded`.",
        checks.memory,
        str,
    )
    rate: Any = _option(
        None,
        "How many items may start in a time: '50/s', '200/min', '1000/h', several in a list, a "
        "dict by unit ({'calls': '200/min', 'tokens': '100_000/min'}, with `cost`), or a `Limit` "
        "that several runs share. In no window of that length do more start; retries count. "
        "Items travel alone then, unless the limit is far.",
        pacing_checks.rate,
        str,
    )
    rate_key: Any = _option(
        None,
        "A function of the item that gives what `rate` and `slow_down` are about: the host, the "
        "account. Each has its own. None is one for all.",
        pacing_checks.function,
        str,
    )
    cost: Any = _option(
        None,
        "A function of the item that gives what it takes of the other unit of `rate`, or a dict "
        "of unit to number.",
        pacing_checks.function,
        str,
    )
    actual: Any = _option(
        None,
        "A function of the result that gives what it took, as `cost`, which it corrects.",
        pacing_checks.function,
        str,
    )
    hedge_after: Any = _option(
        None,
        "Seconds after which an item is tried a second time, on another free worker, while the "
        "first try goes on: the first value counts, and the other try is cancelled. Or 'p95', "
        "'p99' and the like: once it has run longer than that share of the items. Only for a "
        "function that may run twice at once for the same item. Items then travel alone. Not on "
        "serial.",
        pacing_checks.hedge_after,
        str,
    )
    slow_down: Any = _option(
        None,
        "What to do where an item's exception has the reply of a server with the status 429 or "
        "503: the run pauses for as long as that asks (`Retry-After`, `x-ratelimit-reset`), "
        "halves how many items run at once, and tries the item again, which is none of its "
        "`retries`. So it does where items run out of open files or threads. A function of the "
        "exception that gives True or seconds says so of others, and False has them fail. None is "
        "True, but False with `crash_retries=0`, and in cells without `rate`.",
        pacing_checks.slow_down,
        str,
    )
    price: Any = _option(
        None,
        "What an item costs: a function of its result that gives a number, or a number. What was "
        "spent is shown, and what all will cost.",
        pacing_checks.price,
        str,
    )
    item_price: Any = _option(
        None,
        "The same, of the item, before it runs; with both, `price` corrects it.",
        pacing_checks.price,
        str,
    )
    budget: float | None = _option(
        None,
        "What may be spent: no item begins that would take it over, and the run ends with "
        "`BudgetExceeded`. Needs `price` or `item_price`. Items then travel alone.",
        pacing_checks.budget,
        float,
    )
    window: int | None = _option(
        None,
        "Most items that `imap` holds at once, on their way in and out; None is a few chunks "
        "a worker.",
        checks.int_at_least(1),
        int,
    )
    checkpoint: str | os.PathLike[str] | None = _option(
        None,
        "The path of a journal, a file that each finished item is written to: the same call runs "
        "only what is not in it. It is made where there is none. Loading it unpickles it: use "
        "only one that you trust. None keeps no journal.",
        checks.path,
        str,
    )
    seed: int | None = _option(
        None,
        "What the items' random numbers follow from: each item draws its own, the same ones on "
        "any backend, with any number of workers, and when it is tried again. None is another "
        "seed for each run, in `run.seed`.",
        checks.int_at_least(0),
        int,
    )
    progress: Any = _option(
        "auto",
        "'panel' (a widget), 'text' (a line), 'off', or 'auto': a panel in a notebook, text "
        "elsewhere. Or a progress bar of your own, as tqdm's: the class (`progress=tqdm`), which "
        "is called with `total` and `desc`, or an instance, which is closed once it is full.",
        checks.progress,
        str,
    )
    on_event: Any = _option(
        None,
        "A function that is called with each event of the run, in order, in the run's own thread; "
        "or an observer, such as `JsonLines` and `OpenTelemetry`; or several in a list. One that "
        "raises is logged and dropped. The events are in `nbexec.events`.",
        checks.event_functions,
        str,
    )
    pin: bool = _option(
        False,
        "Whether each worker keeps to one core: worker i to the i-th of those that this process "
        "may use, in turn. On Linux, on threads, processes and the local Dask cluster.",
        worker_options.switch,
        bool,
    )
    env: Any = _option(
        None,
        "Environment variables that workers have beside the kernel's, from their start: a dict, "
        "or 'OMP_NUM_THREADS=1, STAGE=test'. On processes and the local Dask cluster.",
        worker_options.check_environment,
        str,
    )
    worker_name: str | None = _option(
        None,
        "What workers are called in the panel, the timeline and failures: 'resize' gives "
        "'resize-0', 'resize-1' and so on. On threads and processes it is the name of the thread, "
        "or the process, too. None is the backend's own names.",
        checks.text,
        str,
    )
    recycle_after: int | None = _option(
        None,
        "How many items a worker is given at most; then another takes its place, a new process or "
        "thread. On threads, processes and the local Dask cluster.",
        checks.int_at_least(1),
        int,
    )
    recycle_above: Any = _option(
        None,
        "Bytes of memory of a worker process above which it is given no further item, and another "
        "takes its place: a number, '2 GB', or '20%' of what this machine or container allows. "
        "On processes and the local Dask cluster.",
        checks.memory,
        str,
    )
    name: str | None = _option(
        None, "What the run is called in its panel; None is the function's name.", checks.text, str
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            check = option.metadata["check"]
            if check is not None and not (value is None and option.default is None):
                check(option.name, value)
        for name in ALONE:
            if getattr(self, name) is not None and self.chunk not in (None, 1):
                raise OptionError(f"{name}= needs chunk=1, not {self.chunk}: it is for one item")
        if self.crash_retries == 0 and self.chunk not in (None, 1):
            raise OptionError(
                f"crash_retries=0 needs chunk=1, not {self.chunk}: when a worker dies, the items "
                "of its chunk are run again one by one to find the guilty one"
            )
        pacing_checks.together(self)
        worker_options.together(self)

    @property
    def alone(self) -> bool:
        """Whether items must travel alone: so that the guilty one, or the next, is known.

        Under a rate they must where it binds, and there alone: see `Pacing.together`.
        """
        single = (one for one in ALONE if one != "rate")
        return self.crash_retries == 0 or any(getattr(self, one) is not None for one in single)

    @property
    def leaves(self) -> bool:
        """Whether an item may have to be left while it runs."""
        return self.timeout is not None or self.hedge_after is not None

    @property
    def timed(self) -> bool:
        """Whether a worker must say when it begins an item."""
        return self.leaves or self.rate is not None

    @property
    def worker_options(self) -> WorkerOptions:
        """Those that are about workers."""
        above = self.recycle_above
        if above is not None:
            above = checks.bytes_of("recycle_above", above, machine.memory_limit())
        env = () if self.env is None else worker_options.environment("env", self.env)
        name = self.worker_name or ""
        return WorkerOptions(self.pin, env, name, self.recycle_after, above)

    def updated(self, changes: dict[str, Any]) -> Options:
        """Give a copy with `changes`; an unknown name is an `OptionError` with a suggestion."""
        known = [option.name for option in fields(self)]
        for name in changes:
            if name not in known:
                raise OptionError(
                    f"there is no option {name!r}{suggest(name, known)} "
                    f"(options: {', '.join(known)})"
                )
        return replace(self, **changes)


def _docstring() -> str:
    lines = ["Every option of `map`, `imap`, `amap`, `start`, `invoke` and `Executor`.", ""]
    lines += ["All are keyword-only.", "", "Parameters", "----------"]
    for option in fields(Options):
        lines += [f"{option.name} : {option.type}", f"    {option.metadata['help']}"]
        lines[-1] += f" Default: {option.default!r}."
    lines += ["", "Raises", "------", "OptionError", "    A value that can't be used."]
    lines += ["", "Examples", "--------", ">>> Options(workers=2).workers", "2", ""]
    return "\n".join(lines)


Options.__doc__ = _docstring()
