"""100,000 events at once: every listener stays current, every queue keeps its bound, nothing is kept for ever.

What is emitted, and the far end of the widget's comm, stand in `tests/bench/flood.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from dspex.events.event import AnyEvent, Event, Log
from dspex.events.listeners import QUEUE, Subscription, drain, subscribe
from dspex.runs import journal
from dspex.runs.state import fold
from dspex_widgets.link import MOST_EVENTS, Backlog
from dspex_widgets.protocol import decode_state
from tests.bench.flood import EVENTS, THREADS, Flood, Peak, a_flood, memory

pytestmark = pytest.mark.timeout(60)
LIMIT = 10.0
RUN = "*_*"
"""All kinds but the log's, where others speak, too."""
ROOM_LESS = 2_000
GROWTH = 25.0
"""MB that a flood may need after its first tenth, where queues are short; its events alone are more than 70."""


class Follower:
    """Notes what a listener of one run heard, without keeping it."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.heard = self.last = 0
        self.disorder: list[tuple[int, int]] = []

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        if event.run != self.run:
            return
        if event.seq != self.last + 1:
            self.disorder.append((self.last, event.seq))
        self.last = event.seq
        self.heard += 1


class Failing(Follower):
    """Raises at its thousandth event."""

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        super().__call__(event)
        if self.heard == 1000:
            raise ValueError("enough")


class Slow(Follower):
    """Hears one event for each `step()`, until it is let go."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self._steps = threading.Semaphore(0)
        self._free = False

    def __call__(self, event: Event) -> None:
        """Hear one event when it is time."""
        if not self._free:
            assert self._steps.acquire(timeout=LIMIT)
        super().__call__(event)

    def step(self) -> None:
        """Let it hear one more."""
        self._steps.release()

    def let_go(self) -> None:
        """Let it hear as fast as it can."""
        self._free = True
        self._steps.release()


class Pace:
    """Holds the flood while its listener is half a queue behind, a few seconds in all.

    How fast events may come before a queue runs over depends on how the machine shares out its processors; here they
    come as fast as the listener's thread gets its turns. What never gets a turn is not waited for.
    """

    def __init__(self) -> None:
        self.queue = Peak()
        self._left = LIMIT / 2
        self._never = threading.Event()

    def __call__(self, place: int) -> None:
        """Wait, if that is called for."""
        while len(self.queue) > QUEUE // 2 and self._left > 0:
            self._never.wait(0.005)
            self._left -= 0.005


class Watched(Backlog):
    """Notes how many events ever waited for the panel."""

    most = 0

    def put(self, events: Sequence[AnyEvent]) -> None:
        """Take a batch."""
        super().put(events)
        self.most = max(self.most, len(self._events))


class Logs:
    """Keeps what the log says."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: Log) -> None:
        """Hear one line."""
        self.texts.append(event.text)


def counted(listener: Follower, stack: ExitStack) -> tuple[Subscription, Peak]:
    """Subscribe to all that a run tells, with a queue that notes how much it held."""
    subscription = stack.enter_context(subscribe(RUN, listener))
    queue = subscription._queue = Peak()
    return subscription, queue


def let_flow(flood: Flood) -> None:
    """Begin, and wait until the run is over and its panel has been told."""
    flood.begin()
    assert flood.run.wait(LIMIT * 4)
    assert flood.link.settled.wait(LIMIT)
    assert drain(LIMIT)


def assert_shown(flood: Flood) -> None:
    """The journal, the run, the page and what a reloaded page starts from all say the same."""
    told = fold(flood.run.events)
    assert told.seq == flood.emitted
    assert flood.run.state == told
    assert flood.browser.state == told
    assert decode_state(flood.browser.kept) == told
    assert flood.browser.gaps == 0


def assert_current(flood: Flood) -> None:
    """Whatever was on disk at any moment, the page knew it one batch later, or two where one was on its way."""
    known = [seq for _, seq in flood.browser.heard]
    assert known == sorted(set(known))
    assert len([seq for seq in known if seq < flood.emitted]) >= 3, "the page was told at the end only"
    for _, seq, before in flood.durable:
        assert known[before : before + 2][-1] >= seq
    assert max(flood.lags()) < 2.0  # seconds; 0.1 on an idle machine


def test_100_000_events_keep_every_listener_current() -> None:
    """Widget and listener know all, in order and in the middle of it too; queues keep their bounds."""
    pace = Pace()
    with a_flood(EVENTS, pace) as flood, ExitStack() as stack:
        backlog = flood.link._backlog = Watched()
        logs, listener, failing = Logs(), Follower(flood.run.id), Failing(flood.run.id)
        listener.last = failing.last = flood.run.state.seq
        stack.enter_context(subscribe("log", logs))
        subscription, pace.queue = counted(listener, stack)
        stack.enter_context(subscribe("*", failing))
        let_flow(flood)
        assert flood.emitted >= EVENTS
        assert_shown(flood)
        assert_current(flood)
        assert (listener.last, listener.disorder) == (flood.emitted, [])
        assert failing.heard == 1000
        assert [text for text in logs.texts if "unhooked" in text] == [
            "Listener `Failing` was unhooked: it raised ValueError: enough"
        ]
    assert subscription.dropped == 0
    assert 100 < flood.journal.most <= journal.ROOM + THREADS + 1, (
        "one more for each thread that was about to emit"
    )
    assert 0 < pace.queue.most <= QUEUE
    assert backlog.most <= MOST_EVENTS


def test_a_flood_needs_no_more_memory_than_its_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journal, widget and listener let go of what they have told: the process does not grow with the events."""
    monkeypatch.setattr(journal, "ROOM", ROOM_LESS)
    most = {True: 0.0, False: 0.0}

    def look(place: int) -> None:
        if place % 100 == 0:
            early = place < EVENTS // 30  # three events an example
            most[early] = max(most[early], memory())

    with a_flood(EVENTS, look) as flood, ExitStack() as stack:
        counted(Follower(flood.run.id), stack)
        let_flow(flood)
        assert flood.journal.most <= ROOM_LESS + THREADS + 1
    assert most[False] - most[True] < GROWTH


