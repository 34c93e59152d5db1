"""Views of an executor: the same one, whose calls have other options.

`submit` can't take options: its keywords are the function's.  So `Executor.options` gives a
view, which has nothing of its own but the options that its calls take along.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..backends import get_backend
from ..errors import OptionError
from ..options.call_options import CallOptions
from ..options.rates import Limit, Rate
from ..options.record import Options
from . import queueing

if TYPE_CHECKING:
    from ..items.call_queue import CallQueue
    from ..run.handle import Run

V = TypeVar("V", bound="Viewed")


class Viewed:
    """An executor that can be seen with other options for its calls."""

    _own: CallOptions | None = None  # of the calls that are submitted here
    _options: Options
    _run: Run
    _calls: CallQueue
    _limits: dict[tuple[Rate, ...], Limit]  # of calls with a key, who share them

    def options(self: V, **changes: Any) -> V:
        """Give a view: this executor, with other options for the calls submitted by the view.

        The view shares the queue, the workers and the run, and has every method of the
        executor; to shut it down shuts down the executor.  A view of a view has the options of
        both, and of an option that both have its own.

        Parameters
        ----------
        priority : int
            A call with a larger one begins sooner, of equal ones the one that was submitted
            first: any integer, or one of `Priority`.  A call that has waited for 10 s takes
            turns with more urgent ones, so that none waits for ever.  Default: 0.
        timeout, retries, retry_wait, retry_on
            As in `Options`; default: the executor's.
        rate : str, list, Limit or None
            How many calls of this view may start in a time, beside the executor's own ``rate``.
        key : hashable
            What `rate` and slowing down are about: a host, an account.  Calls with the same key
            and the same rate share it, also those of other views.  Default: None, all calls of
            the view together.
        name : str
            What the calls are called where a failure is shown.

        Returns
        -------
        Executor
            The view.

        Raises
        ------
        OptionError
            An option that there is not, or can't be used.

        Examples
        --------
        >>> import nbexec
        >>> with nbexec.Executor("threads", workers=2) as executor:
        ...     urgent = executor.options(priority=10, retries=3)
        ...     urgent.submit(pow, 2, 10).result()
        1024
        """
        before = self._own or CallOptions(self._run.options)
        own, rate = before.updated(changes), changes.get("rate")
        if changes.get("timeout") is not None:
            _require_time_outs(self._options.backend)
        bound = self._calls.bound
        if bound is not None and bound.on_full == "caller_runs":
            queueing.require_no_rate(rate)
        if own.limit is not None and own.key is not None and not isinstance(rate, Limit | None):
            own = own.updated({"rate": self._limits.setdefault(own.limit.rates, own.limit)})
        return _view(self, own)  # type: ignore[no-any-return]

    def _weakly(self: V) -> Callable[[], V | None]:
        """Give what gives it for as long as somebody holds the executor."""
        return weakref.ref(self)


class View:
    """What a view has in place of an executor's own attributes: those of the executor.

    Attributes
    ----------
    _viewed : Executor
        The executor.
    _own : CallOptions
        The options that its calls take along.
    """

    def __init__(self) -> None:
        """Begin with nothing: `_view` follows."""

    def _weakly(self) -> Callable[[], Any]:
        executor, own = weakref.ref(vars(self)["_viewed"]), vars(self)["_own"]
        return lambda: _view_while_held(executor, own)

    def __getattr__(self, name: str) -> Any:
        if name == "_viewed":  # it is being made, or unpickled
            raise AttributeError(name)
        return getattr(self._viewed, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._viewed, name, value)


@functools.cache
def _view_class(of: type) -> type:
    """Give the class of the views of a class of executors: it has every method of that."""
    names = {"__module__": of.__module__, "__doc__": of.__doc__}
    return type(of.__name__, (View, of), names)


def _view(executor: Any, own: CallOptions) -> Any:
    executor = vars(executor).get("_viewed", executor)
    view = _view_class(executor.__class__)()
    vars(view).update(_viewed=executor, _own=own)
    return view


def _view_while_held(executor: weakref.ref[Any], own: CallOptions) -> Any:
    held = executor()
    return None if held is None else _view(held, own)


def _require_time_outs(wanted: Any) -> None:
    if wanted != "auto" and not get_backend(wanted).can_time_out:
        raise OptionError(
            f"timeout= does not work with backend={wanted!r}, which can't leave a call that is "
            "running: use 'threads', 'processes', 'asyncio' or 'dask'"
        )
