"""The working folder that worker processes would begin in: whether it is there."""

from __future__ import annotations

import os

from ..errors import BackendError


def require(backend: str) -> None:
    """Raise where the working folder was deleted: no process can begin there.

    Workers that are warm would find the folder that they began in, and so another one than a
    plain loop.

    Raises
    ------
    BackendError
        It was.

    Examples
    --------
    >>> require("processes")
    """
    try:
        os.getcwd()
    except OSError as error:
        raise BackendError(
            f"the working folder was deleted, so that worker processes can't begin there: "
            f"os.chdir() to another one, or use backend='threads' instead of {backend!r}"
        ) from error
