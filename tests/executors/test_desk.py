"""Events of workers at the driver: each once, in its place, and counted by the go it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from dspex.events.bus import bus
from dspex.events.coding import encode
from dspex.events.event import AnyEvent, BreakerChanged, Event, LMEnd, LMStart, RunPaused, RunResumed
from dspex.executors import desk as desks
from dspex.executors.calls import Act, Calls, Satchel
from dspex.executors.desk import Desk
from dspex.executors.outbox import BATCH, Outbox, outlet
from dspex.scope.ledger import Ledger
from dspex.scope.scope import Scope, enter, within


class Heard:
    """A sink that keeps what the driver's bus was given."""

    full = False

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def take(self, event: AnyEvent) -> None:
        self.events.append(event)

    def wants(self, kind: type[Event]) -> bool:
        return True

    def wait_for_room(self) -> None:
        """There always is."""


@pytest.fixture
def heard() -> Iterator[Heard]:
    sink = Heard()
    bus.attach(sink)
    yield sink
    bus.detach(sink)


def a_desk() -> Desk:
    return Desk("s", Scope(run="at-the-desk", span="c01", parent=""), lambda: None)


Told = tuple[AnyEvent, str, list[bytes], Act | None]


def a_batch(number: int, *told: Told, mark: str = "w") -> dict[str, Any]:
    return {
        "mark": mark,
        "batch": number,
        "events": [(encode(event)[1], *more) for event, *more in told],
        "worker": f"tcp://{mark}",
        "name": f"worker {mark}",
    }


def start(go: str, sought: Sequence[bytes] = ()) -> Told:
    return LMStart(model="m", run="s", span="c01/e", parent="c01"), go, list(sought), None


def end(go: str, cost: float = 0.5, act: Act | None = None) -> Told:
    event = LMEnd(
        model="m", run="s", span="c01/e", parent="c01", cost=cost, prompt_tokens=3, completion_tokens=2
    )
    return event, go, [], act


def plain(event: AnyEvent) -> Told:
    return event, "", [], None


async def test_a_batch_that_comes_twice_is_told_once(heard: Heard):
    """Dask promises nothing: the number says what is known already."""
    desk = a_desk()
    desk.expect(1)
    for _ in range(2):
        desk.take(a_batch(1, start("1.a"), end("1.a")))
    assert [type(event) for event in heard.events] == [LMStart, LMEnd]
    assert {(event.run, event.span, event.parent) for event in heard.events} == {
        ("at-the-desk", "c01/e", "c01")
    }


async def test_a_lost_go_is_paid_for_and_its_open_calls_are_closed(heard: Heard):
    """What a worker had spent before it died counts, and nothing of it stays in flight."""
    desk = a_desk()
    desk.expect(1)
    desk.take(a_batch(1, start("1.lost"), end("1.lost"), start("1.lost")))
    desk.take(a_batch(1, start("1.won"), end("1.won"), mark="v"))
    assert desk.settle(1, but="won") == {"usd": 0.5, "tokens": 5, "calls": 1}
    ends = [event for event in heard.events if isinstance(event, LMEnd)]
    assert [event.error for event in ends] == ["", "", "cancelled"]
    assert sum(isinstance(event, LMStart) for event in heard.events) == len(ends)


async def test_late_news_of_a_go_that_was_given_up_keeps_the_books_even(heard: Heard):
    """An end whose start was closed already is told only where it was paid for, and then whole."""
    desk = a_desk()
    desk.expect(1)
    desk.settle(1)
    desk.take(a_batch(1, start("1.a"), end("1.a", cost=0.0)))
    assert heard.events == []
    desk.take(a_batch(2, end("1.a", cost=0.25)))
    assert [type(event) for event in heard.events] == [LMStart, LMEnd]


async def test_batches_that_never_come_are_counted_and_not_waited_for_again(monkeypatch: pytest.MonkeyPatch):
    """A lost message holds nobody up twice."""
    monkeypatch.setattr(desks, "PATIENCE", 0.01)
    desk = a_desk()
    await desk.arrived("w", 3)
    assert desk.lost == 3
    monkeypatch.setattr(desks, "PATIENCE", 60.0)
    await desk.arrived("w", 3)


