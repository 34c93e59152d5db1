"""Conformance: what both suites are made of.

A promise is a test.  A promise that some implementations can't keep needs a feature; a suite
that lacks the feature says so in `missing`, with the reason, and the test is skipped with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import pytest

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def needs(*features: str) -> Callable[[F], F]:
    """Mark a test as one of a promise that needs features."""

    def mark(test: F) -> F:
        test.needs = features  # type: ignore[attr-defined]
        return test

    return mark


def of_a_notebook(function: F) -> F:
    """Have a function count as the user's: what nbexec itself defines counts as a library's."""
    function.__module__ = "__main__"
    return function


class Conformance:
    """A suite of promises.

    Attributes
    ----------
    missing : dict of str to str
        What is not promised, and why: names of features, or of tests.
    seconds : float
        How long anything is waited for; nothing is promised to be fast.
    """

    missing: ClassVar[dict[str, str]] = {}
    seconds: ClassVar[float] = 60.0

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        known = cls.features()
        for name in cls.missing:
            if name not in known:
                raise TypeError(
                    f"{cls.__name__}.missing names {name!r}, which is neither a test nor a "
                    f"feature (features: {', '.join(_features_of(cls))})"
                )

    @classmethod
    def features(cls) -> list[str]:
        """Give what may be missing: the features, then the tests."""
        return [*_features_of(cls), *(name for name, _ in _tests_of(cls))]

    @pytest.fixture(autouse=True)
    def _only_what_is_promised(self, request: pytest.FixtureRequest) -> None:
        test = request.function
        for name in (test.__name__, *getattr(test, "needs", ())):
            if name in self.missing:
                pytest.skip(f"no {name}: {self.missing[name]}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds."""
        due = time.monotonic() + self.seconds
        while not condition():
            if time.monotonic() > due:
                raise AssertionError(f"{what}: promised, and {self.seconds:g} s later not so")
            time.sleep(0.005)


def expect(happened: object, promised: object, what: str) -> None:
    """Fail where something else happened than was promised."""
    if happened != promised:
        raise AssertionError(f"{what}: {promised!r} was promised, and {happened!r} happened")


def raised(kind: type[T], call: Callable[[], object], what: str) -> T:
    """Give the exception of this kind that a call was promised to raise."""
    try:
        value = call()
    except BaseException as error:
        if isinstance(error, kind):
            return error
        raise AssertionError(
            f"{what}: {kind.__name__} was promised, and {error!r} was raised"
        ) from error
    raise AssertionError(f"{what}: {kind.__name__} was promised, and {value!r} was given")


def _tests_of(suite: type) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(suite, name)) for name in dir(suite) if name.startswith("test_"))


def _features_of(suite: type) -> list[str]:
    return sorted({one for _, test in _tests_of(suite) for one in getattr(test, "needs", ())})
