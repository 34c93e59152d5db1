"""parallel(): a cell with the answer of ``exec``, sooner."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import OptionError
from ..options import resolve
from ..options.cancel_token import raise_if_cancelled
from ..options.rates import limit_of
from ..options.record import Options
from ..placement.worker_support import check, wanted
from ..run import registry as runs
from ..worker.execute import depth
from .analysis.source import remember
from .cell_run import CellRun
from .execution.in_kernel import StatementRunner, parse
from .own_functions.decorated import parallel_function

ALWAYS_THERE = ("auto", "serial", "threads", "processes", "asyncio")


def parallel(
    source: Any = None,
    namespace: dict[str, Any] | None = None,
    *,
    filename: str = "<cell>",
    flags: int = 0,
    strict: bool = False,
    **options: Any,
) -> Any:
    """Run a cell with exactly the effects of ``exec(source, namespace)``, sooner; or a function.

    Parameters
    ----------
    source : str or function
        The cell; or a function of your own, whose loops and those of functions that it calls
        run item by item.  As a decorator it is ``@nbexec.parallel`` or, with options,
        ``@nbexec.parallel(workers=4)``.
    namespace : dict
        The names that a cell reads and binds, such as ``globals()``.
    filename : str
        The cell's file name in tracebacks.
    flags : int
        Compiler flags of ``from __future__`` imports that are in force before the cell, as a
        notebook keeps them from earlier ones.
    strict : bool
        Whether a loop that can't be shown safe is an error instead of running serially.
    **options
        Any of `Options`.  ``on_error="collect"`` has to be given here: a session's default
        doesn't change the effects of a cell.

    Returns
    -------
    CellReport or function
        How each statement ran, and the value of a last expression.  Of a function: the same
        function, with the same results, sooner.

    Raises
    ------
    OptionError
        An option can't be used; nothing has run then.
    SyntaxError
        The source is not valid Python.
    RunCancelled
        The token of ``cancel=`` was cancelled; the statements before that have run.
    SerialError
        With `strict`, a loop would run serially; the statements before it have run.
    Exception
        What the cell raises.

    Examples
    --------
    >>> import nbexec
    >>> names = {}
    >>> report = nbexec.parallel("squares = [x * x for x in range(3)]", names, progress="off")
    >>> names["squares"]
    [0, 1, 4]
    >>> @nbexec.parallel
    ... def squares(xs):
    ...     return [pow(x, 2) for x in xs]
    >>> squares(range(3))
    [0, 1, 4]
    """
    __tracebackhide__ = True
    if not isinstance(source, str):
        return _of_function(source, namespace, strict, options)
    if namespace is None:
        raise OptionError("parallel needs the names of the cell too, such as globals()")
    resolved = checked(options)
    kernel = StatementRunner(parse(source, filename, flags), namespace)
    remember(source, filename)
    if not depth.get():
        runs.forget_last()
    course = CellRun(kernel, resolved, options, strict)
    for position in range(len(kernel.cell.body)):
        raise_if_cancelled(resolved.cancel, "the cell")
        course.step(position)
    return course.report()


def _of_function(
    function: Any, namespace: Any, strict: bool, options: dict[str, Any]
) -> Callable[..., Any]:
    if namespace is not None:
        raise OptionError(f"a cell is its source, as a string, not {function!r}")
    checked(options)
    if options.get("seed") is not None:
        raise OptionError(
            "a function draws its random numbers in the order of its plain loops, so that seed= "
            "would change them: seed the generators, use nbexec.map(..., seed=...), or a cell "
            "with %%parallel --seed"
        )
    if function is None:
        return functools.partial(parallel_function, strict=strict, options=options)
    return parallel_function(function, strict, options)


def checked(options: dict[str, Any]) -> Options:
    """Give the options in force, or raise before anything has run."""
    resolved = resolve(options)
    if options.get("on_error") == "group":
        raise OptionError(
            "on_error='group' is not for cells, which raise what the plain cell raises: use "
            "'collect', which leaves out the iterations that raise, or nbexec.map(..., "
            "on_error='group')"
        )
    if options.get("hedge_after") is not None:
        raise OptionError(
            "hedge_after= is not for cells, whose iterations run once, as in the plain cell: use "
            "nbexec.map(..., hedge_after=...)"
        )
    if options.get("rate") is not None:  # one for all loops of the cell
        options["rate"] = limit_of("rate", options["rate"])
    if resolved.env is not None:
        raise OptionError(
            "env= is not for cells, whose iterations may run in the kernel, which has its own "
            "environment: use nbexec.map(..., env=...)"
        )
    about_workers = wanted(resolved)
    # those that are always there take a while to import, if they are needed
    if resolved.backend not in ALWAYS_THERE or about_workers:
        from ..backends import get_backend

        check(resolved, None if resolved.backend == "auto" else get_backend(resolved.backend))
    return resolved
