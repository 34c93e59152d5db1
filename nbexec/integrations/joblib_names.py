"""What a `joblib.Parallel` is about: which library function makes it, and how many calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from ..run.preparing import function_name

_NO_NAMES = ("wrapper", "__call__", "<genexpr>", "<listcomp>")


class About(NamedTuple):
    """The name of a run, how many calls it has, where that is known, and what they are."""

    name: str
    total: int | None = None
    parts: str = ""


def about(function: Callable[..., Any], kwargs: dict[str, Any]) -> About:
    """Say what a `Parallel` is about, from its first call and from who makes it.

    Parameters
    ----------
    function : callable
        What is called.
    kwargs : dict
        Its arguments: those of scikit-learn's searches name the fold and the candidate.

    Examples
    --------
    >>> about(abs, {})
    About(name='abs', total=None, parts='')
    >>> about(abs, {"split_progress": (0, 5), "candidate_progress": (0, 8)})
    About(name='abs: 5 folds × 8 candidates', total=40, parts='5 folds × 8 candidates')
    """
    name = _caller() or function_name(function)
    folds, candidates = _count(kwargs, "split_progress"), _count(kwargs, "candidate_progress")
    if not folds or not candidates:
        return About(name)
    parts = f"{_several(folds, 'fold')} × {_several(candidates, 'candidate')}"
    return About(f"{name}: {parts}", folds * candidates, parts)


def label(kwargs: dict[str, Any]) -> str:
    """Say which fold and candidate a call is about, where scikit-learn names them.

    Examples
    --------
    >>> label({"split_progress": (0, 5), "candidate_progress": (2, 8)}), label({"x": 1})
    ('fold 1 of 5, candidate 3 of 8', '')
    """
    if not _count(kwargs, "split_progress") or not _count(kwargs, "candidate_progress"):
        return ""
    fold, folds = kwargs["split_progress"]
    candidate, candidates = kwargs["candidate_progress"]
    return f"fold {fold + 1} of {folds}, candidate {candidate + 1} of {candidates}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)


def _count(kwargs: dict[str, Any], name: str) -> int:
    found = kwargs.get(name)
    if not isinstance(found, tuple | list) or len(found) != 2:
        return 0
    return found[1] if all(isinstance(one, int) for one in found) else 0


def _caller() -> str:
    """Name the estimator, or the function of scikit-learn, that makes the `Parallel`."""
    frame = sys._getframe(1)
    name, owner, inside = "", None, False
    while frame is not None:
        of_sklearn = frame.f_globals.get("__name__", "").partition(".")[0] == "sklearn"
        if inside and not of_sklearn:
            break
        inside = of_sklearn
        if of_sklearn:
            method, me = frame.f_code.co_name, frame.f_locals.get("self")
            if owner is None and hasattr(type(me), "get_params"):
                owner = me
            if owner is not None and me is owner:
                name = type(me).__name__ + ("" if method == "fit" else f".{method}")
            elif owner is None and method not in _NO_NAMES and method[:1] != "_":
                name = method
        frame = frame.f_back  # type: ignore[assignment]
    return name
