"""What exceptions of HTTP clients say: known by their attributes alone."""

from __future__ import annotations

import email.message
import http
import urllib.error

import pytest

from nbexec.model import SlowDown
from nbexec.worker.http_replies import asked, seconds_asked


class Plain(Exception):
    """Has the attributes that it is given."""

    def __init__(self, **attributes):
        super().__init__("no")
        vars(self).update(attributes)


class Response:
    def __init__(self, status, **headers):
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def of_urllib():
    headers = email.message.Message()
    headers["Retry-After"] = "3"
    return urllib.error.HTTPError("http://x", 429, "no", headers, None)


SEVEN = {"retry-after": "3"}


@pytest.mark.parametrize(
    "error",
    [
        of_urllib(),
        Plain(status=429, headers=SEVEN),  # aiohttp
        Plain(response=Response(429, Retry_After="3")),  # requests, httpx
        Plain(status_code=429, response=Response(429, Retry_After="3"), code="rate_limited"),
        Plain(code=http.HTTPStatus.TOO_MANY_REQUESTS, headers=SEVEN),
        Plain(status="429", headers=SEVEN),
        Plain(
            response={
                "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {"retry-after": "3"}}
            }
        ),  # botocore
    ],
)
def test_exceptions_with_a_reply_are_known(error):
    assert asked(error) == SlowDown(429, 3.0)
    outer = RuntimeError("wrapped")
    outer.__cause__ = error
    assert asked(outer) == SlowDown(429, 3.0)


def test_others_are_not():
    class Odd(Exception):
        @property
        def response(self):
            raise RuntimeError("closed")

        def __getattr__(self, name):
            raise ValueError(name)

    others = [ValueError(), Plain(status=404), Plain(code=lambda: 429), Plain(status=True), Odd()]
    for error in [*others, Plain(status=None, headers=3), SystemExit(429), KeyboardInterrupt()]:
        assert asked(error) is None
    # A status alone may be anything: what carries a reply has its headers.
    for error in [Plain(status=503), Plain(status=503, headers=3), Plain(code="429")]:
        assert asked(error) is None
    assert asked(Plain(status=503, headers={})) == SlowDown(503, None)
    ring = Plain()
    ring.__cause__ = ring
    assert asked(ring) is None


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, 0),
        (
            {
                "retry-after": "Tue, 14 Nov 2023 22:13:30 GMT",
                "date": "Tue, 14 Nov 2023 22:13:25 GMT",
            },
            5,
        ),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-reset": str(int(NOW) + 30)}, 30),
        ({"x-ratelimit-reset": str((int(NOW) + 30) * 1000)}, 30),
        ({"x-rate-limit-reset": str(int(NOW) - 30)}, 0),
        ({"ratelimit-reset": "4"}, 4),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "1.5s", "x-ratelimit-reset-tokens": "20ms"}, 1.5),
        (
            {
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "100",
            },
            2,
        ),
        ({"anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z"}, 10),
        ({"x-ratelimit-limit": "100"}, None),
    ],
)
def test_what_headers_ask_for(headers, seconds):
    found = seconds_asked(headers, NOW)
    assert found == (seconds if seconds is None else pytest.approx(seconds))
