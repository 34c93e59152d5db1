"""Exceptions come back as what they are, from every backend that pickles them.

Covers `serialize/failures.py` and `serialize/trial.py`.
"""

import collections.abc
import copy
import pickle
import re
import threading
import traceback
from typing import NamedTuple

import pytest

import nbexec


class Attributes(Exception):
    def __init__(self, response):
        super().__init__(f"status {response['status']}")
        self.status = response["status"]


class KeywordOnly(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code


class WithSlots(Exception):
    __slots__ = ("place", "unset")

    def __init__(self, *, place):
        super().__init__("slots")
        self.place = place


class OfSystem(OSError):
    def __init__(self, path):
        super().__init__(2, "no such file", path)
        self.extra = path


class Decoding(UnicodeDecodeError):
    def __init__(self, data):
        super().__init__("utf8", data, 0, 1, "bad")


class Frozen(Exception):
    def __init__(self, code):
        object.__setattr__(self, "code", code)

    def __setattr__(self, name, value):
        if name[:2] != "__":
            raise TypeError("it can't be changed")
        super().__setattr__(name, value)


class Made(Exception):
    def __new__(cls, *, code):
        made = super().__new__(cls, f"code {code}")
        made.code = code
        return made

    def __init__(self, *, code):
        super().__init__(f"code {code}")


class Reduced(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")
        self.one, self.two = one, two

    def __reduce__(self):
        return Reduced, (self.one, self.two)


class Twice(Exception):
    """Called with its message once more, it says another."""

    def __init__(self, code):
        super().__init__(f"code {code}")


def chained():
    try:
        raise Attributes({"status": 4})
    except Attributes as error:
        error.add_note("a note")
        raise ValueError("outer") from error


def grouped():
    try:
        raise KeywordOnly(code=1)
    except KeywordOnly as error:
        raise ExceptionGroup("several", [error, Attributes({"status": 2})]) from None


def throw(error):
    raise error


RAISES = {
    "attributes": lambda: throw(Attributes({"status": 418})),
    "keyword only": lambda: throw(KeywordOnly(code=3)),
    "slots": lambda: throw(WithSlots(place=3)),
    "OSError": lambda: throw(OfSystem("/nowhere")),
    "UnicodeDecodeError": lambda: throw(Decoding(b"\xff")),
    "frozen": lambda: throw(Frozen(4)),
    "__new__": lambda: throw(Made(code=5)),
    "__reduce__": lambda: throw(Reduced(1, 2)),
    "says another": lambda: throw(Twice(7)),
    "built in": lambda: {}["key"],
    "a file": lambda: open("/nowhere/at/all"),  # noqa: SIM115
    "a name": lambda: no_such_name,  # noqa: F821
    "an attribute": lambda: threading.locc,
    "an import": lambda: __import__("no_such_module"),
    "a stop": lambda: throw(StopAsyncIteration(3)),
    "chained": chained,
    "grouped": grouped,
}


def told(error):
    """Give all that a handler can see of an exception."""
    names = ("status", "code", "place", "extra", "one", "two", "errno", "filename", "name", "value")
    names += ("encoding", "object", "start", "path", "__notes__")
    seen = {name: getattr(error, name) for name in names if hasattr(error, name)}
    inner = [told(one) for one in getattr(error, "exceptions", ())]
    causes = [told(one) for one in (error.__cause__, error.__context__) if one is not None]
    lines = [(one.filename, one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    args = error.args if not inner else error.args[0]
    lines = [one for one in lines if one[0] == __file__ and "throw" not in one]
    return type(error), str(error), args, seen, inner, causes, lines[-1:]


def plainly(raises):
    try:
        raises()
    except BaseException as error:
        return told(error)


@pytest.mark.parametrize("what", RAISES)
def test_an_exception_comes_back_as_it_is(what, sent):
    raises = RAISES[what]
    results = nbexec.map(lambda x: raises(), [0], backend=sent, on_error="collect", workers=1)
    assert told(results[0].exception) == plainly(raises)


@pytest.mark.parametrize("what", RAISES)
def test_a_failure_pickles_with_its_exception(what):
    raises = RAISES[what]
    how = {"backend": "serial", "on_error": "collect"}
    failure = nbexec.map(lambda x: raises(), [0], **how)[0]
    again = pickle.loads(pickle.dumps(failure))
    assert told(again.exception) == plainly(raises)
    assert (again.index, again.item, again.kind, again.run) == (0, 0, "error", failure.run)
    assert copy.copy(failure).exception is copy.deepcopy(failure).exception is failure.exception


class Holding(Exception):
    def __init__(self, lock, code):
        super().__init__("holding", lock)
        self.lock, self.code = lock, code


class Refusing(Exception):
    def __reduce__(self):
        raise TypeError("never leaves")


def test_what_can_not_be_pickled_is_left_out_and_named(sent):
    def work(x):
        raise Holding(threading.Lock(), 7) if x else Refusing("its text")

    refusing, holding = nbexec.map(work, [0, 1], backend=sent, on_error="collect", workers=1)
    assert type(refusing.exception) is Refusing
    assert refusing.exception.args == ("its text",)
    error = holding.exception
    assert type(error) is Holding
    assert error.code == 7
    assert not hasattr(error, "lock")
    assert re.fullmatch("<unlocked _thread.lock .*>", error.args[1])
    assert error.args[0] == "holding"
    (note,) = error.__notes__
    assert "attribute `lock`, a _thread.lock" in note
    assert "an argument" in note


def test_what_an_attribute_was_missing_of_comes_along_if_it_is_small(sent):
    def work(x):
        return (b"x" * x).nothing

    few, many = nbexec.map(work, [10, 10**6], backend=sent, on_error="collect", workers=1)
    assert (few.exception.name, few.exception.obj) == ("nothing", b"x" * 10)
    assert many.exception.name == "nothing"
    assert many.exception.obj is None


def test_an_exception_is_caught_as_what_it_is(backend):
    def work(x):
        raise Attributes({"status": 418})

    with pytest.raises(Attributes, match="status 418") as caught:
        nbexec.map(work, [1], backend=backend)
    assert caught.value.status == 418


def test_exceptions_are_values_too(sent):
    given = nbexec.map(lambda x: KeywordOnly(code=x), [1, 2], backend=sent)
    assert [(type(one), one.code, str(one)) for one in given] == [
        (KeywordOnly, 1, "code 1"),
        (KeywordOnly, 2, "code 2"),
    ]
    assert nbexec.map(lambda one: one.code, given, backend=sent) == [1, 2]


class Headers(collections.abc.Mapping):
    """As those of `aiohttp`: they can't be pickled."""

    def __init__(self, of):
        self.of, self.lock = of, threading.Lock()

    def __getitem__(self, name):
        return self.of[name]

    def __iter__(self):
        return iter(self.of)

    def __len__(self):
        return len(self.of)


class Request(NamedTuple):
    url: str
    headers: Headers


class WithReply(Exception):
    def __init__(self, request, headers):
        super().__init__(request)
        self.request, self.headers = request, headers

    def __str__(self):
        return f"refused by {self.request.url}"


def test_headers_of_a_reply_arrive_as_a_dict(sent):
    def work(x):
        headers = Headers({"Retry-After": "7"})
        raise WithReply(Request("http://x", headers), headers)

    with pytest.raises(WithReply, match="refused by http://x") as caught:
        nbexec.map(work, [1], backend=sent)
    error = caught.value
    assert error.headers == {"Retry-After": "7"}
    assert error.args == (error.request,) == (Request("http://x", {"Retry-After": "7"}),)
