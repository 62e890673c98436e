"""Every act knows its place, and what is counted there counts above it too."""

from __future__ import annotations

import asyncio
import random

from dspex import _host
from dspex.events.event import Log
from dspex.events.listeners import subscribe
from dspex.scope.scope import Scope, Tally, current, enter, within


def test_outside_of_any_run_is_the_root() -> None:
    """It has no run, no cap, and nobody can end it."""
    scope = current()
    assert (scope.run, scope.budget.usd, scope.cancel.how, scope.patient) == ("", None, None, False)


def test_a_scope_holds_inside_its_block_alone() -> None:
    """Blocks nest and leave nothing behind, also when they raise."""
    before = current()
    with enter(Scope(run="r1")) as outer:
        with within("a", role="judge") as inner:
            assert current() is inner
            assert (inner.run, inner.span, inner.parent, inner.role) == ("r1", "a", "", "judge")
            with within("b") as deepest:
                assert (deepest.span, deepest.parent, deepest.role) == ("b", "a", "judge")
                assert deepest.cancel is outer.cancel
                assert deepest.budget is outer.budget
        assert current() is outer
    assert current() is before


def test_a_scope_travels_to_hosts_and_workers() -> None:
    """What a run hands on still belongs to the run."""

    async def where() -> tuple[str, str]:
        return current().run, await _host.in_worker(lambda: current().run)

    with enter(Scope(run="r7")):
        assert _host.portal.run(where()) == ("r7", "r7")
        assert asyncio.run(where()) == ("r7", "r7")
        assert _host.drive(where()) == ("r7", "r7")


def test_tasks_have_scopes_of_their_own() -> None:
    """Siblings do not see each other's place."""

    async def act(name: str) -> tuple[str, str]:
        with within(name) as scope:
            await asyncio.sleep(0)
            return current().span, scope.parent

    async def siblings() -> list[tuple[str, str]]:
        with within("above"):
            return list(await asyncio.gather(*(act(str(n)) for n in range(5))))

    assert _host.portal.run(siblings()) == [(str(n), "above") for n in range(5)]


def test_what_is_counted_counts_above() -> None:
    """Eight threads that add to leaves leave their sum at the root."""
    root = Tally()
    leaves = [Tally(Tally(root)) for _ in range(8)]
    threads = [
        _host.spawn("count", lambda leaf=leaf: [leaf.add(0.5) for _ in range(200)] and None)
        for leaf in leaves
    ]
    for thread in threads:
        thread.join(10)
    assert (root.calls, root.cost) == (1600, 800.0)
    assert [(leaf.calls, leaf.cost) for leaf in leaves] == [(200, 100.0)] * 8


def test_an_event_carries_its_place() -> None:
    """Run, span and the span around it are filled in by the scope."""
    seen: list[Log] = []
    with (
        subscribe("log", seen.append),
        enter(Scope(run="r-scope")),
        within("outer"),
        within("inner") as scope,
    ):
        scope.emit(Log(level="info", text="here"))
    assert [(e.run, e.span, e.parent) for e in seen] == [("r-scope", "inner", "outer")]


def test_a_scope_is_no_keyhole_to_anothers_chance() -> None:
    """Scopes made apart draw apart; the same seed draws the same."""
    one, two = Scope(rng=random.Random(3)), Scope(rng=random.Random(3))
    assert [one.rng.random() for _ in range(5)] == [two.rng.random() for _ in range(5)]
    assert one.cancel is not two.cancel
