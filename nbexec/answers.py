"""ensemble: several functions asked about one item; the first good answers count."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .backends import get_backend
from .errors import OptionError
from .items.sinks import Stream
from .model import Failure
from .options import resolve
from .run.preparing import is_coroutine, prepare
from .run.streaming import iterate


def ensemble(
    item: Any, functions: Sequence[Callable[[Any], Any]], need: int = 1, **options: Any
) -> list[Any]:
    """Call several functions with one item at once, and give the first `need` answers.

    An answer is what a function returns; one that raises gives none.  With the last answer that
    is needed the others are cancelled: coroutines are, processes end, and a thread is left behind,
    since nothing can stop it.

    Parameters
    ----------
    item : object
        What each function is called with.
    functions : sequence of callable
        Plain functions, and coroutine functions.
    need : int
        How many answers are enough, from 1 to the number of functions.
    **options
        Any of `Options`.  None for `workers` is one for each function.

    Returns
    -------
    list
        `need` answers, in the order in which they came.

    Raises
    ------
    ExceptionGroup
        Of what the functions raised, where too few gave an answer.  Those that did are its
        `partial_results`.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.ensemble("7", [int, float], need=2, progress="off") == [7, 7.0]
    True
    >>> nbexec.ensemble("7.5", [int, float], progress="off")
    [7.5]
    """
    functions = list(functions)
    for position, function in enumerate(functions):
        if not callable(function):
            raise OptionError(f"ensemble() calls functions; number {position} is {function!r}")
    if type(need) is not int or not 1 <= need <= len(functions):
        raise OptionError(
            f"need must be a number from 1 to {len(functions)}, the number of functions, "
            f"not {need!r}"
        )
    given = {"name": "ensemble", "workers": len(functions), "chunk": 1, **options}
    resolved = resolve({**given, "on_error": "collect"})
    awaited = [is_coroutine(function) for function in functions]
    if resolved.backend == "auto":  # not timed first, one after the other: they race
        resolved = resolved.updated({"backend": "asyncio" if any(awaited) else "threads"})
    stream = Stream(False, len(functions), "collect")
    run = prepare(
        functools.partial(_await if _on_own_loop(awaited, resolved.backend) else _ask, item),
        (functions,),
        None,
        resolved,
        lambda _: stream,
    )
    run.caller_thread.serve_in_thread(contextvars.copy_context())
    run.start()
    leave = functools.partial(run.enough, -1, grace=False)  # what runs is not waited for
    results = iterate(run, stream, leave)
    answers, errors = [], []
    try:
        for result in results:
            if isinstance(result, Failure) and result.run == run.id:
                errors.append(result.exception)
                continue
            answers.append(result)
            if len(answers) == need:
                return answers
    except BaseException:
        run.cancel()
        raise
    finally:
        results.close()
        run.wait()
    raise _too_few(answers, errors, need)


def _on_own_loop(awaited: Sequence[bool], backend: Any) -> bool:
    """Whether each function may have its event loop for itself, or waits for nothing else there.

    On `asyncio`, where they share one, plain functions go to threads, and it would stand still.
    """
    return all(awaited) or (any(awaited) and get_backend(backend).name != "asyncio")


def _ask(item: Any, function: Callable[[Any], Any]) -> Any:
    return function(item)


async def _await(item: Any, function: Callable[[Any], Any]) -> Any:
    answer = function(item)
    return await answer if inspect.isawaitable(answer) else answer


def _too_few(answers: list[Any], errors: list[BaseException], need: int) -> BaseException:
    group = BaseExceptionGroup(
        f"{len(answers)} of {need} answers came, and {len(errors)} functions raised", errors
    )
    group.partial_results = answers  # type: ignore[attr-defined]
    return group
