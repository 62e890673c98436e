"""What every test of chaos stands on: endpoints that nobody knows yet, a home of its own, and time that flies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dspex import _clock
from dspex.lm import endpoint

FLIES = 10.0
"""Seconds of dspex's own that pass in one, where a test lets time fly."""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs and cache of this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DSPEX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """Take away what is known of endpoints: ports come back, and a test must not find another's breaker."""
    endpoint.registry.forget()
    yield
    endpoint.registry.forget()


class Flying:
    """A clock on which so many seconds pass in each of ours; sockets and the test server keep real time."""

    def __init__(self, times: float) -> None:
        self._times = times
        self._since = time.monotonic()
        self._start = time.time()

    def now(self) -> float:
        return self._start + self.monotonic() - self._since

    def monotonic(self) -> float:
        return self._since + (time.monotonic() - self._since) * self._times

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._times)


@pytest.fixture
def flying(request: pytest.FixtureRequest) -> Iterator[Flying]:
    """Have dspex's own waits (backoff, rests, cool-downs) pass ten times as fast, or as the parameter says."""
    clock = Flying(getattr(request, "param", FLIES))
    before = _clock.use(clock)
    yield clock
    _clock.use(before)
