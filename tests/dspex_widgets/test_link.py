"""What waits for a panel is never more than a batch, and a batch is never longer than what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from dspex.events.event import ExampleScored, Log
from dspex.testing.clock import FakeClock
from dspex_widgets.link import MOST_EVENTS, SHORT
from tests.dspex_widgets.test_broadcaster import Watched


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock() as clock:
        yield clock


def scored(it: Watched, n: int, size: int) -> None:
    """Let examples be scored, each with feedback of this length, of which the state keeps nothing."""
    it.take(
        [
            ExampleScored(candidate="c", example="e", seq=it.seq + k, feedback="x" * size)
            for k in range(1, n + 1)
        ]
    )


def said(it: Watched, n: int, size: int) -> None:
    """Let lines of this length be logged, of which the state keeps the last."""
    it.take([Log(level="info", text="x" * size, seq=it.seq + k) for k in range(1, n + 1)])


def test_small_batches_do_not_pile_up_behind_a_stuck_panel(clock: FakeClock) -> None:
    """While nobody flushes, at most one batch is kept; then the state is sent instead of what was let go."""
    it = Watched(clock)
    for _ in range(10 * MOST_EVENTS):
        it.happen()
        assert len(it.link._backlog._events) <= MOST_EVENTS
    it.pass_by(0.1)
    assert [(m["t"], m["seq"]) for m in it.panel.sent] == [("s", 10 * MOST_EVENTS)]


def test_events_a_snapshot_has_brought_are_not_answered_by_another(clock: FakeClock) -> None:
    """Many events between the decision to send the state and its making are in that state."""
    it = Watched(clock)
    it.happen(MOST_EVENTS + 1)
    act = it.link.next(clock.monotonic())
    assert act is not None
    it.happen(MOST_EVENTS + 1)
    act()
    it.pass_by(0.5)
    assert [(m["t"], m["seq"]) for m in it.panel.sent] == [("s", it.seq)]


def test_a_batch_longer_than_the_state_goes_as_the_state(clock: FakeClock) -> None:
    """Few events with much text cost no more than what they amount to."""
    it = Watched(clock)
    scored(it, 40, SHORT // 20)
    it.pass_by(0.1)
    assert [(m["t"], m["seq"]) for m in it.panel.sent] == [("s", 40)]


def test_a_batch_shorter_than_the_state_goes_as_it_is(clock: FakeClock) -> None:
    """A large state is not sent again for some events, however long they are."""
    it = Watched(clock)
    said(it, MOST_EVENTS + 1, 500)
    it.pass_by(0.1)
    assert len(msgspec.json.encode(it.panel.sent)) > 5 * SHORT
    it.panel.sent.clear()
    said(it, 40, 500)
    it.pass_by(0.1)
    assert [(m["t"], m["to"]) for m in it.panel.sent] == [("d", it.seq)]


def test_the_end_is_told_though_its_events_were_let_go(clock: FakeClock) -> None:
    """A run that ends in a long batch is shown as ended and frozen, watched or not."""
    for leave in (False, True):
        it = Watched(clock)
        if leave:
            it.link.leave()
        it.happen(MOST_EVENTS)
        it.end()
        it.pass_by(0.5)
        assert it.frozen == ["finished"]
        assert it.panel.snapshots
        assert [m["t"] for m in it.panel.sent] == ([] if leave else ["s"])
