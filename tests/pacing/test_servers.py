"""Runs against a real server that limits its clients, refuses them, and drops connections."""

from __future__ import annotations

import urllib.request

import pytest

import nbexec
from nbexec.pacing import slowing

from .server import Server, serving

SERVED = ["threads", "asyncio", "processes", "dask"]


@pytest.fixture(params=SERVED)
def served(request):
    return request.param


def by_urllib(url):
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        raise


def by_requests(url):
    import requests

    reply = requests.get(url, timeout=10)
    reply.raise_for_status()
    return reply.text


def by_httpx(url):
    import httpx

    return httpx.get(url, timeout=10, trust_env=False).raise_for_status().text


async def by_aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as reply:
        return await reply.text()


CLIENTS = {"urllib": by_urllib, "requests": by_requests, "httpx": by_httpx, "aiohttp": by_aiohttp}


def urls(address, count, path="a"):
    return [f"{address}/{path}?x={x}" for x in range(count)]


def expected(count):
    return [str(x) for x in range(count)]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_refuses_is_asked_again(served, client):
    if client != "urllib":
        pytest.importorskip(client)
    server = Server(headers={"Retry-After": "1"})
    server.refuse = 2
    with serving(server) as address:
        results = nbexec.map(CLIENTS[client], urls(address, 8), backend=served, workers=2)
    assert results == expected(8)
    first_refused = next(at for at, _, status in server.came if status == 429)
    last_refused = max(at for at, _, status in server.came if status == 429)
    again = [at for at, _, _ in server.came if at > last_refused]
    assert min(again) - first_refused > 0.99
    assert server.statuses().count(200) == 8
    assert "slowed down" in results.stats.notes[-1]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "0"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"},
    ],
)
def test_it_comes_through_whatever_the_server_says(served, headers):
    server = Server(per=10, headers=headers)
    with serving(server) as address:
        results = nbexec.map(by_urllib, urls(address, 25), backend=served, workers=4)
    assert results == expected(25)
    assert server.statuses().count(200) == 25


def test_a_rate_keeps_the_server_content(served):
    server = Server(per=20)
    server.window = 0.8  # a busy machine delays each request by another time
    with serving(server) as address:
        results = nbexec.map(by_urllib, urls(address, 50), backend=served, workers=4, rate="20/s")
    assert results == expected(50)
    assert server.statuses() == [200] * 50


def test_each_key_has_its_own_limit(served):
    server = Server(per=10)
    server.window = 0.8
    with serving(server) as address:
        pairs = zip(urls(address, 25, "a"), urls(address, 25, "b"), strict=True)
        mixed = [url for pair in pairs for url in pair]
        results = nbexec.map(
            by_urllib,
            mixed,
            backend=served,
            workers=4,
            rate="10/s",
            rate_key=lambda url: url.partition("?")[0],
        )
    assert results == [x for x in expected(25) for _ in "ab"]
    assert server.statuses() == [200] * 50


def test_only_the_key_that_is_refused_waits():
    server = Server(headers={"Retry-After": "1"})
    server.refuse = 1
    with serving(server) as address:
        mixed = urls(address, 1, "slow") + urls(address, 20, "quick") + urls(address, 3, "slow")
        results = nbexec.map(
            by_urllib, mixed, backend="threads", workers=1, rate_key=lambda url: url.split("?")[0]
        )
    assert len(results) == 24
    refused = server.came[0][0]
    quick = [at - refused for at, path, _ in server.came if path == "/quick"]
    slow = [at - refused for at, path, _ in server.came[1:] if path == "/slow"]
    assert max(quick) < 1.0 <= min(slow)


def test_half_as_many_run_at_once_after_a_refusal():
    server = Server(headers={"Retry-After": "1"})
    server.seconds = 0.05
    with serving(server) as address:
        run = nbexec.start(by_urllib, urls(address, 200), backend="threads", workers=8)
        while len(server.came) < 40:
            run.wait(0.01)
        server.refuse = 1
        assert run.result() == expected(200)
    refused = next(at for at, _, status in server.came if status == 429)
    assert max(count for at, count in server.at_once if at < refused) == 8
    after = [count for at, count in server.at_once if at > refused + 0.9]
    assert max(after[:4]) <= 4
    assert max(after) > 4  # and grows again


def test_lost_connections_are_retries_that_count_as_calls(served):
    server = Server(per=10)
    server.window = 0.8
    server.drop = 5
    with serving(server) as address:
        results = nbexec.map(
            by_urllib,
            urls(address, 20),
            backend=served,
            workers=2,
            rate="10/s",
            retries=5,
            retry_wait=0,
        )
    assert results == expected(20)
    assert len(server.came) > 20
    assert 429 not in server.statuses()


def test_without_slow_down_a_refusal_is_the_item_s_exception(served):
    server = Server()
    server.refuse = 1
    with serving(server) as address, pytest.raises(urllib.error.HTTPError) as caught:
        nbexec.map(by_urllib, urls(address, 1), backend=served, slow_down=False)
    assert caught.value.code == 429


@pytest.mark.parametrize("client", CLIENTS)
def test_an_exception_comes_from_a_worker_with_its_status_and_headers(client):
    if client != "urllib":
        pytest.importorskip(client)
    server = Server(headers={"Retry-After": "70"})
    server.refuse = 1
    with serving(server) as address, pytest.raises(Exception, match="429") as caught:
        nbexec.map(CLIENTS[client], urls(address, 1), backend="processes", slow_down=False)
    error = caught.value
    reply = getattr(error, "response", error)
    headers = {name.lower(): value for name, value in reply.headers.items()}
    assert headers["retry-after"] == "70"
    statuses = (getattr(reply, name, None) for name in ("status", "status_code", "code"))
    assert 429 in statuses


def test_a_server_that_always_refuses_ends_the_run(monkeypatch):
    monkeypatch.setattr(slowing, "TRIES", 3)
    server = Server(headers={"Retry-After": "0.01"})
    server.refuse = 10**6
    with serving(server) as address:
        with pytest.raises(nbexec.DeadlineExceeded):
            nbexec.map(by_urllib, urls(address, 4), backend="threads", deadline=0.5)
        with pytest.raises(urllib.error.HTTPError):
            nbexec.map(by_urllib, urls(address, 4), backend="threads", workers=2)
    assert len(server.came) < 100
