"""A search service on this machine that says what a test wrote down, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from dspex import _host


@dataclass
class Service:
    """What a test sees of it: the address, and what came, as (method, query or body, headers)."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0


@contextmanager
def searching(*answers: tuple[int, str] | str, latency: float = 0.0) -> Iterator[Service]:
    """Run a service that gives these answers in order, the last one for ever; each a body, or (status, body)."""
    service = Service()

    async def handle(request: web.Request) -> web.Response:
        service.methods.append(request.method)
        service.headers.append(dict(request.headers))
        service.asked.append(dict(request.query) or await request.json())
        said = answers[min(len(service.asked), len(answers)) - 1]
        status, text = said if isinstance(said, tuple) else (200, said)
        service.in_flight += 1
        service.peak = max(service.peak, service.in_flight)
        await asyncio.sleep(latency)
        service.in_flight -= 1
        return web.Response(status=status, text=text, content_type="application/json")

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/search", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        service.url = f"http://{host}:{port}/search"
        return runner

    runner = _host.portal.run(start())
    try:
        yield service
    finally:
        _host.portal.run(runner.cleanup())
