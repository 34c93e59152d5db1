"""A real HTTP server on the loopback that limits its clients, and notes what came when."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

import pytest

web = pytest.importorskip("aiohttp.web")


class Server:
    """Gives each path at most `per` replies in any `window`; above that, `status`.

    Attributes
    ----------
    came : list of (float, str, int)
        When each request came, its path, and the status of its reply.
    """

    def __init__(self, per: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.per = per
        self.headers = headers or {}
        self.status = 429
        self.refuse = 0  # so many requests, before anything else
        self.drop = 0  # every so many requests the connection is dropped
        self.seconds = 0.0  # that a reply takes
        self.window = 1.0  # seconds in which it counts
        self.came: list[tuple[float, str, int]] = []
        self.at_once: list[tuple[float, int]] = []  # how many at that time
        self._now = 0
        self._let: dict[str, deque[float]] = {}

    def statuses(self) -> list[int]:
        return [status for _, _, status in self.came]

    async def _reply(self, request: web.Request) -> web.Response:
        now, path = time.monotonic(), request.path
        status = self._judge(now, path)
        self.came.append((now, path, status))
        if self.drop and len(self.came) % self.drop == 0:
            assert request.transport is not None
            request.transport.close()
        if status != 200:
            return web.Response(status=status, headers=self.headers, text="slow down")
        self._now += 1
        self.at_once.append((now, self._now))
        await asyncio.sleep(self.seconds)
        self._now -= 1
        return web.Response(text=request.query.get("x", ""))

    def _judge(self, now: float, path: str) -> int:
        if self.refuse:
            self.refuse -= 1
            return self.status
        let = self._let.setdefault(path, deque())
        while let and let[0] <= now - self.window:
            let.popleft()
        if self.per is not None and len(let) >= self.per:
            return self.status
        let.append(now)
        return 200


@contextlib.contextmanager
def serving(server: Server) -> Iterator[str]:
    """Run it in a thread, and give its address."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    address: list[str] = []

    async def run(done: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", server._reply)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address.append("http://{}:{}".format(*runner.addresses[0][:2]))
        ready.set()
        await done.wait()
        await runner.cleanup()

    done = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(done),), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        loop.close()
