"""What the tests of retrieval share: a cache of their own, waits that take no time, and the events that happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dspex import _clock
from dspex.events.event import AnyEvent
from dspex.events.listeners import drain, subscribe
from dspex.lm.endpoint import registry
from tests.lm.conftest import Waits


@pytest.fixture(autouse=True)
def _afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSPEX_CACHE_DIR", str(tmp_path / "cache"))
    registry.forget()  # another test's server may have had this one's port


@pytest.fixture
def happened() -> Iterator[Callable[[], list[AnyEvent]]]:
    """Return a function that gives all events so far."""
    events: list[AnyEvent] = []

    def so_far() -> list[AnyEvent]:
        assert drain()
        return list(events)

    with subscribe("*", events.append, lossless=True):
        yield so_far


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """Have nothing wait; gives the waits asked for."""
    clock = Waits()
    before = _clock.use(clock)
    yield clock.seconds
    _clock.use(before)
