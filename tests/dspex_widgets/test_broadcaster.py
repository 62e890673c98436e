"""What goes to the browser and when: contiguous, bounded, fair, and nothing after the end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.events.event import AnyEvent, Log, RunEnd
from dspex.events.listeners import drain, subscribe
from dspex.runs.feed import Feed
from dspex.runs.run import Run
from dspex.runs.state import RunState
from dspex.testing.clock import FakeClock
from dspex_widgets.broadcaster import BURST, PERIOD, RATE, Broadcaster
from dspex_widgets.link import MOST_EVENTS, Link
from dspex_widgets.protocol import Failure, decode_state


class FakePanel:
    """Stands where the widget stands and notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.snapshots: list[str] = []
        self.closed = 0
        self.fails = False

    def send(self, content: dict) -> None:
        if self.fails:
            raise RuntimeError("the comm is gone")
        self.sent.append(content)

    @property
    def snapshot(self) -> str:
        return self.snapshots[-1]

    @snapshot.setter
    def snapshot(self, text: str) -> None:
        self.snapshots.append(text)

    def close(self) -> None:
        self.closed += 1

    @property
    def messages(self) -> int:
        return len(self.sent) + len(self.snapshots)


class Watched:
    """One run, its panel and the thread's work done by hand."""

    def __init__(self, clock: FakeClock, broadcaster: Broadcaster | None = None, run: str = "r1") -> None:
        self.clock = clock
        self.feed = Feed(RunState(run=run))
        self.run = Run(Path(run), self.feed)
        self.panel = FakePanel()
        self.broadcaster = broadcaster or by_hand()
        self.link = Link(self.run, lambda: None)
        self.frozen: list[str] = []
        self.seq = 0
        self.broadcaster.add(self.link)
        self.link.show_in(lambda: self.frozen.append(self.run.status))
        self.link.begin(self.panel)

    def happen(self, n: int = 1) -> None:
        """Let `n` events become durable, in one batch."""
        self.take([Log(level="info", text="x", seq=self.seq + k, run=self.run.id) for k in range(1, n + 1)])

    def end(self) -> None:
        self.take([RunEnd(state="finished", seq=self.seq + 1, run=self.run.id)])

    def take(self, events: list[AnyEvent]) -> None:
        self.seq += len(events)
        self.feed.take(events)

    def pass_by(self, seconds: float) -> None:
        """Let time pass as the thread sees it: a flush for each period."""
        for _ in range(round(seconds / PERIOD)):
            self.broadcaster.flush()
            self.clock.advance(PERIOD)

    @property
    def deltas(self) -> list[dict]:
        return [m for m in self.panel.sent if m["t"] == "d"]


def by_hand() -> Broadcaster:
    """Give a broadcaster whose thread never starts: the test flushes."""
    made = Broadcaster()
    made._running = True
    return made


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with FakeClock() as clock:
        yield clock


def test_deltas_follow_each_other_without_gap_or_overlap(clock: FakeClock):
    """Every event is sent exactly once, in order, and each batch says from where to where."""
    it = Watched(clock)
    for n in (3, 1, 7):
        it.happen(n)
        it.happen(2)
        it.pass_by(0.1)
    assert [(m["from"], m["to"]) for m in it.deltas] == [(1, 5), (6, 8), (9, 17)]
    assert [e["seq"] for m in it.deltas for e in m["ev"]] == list(range(1, 18))


def test_panel_that_joins_late_starts_after_its_snapshot(clock: FakeClock):
    """What the snapshot holds is not sent again."""
    feed = Feed(RunState(run="r1"))
    feed.take([Log(level="info", text="x", seq=k) for k in (1, 2, 3)])
    link = Link(Run(Path("r1"), feed), lambda: None)
    assert decode_state(link.snapshot).seq == 3
    panel, broadcaster = FakePanel(), by_hand()
    broadcaster.add(link)
    link.begin(panel)
    feed.take([Log(level="info", text="x", seq=4)])
    broadcaster.flush()
    assert [(m["from"], m["to"]) for m in panel.sent] == [(4, 4)]


