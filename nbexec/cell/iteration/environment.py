"""The environment of an iteration: settings of the kernel's process, sent along to workers."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...worker.issuing import Into
from ...worker.warned import Filters, Keeping, Warned, filters_here
from . import recursion
from .boundary import HERE
from .settings import set_here, settings_here

# Environment variables that may differ in workers, which have other numbers of threads.
_WORKERS = ("LOKY", "JOBLIB", "DASK", "OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB", "BLIS")


def _numpy() -> dict[str, Any] | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    printing = {
        name: value for name, value in numpy.get_printoptions().items() if name != "override_repr"
    }
    return {"print": printing, "errors": numpy.geterr()}


def _decimal() -> Any:
    decimal = sys.modules.get("decimal")
    return None if decimal is None else decimal.getcontext().copy()


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return ""


def _machine() -> str:
    return f"{platform.node()} {os.path.realpath(sys.executable)}"


@dataclass(frozen=True)
class Surroundings:
    """Settings of the kernel's process at one moment, which a worker takes on.

    Attributes
    ----------
    folder : str
        The working directory.
    environ : dict
        Environment variables.
    path : list of str
        The import path.
    depth : int
        The recursion limit.
    decimal, numpy : object
        Settings for arithmetic and printing, where these modules are loaded.
    filters : list
        Filters of warnings.
    settings : dict
        Those of `settings.settings_here`.
    machine : str
        The machine and its Python: on any other, folders and paths mean nothing.
    process : str
        The process that it was made in.
    """

    folder: str = field(default_factory=_folder)
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    path: list[str] = field(default_factory=lambda: list(sys.path))
    depth: int = field(default_factory=recursion.own)
    decimal: Any = field(default_factory=_decimal)
    numpy: dict[str, Any] | None = field(default_factory=_numpy)
    filters: Filters = field(default_factory=filters_here)
    settings: dict[str, Any] = field(default_factory=settings_here)
    machine: str = field(default_factory=_machine)
    process: str = HERE

    def take_on(self) -> None:
        """Apply the settings of the whole process; in a worker process."""
        if self.machine == _machine():
            self._take_on_folders()
        set_here(self.settings)  # after the environment, which has the time zone

    def _take_on_folders(self) -> None:
        if self.folder and self.folder != _folder() and os.path.isdir(self.folder):
            os.chdir(self.folder)
        for name in {*os.environ, *self.environ}:
            value = self.environ.get(name)
            if value == os.environ.get(name) or name.startswith(_WORKERS):
                continue
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if self.path != sys.path:
            sys.path[:] = self.path
        if self.depth + recursion.FRAMES != sys.getrecursionlimit():
            sys.setrecursionlimit(self.depth + recursion.FRAMES)

    @contextlib.contextmanager
    def inside(self, warned: list[Warned | bytes] | None = None) -> Iterator[None]:
        """Compute and print numbers as the kernel does, inside a `with` block, in this thread.

        Warnings and packed log records are added to `warned`; with None they go their way.

        Examples
        --------
        >>> import decimal
        >>> with decimal.localcontext(prec=3):
        ...     here = Surroundings()
        >>> with here.inside():
        ...     decimal.Decimal(1) / 3
        Decimal('0.333')
        """
        with contextlib.ExitStack() as stack:
            if warned is not None:
                stack.enter_context(Keeping(self.filters, warned))
                stack.enter_context(Into(warned.append))
            if self.decimal is not None:
                import decimal

                stack.enter_context(decimal.localcontext(self.decimal))
            if self.numpy is not None:
                import numpy

                stack.enter_context(numpy.printoptions(**self.numpy["print"]))
                stack.enter_context(numpy.errstate(**self.numpy["errors"]))
            yield


def arrive(surroundings: Surroundings) -> Surroundings:
    """Take on settings as soon as they are unpickled, before the function that needs them is."""
    surroundings.take_on()
    return surroundings


@dataclass(frozen=True)
class Luggage:
    """Settings that are taken on where they are unpickled."""

    content: Surroundings

    def __reduce__(self) -> Any:
        content = self.content
        return _unpack, tuple(getattr(content, name) for name in content.__dataclass_fields__)


def _unpack(*parts: Any) -> Luggage:
    return Luggage(arrive(Surroundings(*parts)))