def test_a_slow_listener_holds_nobody_up_and_is_told_what_it_missed() -> None:
    """It hears the last events, knows how many it lost of the oldest, and its queue keeps the bound."""
    slow = Slow("")
    with a_flood(EVENTS, lambda place: place % 50 or slow.step()) as flood, ExitStack() as stack:
        logs = Logs()
        stack.enter_context(subscribe("log", logs))
        slow.run, slow.last = flood.run.id, flood.run.state.seq
        before = slow.last
        subscription, queue = counted(slow, stack)
        flood.begin()
        try:
            assert flood.run.wait(LIMIT * 4)
            assert flood.link.settled.wait(LIMIT)
            assert_shown(flood)
            assert_current(flood)
        finally:
            slow.let_go()
        assert drain(LIMIT)
        assert drain(LIMIT)  # what it was told itself
        assert slow.last == flood.emitted
        assert slow.heard + subscription.dropped == flood.emitted - before
        assert subscription.dropped > QUEUE
        missed = sum(now - then - 1 for then, now in slow.disorder)
        assert missed == subscription.dropped
        assert logs.texts[-1] == f"Listener `Slow` is too slow: {missed} events were dropped."
        assert queue.most == QUEUE


def test_a_slow_listener_costs_no_other_listener_an_event() -> None:
    """Whoever is fast hears everything, once and in order, beside one that hears next to nothing."""
    slow, pace = Slow(""), Pace()

    def each(place: int) -> None:
        if place % 50 == 0:
            slow.step()
        pace(place)

    with a_flood(EVENTS, each) as flood, ExitStack() as stack:
        slow.run, slow.last = flood.run.id, flood.run.state.seq
        listener = Follower(flood.run.id)
        listener.last = flood.run.state.seq
        counted(slow, stack)
        subscription, pace.queue = counted(listener, stack)
        flood.begin()
        try:
            assert flood.run.wait(LIMIT * 4)
        finally:
            slow.let_go()
        assert drain(LIMIT)
        assert (listener.last, listener.disorder) == (flood.emitted, [])
        assert subscription.dropped == 0
        assert pace.queue.most < QUEUE


def test_a_panel_whose_comm_is_stuck_holds_no_more_than_a_batch() -> None:
    """Nothing piles up behind it, and once it goes on two messages bring it up to date."""
    with a_flood(20_000) as flood:
        backlog = flood.link._backlog = Watched()
        stuck, go = threading.Event(), threading.Event()
        take = flood.browser._take

        def wait(content: object) -> None:
            stuck.set()
            assert go.wait(LIMIT)
            take(content)

        flood.browser._take = wait  # type: ignore[method-assign]  # a socket that nobody reads
        flood.begin()
        try:
            assert stuck.wait(LIMIT)
            assert flood.run.wait(LIMIT)
        finally:
            go.set()
        assert flood.link.settled.wait(LIMIT)
        assert backlog.most <= MOST_EVENTS
        assert len(flood.browser.heard) <= 2
        assert_shown(flood)