def test_at_most_ten_batches_a_second(clock: FakeClock):
    """However often events come and the thread wakes, one panel gets ten batches a second."""
    it = Watched(clock)
    for _ in range(100):
        it.happen(3)
        it.broadcaster.flush()
        clock.advance(0.01)
    it.broadcaster.flush()
    assert len(it.deltas) <= 11
    it.pass_by(0.2)
    assert it.deltas[-1]["to"] == 300


def test_all_panels_together_keep_to_the_rate(clock: FakeClock):
    """Forty busy panels send no more than the budget of one kernel, and each of them gets its turn."""
    broadcaster = by_hand()
    panels = [Watched(clock, broadcaster, f"r{k}") for k in range(40)]
    sent: list[int] = []
    for _ in range(100):
        for each in panels:
            each.happen()
        broadcaster.flush()
        sent.append(sum(each.panel.messages for each in panels))
        clock.advance(PERIOD)
    for earlier, later in pairwise(sent[::10]):
        assert later - earlier <= RATE * 10 * PERIOD + 1
    assert sent[-1] <= RATE * 100 * PERIOD + BURST
    assert min(each.panel.messages for each in panels) >= 2


def test_long_batch_goes_as_one_snapshot(clock: FakeClock):
    """Where a batch would be longer than its result, the result is sent."""
    it = Watched(clock)
    it.happen(MOST_EVENTS + 1)
    it.pass_by(0.1)
    it.happen(2)
    it.pass_by(0.1)
    assert [m["t"] for m in it.panel.sent] == ["s", "d"]
    assert it.panel.sent[0]["seq"] == MOST_EVENTS + 1
    assert it.panel.sent[1]["from"] == MOST_EVENTS + 2


def test_snapshot_is_sent_when_the_browser_asks(clock: FakeClock):
    """A gap in the browser is healed by one snapshot, and the deltas go on from there."""
    it = Watched(clock)
    it.happen(5)
    it.pass_by(0.1)
    it.link.ask()
    it.pass_by(0.3)
    it.happen(1)
    it.pass_by(0.1)
    assert [(m["t"], m.get("seq", m.get("to"))) for m in it.panel.sent] == [("d", 5), ("s", 5), ("d", 6)]


def test_gap_in_the_feed_becomes_a_snapshot(clock: FakeClock):
    """Events that do not follow what was sent are not passed off as if they did."""
    it = Watched(clock)
    it.seq = 10
    it.happen(1)
    it.pass_by(0.1)
    assert [m["t"] for m in it.panel.sent] == ["s"]


def test_trait_is_refreshed_every_two_seconds_and_at_the_end(clock: FakeClock):
    """A page that reloads starts from a state at most two seconds old, or from the last."""
    it = Watched(clock)
    for _ in range(50):
        it.happen()
        it.pass_by(0.1)
    assert 2 <= len(it.panel.snapshots) <= 4
    it.end()
    it.pass_by(0.1)
    last = decode_state(it.panel.snapshot)
    assert (last.seq, last.status) == (51, "finished")
    idle = it.panel.messages
    it.pass_by(10)
    assert it.panel.messages == idle


def test_end_freezes_each_display_once_and_then_nothing_is_sent(clock: FakeClock):
    """After the end the displays are frozen, in that order, and the widget is left alone."""
    it = Watched(clock)
    it.link.show_in(lambda: it.frozen.append("second"))
    it.happen()
    it.pass_by(0.1)
    assert it.frozen == []
    assert it.link.live
    it.end()
    it.pass_by(0.3)
    assert it.frozen == ["finished", "second"]
    assert it.link.settled.is_set()
    assert it.deltas[-1]["ev"][-1]["kind"] == "run_end"
    assert it.panel.closed == 0, "a page that was reloaded still shows this widget"
    assert it.feed._followers == []


