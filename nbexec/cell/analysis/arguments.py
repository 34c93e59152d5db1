"""Args: the arguments of a call, as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .values import SHARED, Value


@dataclass(slots=True)
class Args:
    """The arguments of a call."""

    positional: list[Value]
    keywords: dict[str, Value]
    starred: bool = False  # there may be more, unknown ones

    def all(self) -> list[Value]:
        return [*self.positional, *self.keywords.values(), *([SHARED] if self.starred else [])]

    def at(self, position: int, name: str = "") -> Value | None:
        if position < len(self.positional):
            return self.positional[position]
        return SHARED if self.starred else self.keywords.get(name)

    def constant(self, position: int, name: str = "") -> Any:
        """Give an argument itself; None where there is none, `UNKNOWN` where it isn't known."""
        value = self.at(position, name)
        return None if value is None else value.known


ANYTHING = Args([], {}, starred=True)  # of a call that isn't there to be read
