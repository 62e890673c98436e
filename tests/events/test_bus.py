"""The bus numbers every event once, hands it to all, and says of a run nothing after its end."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

import pytest

from dspex import _host
from dspex.events import event as kinds
from dspex.events.bus import Bus, bus
from dspex.events.event import AnyEvent, Event, LMStart, Log, ModuleStart, RunEnd
from dspex.testing.clock import FakeClock

LIMIT = 10


class Collector:
    """A sink that keeps what it is handed."""

    full = False

    def __init__(self, *wanted: type[Event]) -> None:
        self.seen: list[Any] = []
        self.wanted = wanted

    def take(self, event: AnyEvent) -> None:
        self.seen.append(event)

    def wants(self, kind: type[Event]) -> bool:
        return issubclass(kind, self.wanted)

    def wait_for_room(self) -> None:
        raise AssertionError("there is room")


def info(text: str = "") -> Log:
    return Log(level="info", text=text)


def test_numbers_have_no_gaps_however_many_emit() -> None:
    """Every run counts from 1, and all sinks see its events in the order of their numbers."""
    own, sinks = Bus(), [Collector(), Collector()]
    for sink in sinks:
        own.attach(sink)
    go = threading.Barrier(8)

    def emit(me: int) -> None:
        go.wait(LIMIT)
        for n in range(300):
            own.emit(info(f"{me}:{n}"), run=f"r{n % 3}")

    threads = [_host.spawn("emit", lambda me=me: emit(me)) for me in range(8)]
    for thread in threads:
        thread.join(LIMIT)
    for sink in sinks:
        by_run: dict[str, list[int]] = defaultdict(list)
        for event in sink.seen:
            by_run[event.run].append(event.seq)
        assert by_run == {f"r{run}": list(range(1, 801)) for run in range(3)}


def test_an_event_is_completed_with_its_place_and_time() -> None:
    """Emitters say what happened; the bus says when, where and as which number."""
    own, sink = Bus(), Collector()
    own.attach(sink)
    with FakeClock(start=50.0):
        own.emit(info("x"), run="r1", span="s", parent="p")
    assert sink.seen == [Log(level="info", text="x", seq=1, time=50.0, run="r1", span="s", parent="p")]


def test_kinds_for_live_listeners_take_no_number() -> None:
    """What no journal keeps leaves no gap in what it does keep."""
    own, sink = Bus(), Collector()
    own.attach(sink)
    for event in (info(), ModuleStart(module="m", call="c"), info()):
        own.emit(event, run="r1")
    assert [event.seq for event in sink.seen] == [1, 0, 2]


def test_a_detached_sink_is_handed_nothing_more() -> None:
    """Only the sink that left is left out."""
    own, stays, leaves = Bus(), Collector(), Collector()
    own.attach(stays)
    own.attach(leaves)
    own.detach(leaves)
    own.detach(leaves)
    own.emit(info())
    assert (len(stays.seen), len(leaves.seen)) == (1, 0)


def test_every_kind_of_event_is_in_the_union() -> None:
    """What can be emitted can be read back: `AnyEvent` lists every concrete kind, each with its own wire name."""
    concrete = {
        value for value in vars(kinds).values() if isinstance(value, type) and issubclass(value, Event)
    }
    assert concrete - {Event} == set(AnyEvent.__args__)
    assert len({kinds.kind_of(kind) for kind in AnyEvent.__args__}) == len(AnyEvent.__args__)


def test_wanted_follows_who_listens() -> None:
    """Costly kinds are made only while somebody wants them."""
    own, sink = Bus(), Collector(ModuleStart)
    assert not own.wanted(ModuleStart)
    own.attach(sink)
    assert own.wanted(ModuleStart)
    assert not own.wanted(LMStart)
    own.detach(sink)
    assert not own.wanted(ModuleStart)


def test_wanted_is_right_when_somebody_comes_while_it_is_worked_out() -> None:
    """An answer from before a listener came is not kept for after."""
    own, late = Bus(), Collector(ModuleStart)

    class Slow(Collector):
        def wants(self, kind: type[Event]) -> bool:
            # Somebody attaches from another thread in the middle of the question, where the bus lets them.
            coming = _host.spawn("attach", lambda: own.attach(late))
            coming.join(0.2)
            return False

    own.attach(Slow())
    own.wanted(ModuleStart)
    for _ in range(100):
        if late in own._sinks:
            break
        threading.Event().wait(0.01)
    assert own.wanted(ModuleStart)


def test_nothing_follows_the_end_of_a_run() -> None:
    """Work that could not be cut off in time may still emit; nobody is handed it."""
    own, sink = Bus(), Collector()
    own.attach(sink)
    own.open_run("r1")
    own.emit(info(), run="r1")
    own.emit(RunEnd(state="finished"), run="r1")
    own.emit(info("straggler"), run="r1")
    own.emit(info("another"), run="r2")
    assert [(e.run, e.seq) for e in sink.seen] == [("r1", 1), ("r1", 2), ("r2", 1)]
    own.open_run("r1")  # another home may use the name again
    own.emit(info(), run="r1")
    assert sink.seen[-1].seq == 1


def test_a_full_sink_holds_the_emitter_and_not_the_bus() -> None:
    """Who emits too fast waits for room, while others are still served."""
    own, entered, room = Bus(), threading.Event(), threading.Event()

    class Full(Collector):
        @property
        def full(self) -> bool:
            return len(self.seen) == 1

        def wait_for_room(self) -> None:
            entered.set()
            assert room.wait(LIMIT)

    sink = Full()
    own.attach(sink)
    held = _host.spawn("held", lambda: own.emit(info("first")))
    assert entered.wait(LIMIT)
    own.emit(info("second"))
    assert [e.text for e in sink.seen] == ["first", "second"]
    assert held.is_alive()
    room.set()
    held.join(LIMIT)


@pytest.mark.parametrize("kind", AnyEvent.__args__)
def test_wire_names_are_the_kinds_names(kind: type[Event]) -> None:
    """`LMStart` is `lm_start` on the wire."""
    name = kind.__name__.replace("LM", "Lm")
    snake = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
    assert kinds.kind_of(kind) == snake


def test_the_process_has_one_bus() -> None:
    """Parts find each other without being introduced."""
    assert isinstance(bus, Bus)
