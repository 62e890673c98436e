"""A place is named by what leads to it and an act by its place and content, the same in every life of a run."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dspex.events.event import Event, Log
from dspex.scope.ledger import Ledger
from dspex.scope.scope import Scope, Tally, current, enter, within


class Shelf:
    """A book in memory."""

    def __init__(self, known: dict[bytes, bytes] | None = None) -> None:
        self.known = dict(known or {})
        self.kept: dict[bytes, bytes] = {}
        self.said: list[Event] = []

    def find(self, key: bytes) -> bytes | None:
        return self.known.get(key)

    def keep(self, key: bytes, body: bytes, event: Event, *, failed: bool = False) -> None:
        self.kept[key] = body

    def told(self, event: Event) -> bool:
        self.said.append(event)
        return True


def walk(ledger: Ledger, way: list[tuple[str, int | None]]) -> Ledger:
    for name, at in way:
        ledger = ledger.below(name, at)
    return ledger


ways = st.lists(st.tuples(st.text(max_size=3), st.none() | st.integers(0, 9)), max_size=4)


@given(ways, ways)
def test_places_differ_where_their_ways_differ(one: list[Any], other: list[Any]) -> None:
    """And two lives that go the same way come to the same place."""
    first, second = walk(Ledger(Shelf()), one), walk(Ledger(Shelf()), other)
    assert (first.path == second.path) == (one == other)


def test_equal_acts_at_one_place_are_the_first_and_the_second() -> None:
    """Each life counts them from the beginning; other content and other places do not count along."""
    shelf = Shelf()
    first = Ledger(shelf).below("c01")
    for body in (b"one", b"two"):
        first.step("lm", b"request").keep(body, Log(level="info", text=""))
    again = Ledger(Shelf(shelf.kept)).below("c01")
    assert again.step("lm", b"other").recorded() is None
    assert again.below("metric").step("lm", b"request").recorded() is None
    assert again.step("cell", b"request").recorded() is None
    assert [again.step("lm", b"request").recorded() for _ in range(3)] == [b"one", b"two", None]


def test_content_that_is_cut_elsewhere_is_other_content() -> None:
    """Two parts never run together into one."""
    shelf = Shelf()
    Ledger(shelf).step("lm", b"ab", b"c").keep(b"x", Log(level="info", text=""))
    assert Ledger(Shelf(shelf.kept)).step("lm", b"a", b"bc").recorded() is None
    assert Ledger(Shelf(shelf.kept)).step("lm", b"ab", b"c").recorded() == b"x"


def test_counting_is_safe_from_many_threads() -> None:
    """No two equal acts get the same number."""
    ledger, keys = Ledger(Shelf()), []

    def count() -> None:
        keys.extend(ledger.below("x").path for _ in range(500))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 2000


def test_positions_take_no_memory() -> None:
    """A million examples with a position each are not counted."""
    ledger = Ledger(Shelf())
    for n in range(1000):
        ledger.below(f"c01/{n}", n)
    assert ledger._counts == {}


def test_a_scope_leads_its_ledger_along() -> None:
    """Each span is a place, but those that are there for listeners only; outside of runs there is none."""
    assert current().ledger is None
    with within("x") as outside:
        assert outside.ledger is None
    top = Ledger(Shelf())
    run = Scope(run="r1", ledger=top)
    with enter(run), within("c01", at=3) as deep, within("Predict-7f", apart=False) as told:
        assert deep.ledger is not None
        assert deep.ledger.path == Ledger(Shelf()).below("c01", 3).path
        assert told.ledger is deep.ledger
    assert top._counts == {}


def test_what_an_earlier_life_told_is_not_told_again() -> None:
    """The bus never sees it."""
    shelf = Shelf()
    event = Log(level="info", text="seen")
    Scope(run="r1", ledger=Ledger(shelf)).emit(event)
    assert (shelf.said, event.seq) == ([event], 0)


def test_what_an_earlier_life_spent_counts_below_the_run_alone() -> None:
    """The run's own tally began with it."""
    run = Tally(calls=7, cost=0.7)
    candidate = Tally(run)
    cell = Tally(candidate)
    cell.take(2, 0.2)
    cell.add(0.1)
    assert (cell.calls, candidate.calls, run.calls) == (3, 3, 8)
    assert [round(tally.cost, 6) for tally in (cell, candidate, run)] == [0.3, 0.3, 0.8]
