"""Registrations: what of the user's is in a registry of a library's, such as a dict of classes.

Such entries are sent to workers, and taken out again there before the next run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

_MISSING: Any = object()
_CONTAINERS = (dict, list, set)
MOST = 2000  # entries that are looked at

_added: list[tuple[Any, Any]] = []  # in a worker: containers, and what takes out what was added


class Registered:
    """Entries of a dict, a list or a set.

    Parameters
    ----------
    entries : dict or list
        A dict's with their keys.

    Examples
    --------
    >>> table = {1: "one"}
    >>> Registered({2: "two"}).add_to(table)
    >>> table
    {1: 'one', 2: 'two'}
    >>> take_out()
    >>> table
    {1: 'one'}
    """

    def __init__(self, entries: dict[Any, Any] | list[Any]) -> None:
        self.entries = entries

    def sendable(self, can_be: Callable[[Any], bool]) -> Registered:
        """Give those of them that can be sent."""
        if isinstance(self.entries, dict):
            return Registered({key: one for key, one in self.entries.items() if can_be((key, one))})
        return Registered([one for one in self.entries if can_be(one)])

    def add_to(self, container: Any) -> None:
        """Put them into a container in a worker, until `take_out`."""
        if isinstance(container, dict) and isinstance(self.entries, dict):
            before = {key: container.get(key, _MISSING) for key in self.entries}
            container.update(self.entries)
            _added.append((container, before))
        elif isinstance(container, list | set) and isinstance(self.entries, list):
            new = [one for one in self.entries if one not in container]
            (container.extend if isinstance(container, list) else container.update)(new)
            _added.append((container, new))


def take_out() -> None:
    """Undo what was added to containers here."""
    while _added:
        container, before = _added.pop()
        with contextlib.suppress(Exception):
            if isinstance(before, list):
                for one in before:
                    container.remove(one)
                continue
            for key, old in before.items():
                if old is _MISSING:
                    container.pop(key, None)
                else:
                    container[key] = old


def found_in(container: Any, is_the_users: Callable[[Any], bool]) -> Registered | None:
    """Give the entries of a container that are the user's, or hold something that is; else None.

    Parameters
    ----------
    container : object
        Whatever a library has; only dicts, lists and sets are looked at.
    is_the_users : callable
        Whether a key, a value or an element is.
    """
    if len(container) > MOST:
        return None
    with contextlib.suppress(RuntimeError):  # another thread changes it
        if isinstance(container, dict):
            among = {
                key: one
                for key, one in container.items()
                if is_the_users(key) or any(map(is_the_users, _parts(one)))
            }
            return Registered(among) if among else None
        some = [one for one in container if any(map(is_the_users, _parts(one)))]
        return Registered(some) if some else None
    return None


def _parts(thing: Any) -> Iterator[Any]:
    yield thing
    if type(thing) is tuple:
        yield from thing


def is_container(thing: Any) -> bool:
    """Whether a thing is a dict, a list or a set, of whatever class.

    It isn't asked what it says of itself: a lazy object would load what it stands for, or raise.
    """
    return issubclass(type(thing), _CONTAINERS)