def test_widget_is_closed_when_its_last_view_has_gone_after_the_end(clock: FakeClock):
    """Closing waits for the browser's word; then the link is forgotten."""
    it = Watched(clock)
    it.end()
    it.pass_by(0.2)
    it.link.leave()
    it.pass_by(0.2)
    assert it.panel.closed == 1
    it.broadcaster.flush()
    assert it.broadcaster._links == []


def test_view_that_left_in_mid_run_costs_no_deltas_and_may_come_back(clock: FakeClock):
    """With no view only the trait is kept up to date; a view that returns gets a snapshot and goes on."""
    it = Watched(clock)
    it.happen()
    it.pass_by(0.1)
    it.link.leave()
    for _ in range(50):
        it.happen(30)
        it.pass_by(0.1)
    assert [m["t"] for m in it.panel.sent] == ["d"]
    assert decode_state(it.panel.snapshot).seq > 1000
    it.link.ask()
    it.happen()
    it.pass_by(0.2)
    it.happen()
    it.pass_by(0.1)
    assert [m["t"] for m in it.panel.sent] == ["d", "s", "d"]
    assert it.panel.sent[2]["from"] == it.panel.sent[1]["seq"] + 1


def test_answers_are_sent_also_after_the_end(clock: FakeClock):
    """A report asked for after the end is answered."""
    it = Watched(clock)
    it.end()
    it.pass_by(0.2)
    it.link.post(Failure(text="no space"))
    it.pass_by(0.1)
    assert it.panel.sent[-1] == {"t": "e", "text": "no space"}


def test_panel_whose_comm_fails_is_unhooked_and_the_others_go_on(clock: FakeClock):
    """A broken widget costs nothing but itself, and it is said."""
    broadcaster = by_hand()
    bad, good = Watched(clock, broadcaster, "r1"), Watched(clock, broadcaster, "r2")
    bad.panel.fails = True
    seen: list[Log] = []
    with subscribe("log", seen.append):
        for each in (bad, good):
            each.happen()
        broadcaster.flush()
        clock.advance(PERIOD)
        drain()
    assert bad.link.closed
    assert bad.feed._followers == []
    assert bad.link.settled.is_set(), "whoever waits for the display must not wait for ever"
    assert [m["to"] for m in good.deltas] == [1]
    assert "run r1 was unhooked: RuntimeError: the comm is gone" in seen[0].text


def test_closed_panel_is_not_written_to(clock: FakeClock):
    """Nothing is sent to a widget that is gone."""
    it = Watched(clock)
    it.end()
    it.pass_by(0.2)
    it.link.leave()
    it.pass_by(0.1)
    before = it.panel.messages
    it.link.post(Failure(text="late"))
    it.link.ask()
    it.pass_by(0.5)
    assert it.panel.messages == before


acts = st.lists(
    st.one_of(
        st.integers(1, 600), st.sampled_from(["flush", "flush", "ask", "leave", "wait", "post"])
    ),
    max_size=40,
)  # fmt: skip


@given(acts)
def test_browser_can_always_follow(acts: list[int | str]):
    """Whatever comes in whatever order, the browser ends with the run's own state: nothing lost, nothing twice."""
    with FakeClock() as clock:
        it = Watched(clock)
        for act in acts:
            match act:
                case int():
                    it.happen(act)
                case "flush":
                    it.broadcaster.flush()
                case "wait":
                    it.pass_by(1.0)
                case "post":
                    it.link.post(Failure(text="x"))
                case _:
                    getattr(it.link, act)()
        it.link.ask()
        it.end()
        it.pass_by(3.0)
        known = 0
        for message in it.panel.sent:
            if message["t"] == "s":
                assert message["seq"] == message["state"]["seq"] >= known
                known = message["seq"]
            elif message["t"] == "d":
                assert [e["seq"] for e in message["ev"]] == list(range(message["from"], message["to"] + 1))
                if message["from"] <= known + 1:
                    known = max(known, message["to"])
        assert known == it.seq
        assert it.frozen == ["finished"]
        assert msgspec.json.decode(it.panel.snapshot)["seq"] == it.seq
