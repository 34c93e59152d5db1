"""What tables of facts are checked with: an object, and arguments of each of its methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

Samples = dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]]


def call(thing: Any, name: str, samples: Samples) -> list[Any]:
    """Call a method with each of its samples that fit; give what it gave."""
    given = []
    for args, keywords in samples.get(name, [((), {})]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = getattr(thing, name)(*args, **keywords)
                if hasattr(found, "__next__"):
                    found = list(found)
            except Exception:  # these arguments don't fit this object
                continue
        given.append(found)
    return given


def unchanged(
    makers: Iterable[Callable[[], Any]],
    name: str,
    samples: Samples,
    state: Callable[[Any], Any],
) -> list[tuple[Any, Any]]:
    """Assert that a method leaves objects as they were; give pairs of an object and a result."""
    pairs = []
    for make in makers:
        thing = make()
        if not hasattr(type(thing), name):
            continue
        before = state(thing)
        results = call(thing, name, samples)
        assert state(thing) == before, f"{type(thing).__name__}.{name} changes its object"
        pairs += [(thing, one) for one in results]
    return pairs