async def test_each_workers_endpoint_is_its_own(heard: Heard):
    """Workers have breakers of their own, and are told apart."""
    desk = a_desk()
    desk.take(a_batch(1, plain(BreakerChanged(model="m", state="open", run="s"))))
    (event,) = heard.events
    assert isinstance(event, BreakerChanged)
    assert event.endpoint == "on worker w"


async def test_a_worker_that_waits_for_a_provider_is_known_while_it_does():
    """The pause of one worker is not the run's: the desk only keeps it."""
    desk = a_desk()
    desk.take(a_batch(1, plain(RunPaused(by="provider", hold="provider x", reason="silent", run="s"))))
    assert desk.holds == {"tcp://w": {"provider x": "silent"}}
    desk.take(a_batch(2, plain(RunResumed(by="provider", hold="provider x", run="s"))))
    assert desk.holds == {}


def test_events_leave_in_batches_with_numbers():
    """Many events are few messages, in order, none twice."""
    sent: list[dict[str, Any]] = []
    box = Outbox(sent.append, "s", "w")
    for _ in range(BATCH + 1):
        box.add(start("1.a")[0])
    assert box.flush() == 2
    assert [(message["batch"], len(message["events"])) for message in sent] == [(1, BATCH), (2, 1)]
    assert box.flush() == 2


class Kept:
    """A `Book` in memory: what one life keeps, the next finds."""

    def __init__(self, known: dict[bytes, bytes] | None = None) -> None:
        self.known = known or {}
        self.kept: dict[bytes, bytes] = {}
        self.with_: list[Event] = []

    def find(self, key: bytes) -> bytes | None:
        return self.known.get(key)

    def keep(self, key: bytes, body: bytes, event: Event, *, failed: bool = False) -> None:
        self.kept[key] = body
        self.with_.append(event)

    def told(self, event: Event) -> bool:
        return False


async def test_what_calls_on_a_worker_gave_goes_along_in_the_next_life(heard: Heard):
    """Each act is kept under its own name with the event that tells of it, and found by the cell it is of."""
    book = Kept()
    top = Ledger(book)
    desk = Desk("s", Scope(run="at-the-desk", ledger=top), lambda: None)
    desk.expect(1, Calls(top.below("c01/e", 1)))
    desk.take(
        a_batch(1, start("1.a", [b"k1"]), end("1.a", act=(b"k1", b"one", False)), start("1.a", [b"k2"]))
    )
    assert book.kept[b"k1"] == b"one"
    assert [type(event) for event in book.with_] == [LMStart, LMEnd, LMStart]
    assert book.with_ == heard.events

    again = Kept(book.kept)
    calls = Calls(Ledger(again).below("c01/e", 1))
    assert calls.known == {b"k1": b"one"}
    assert Calls(Ledger(again).below("c01/e", 2)).known == {}
    desk.expect(2, calls)
    desk.take(a_batch(2, start("2.b", [b"k2"])))
    assert len(again.kept.keys() - again.known.keys()) == 1, "what was noted before is not written over"


async def test_late_news_of_a_go_that_was_given_up_is_kept_where_it_was_paid(heard: Heard):
    """Whatever was paid for is in the ledger, whoever still waits for it."""
    book = Kept()
    desk = Desk("s", Scope(run="at-the-desk", ledger=Ledger(book)), lambda: None)
    desk.take(a_batch(1, end("1.a", act=(b"k1", b"one", False))))
    assert book.kept == {b"k1": b"one"}
    assert book.with_ == heard.events[1:]


def test_a_go_is_known_however_deep_its_calls_are(heard: Heard):
    """What a program calls inside of calls belongs to the go too, and what the ledger keeps leaves with its event."""
    sent: list[dict[str, Any]] = []
    box, satchel = Outbox(sent.append, "s", "w"), Satchel("1.a", {b"known": b"x"})
    outlet.open("s", box)
    scope = Scope(run="s", span="c01/e", ledger=Ledger(satchel, b"place"))
    with enter(scope), within("attempt 1"), within("attempt 2") as deep:
        assert satchel.find(b"known") == b"x"
        assert satchel.find(b"new") is None
        deep.emit(LMStart(model="m"))
        event = LMEnd(model="m")
        satchel.keep(b"new", b"y", event)
        deep.emit(event)
    outlet.close("s")
    box.flush()
    told = [more for message in sent for _, *more in message["events"]]
    assert told == [["1.a", [b"new"], None], ["1.a", [], (b"new", b"y", False)]]
