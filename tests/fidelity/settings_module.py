"""A module of the user's, for tests: what it holds is changed, and workers must see that."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections import defaultdict
from math import sqrt

RATE = 1
CONFIG = {"x": 1, "deep": {"y": [1]}}
LIST = [1]
PAIR = (1, [2])
COUNTS: dict[str, int] = defaultdict(int)
MARK = object()
LOCK = threading.Lock()
GUARDED = {"rate": 1, "lock": threading.Lock()}
HANDLERS = {"twice": lambda x: x * RATE * 2}
GONE = 5


class Settings:
    def __init__(self):
        self.rate = 1
        self.lock = threading.Lock()


@dataclasses.dataclass
class Limits:
    most: int = 1


class Slotted:
    __slots__ = ("rate",)

    def __init__(self):
        self.rate = 1


class Model:
    rate = 1
    table = {}  # noqa: RUF012  # as people write it

    def f(self, x):
        return x * self.rate

    @property
    def p(self):
        return self.rate

    @classmethod
    def made(cls):
        return cls.rate


class Child(Model):
    pass


settings = Settings()
limits = Limits()
slotted = Slotted()


def f(x):
    return x * RATE


def g(x):
    return x * 100


def call(x):
    return f(x)


def with_default(x, config=CONFIG):
    return config["x"] * x, config is CONFIG


def remember(x, seen=[]):  # noqa: B006  # what stays in it is the point
    seen.append(x)
    return len(seen)


def is_mark(x=MARK):
    return x is MARK


@functools.lru_cache
def cached(x):
    return x * RATE


def root(x):
    return sqrt(x)
