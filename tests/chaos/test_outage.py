"""A provider that dies in mid-run and comes back: runs pause, say why, and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from dspex.events.event import (
    AnyEvent,
    BreakerChanged,
    ExampleScored,
    LMEnd,
    LMRetry,
    LMStart,
    RunPaused,
    RunResumed,
    RunSteered,
)
from dspex.runs.run import Run
from dspex.runs.words import headline
from dspex.testing.server import Fault, Server, serving
from dspex.testing.server.faults import Script
from tests.chaos.running import LIMIT, Told, echo, evaluation, lm_at, tasks, until

COUNT = 300
SOME = 100


class Some(Script):
    """Answers so many and no more, so that no run is through before its provider fails.

    Args:
        then: what goes wrong from then on.
    """

    def __init__(self, then: Fault) -> None:
        super().__init__()
        self._then = then

    def fate(self, k: int, in_flight: int) -> Fault | None:
        return None if k <= SOME else self._then


@contextmanager
def a_server(then: Fault = Fault(hang=True)) -> Iterator[Server]:  # noqa: B008  # it is frozen
    with serving(echo, latency=0.01) as server:
        server.script = Some(then)
        yield server


def returns(server: Server, *, was_down: bool = True) -> None:
    server.script = Script()
    if was_down:
        server.up()


def whole(run: Run, count: int = COUNT) -> list[AnyEvent]:
    """Check that a run answered all, each once, and return its events."""
    result = run.result(LIMIT)
    assert (run.status, result.n, result.failed, result.mean) == ("finished", count, 0, 1.0)
    events = run.events
    assert len({e.example for e in events if isinstance(e, ExampleScored)}) == count
    assert sum(isinstance(e, ExampleScored) for e in events) == count
    holds = [type(e) for e in events if isinstance(e, RunPaused | RunResumed)]
    assert holds == [RunPaused, RunResumed] * (len(holds) // 2)
    assert run.state.holds == {}
    return events


@pytest.mark.parametrize(
    ("dies", "why"),
    [(True, "`openai` cannot be reached"), (False, "`openai` does not answer (503)")],
    ids=["dies", "answers 503"],
)
def test_a_run_waits_for_its_provider_and_loses_nothing(dies: bool, why: str) -> None:
    """Its breaker opens within twenty calls, it is paused with the reason, and goes on to the end when it can."""
    with a_server(Fault(hang=True) if dies else Fault(status=503)) as server:
        run = evaluation(lm_at(server), COUNT)
        told = Told(run)
        if dies:
            told.wait(ExampleScored, SOME)
            server.down()
        told.wait(RunPaused)
        hits = server.hits
        assert run.status == "paused"
        (hold,) = run.state.holds.items()
        assert hold[0] == "provider openai"
        assert hold[1].startswith(why), hold
        assert "paused" in headline(run.state)
        assert server.hits <= hits + 1, "besides one that tries, nothing is sent"
        returns(server, was_down=dies)
        events = whole(run)
    opened = next(k for k, e in enumerate(events) if isinstance(e, BreakerChanged) and e.state == "open")
    assert events[opened].reason.startswith(why)
    failed = [e for e in events[:opened] if isinstance(e, LMRetry) or (isinstance(e, LMEnd) and e.error)]
    assert len(failed) <= 20
    assert [e.state for e in events if isinstance(e, BreakerChanged)][-1] == "closed"
    assert tasks() == set()


def test_two_runs_at_one_provider_wait_and_go_on_together() -> None:
    """Each is told of it, once, and neither is left behind when it returns."""
    with a_server() as server:
        runs = [evaluation(lm_at(server), COUNT, name=name) for name in ("one", "two")]
        told = [Told(run) for run in runs]
        for one in told:
            one.wait(LMStart, 20)
        server.down()
        for one in told:
            one.wait(RunPaused)
        returns(server)
        for run in runs:
            events = whole(run)
            states = [e.state for e in events if isinstance(e, BreakerChanged)]
            assert (states[0], states[-1]) == ("open", "closed")
            assert all(a != b for a, b in pairwise(states)), "no change is told twice"


@pytest.mark.parametrize("verb", ["cancel", "stop"])
def test_a_run_that_waits_can_be_ended(verb: str) -> None:
    """At once, and nothing of it is left; another run at the same provider waits on and finishes."""
    with a_server() as server:
        ended, other = (evaluation(lm_at(server), COUNT, name=name) for name in ("ended", "other"))
        told = [Told(ended), Told(other)]
        for one in told:
            one.wait(LMStart, 20)
        server.down()
        for one in told:
            one.wait(RunPaused)
        getattr(ended, verb)()
        assert ended.wait(1.0), "a person does not wait for a provider that is gone"
        assert ended.status == {"cancel": "cancelled", "stop": "stopped"}[verb]
        assert ended.state.holds == {}
        assert other.status == "paused"
        returns(server)
        whole(other)
    until(lambda: not tasks(), "tasks are left")


def test_a_person_may_have_it_tried_now() -> None:
    """Whoever knows that the provider is back need not wait for its rest to end."""
    with a_server() as server:
        lm = lm_at(server)
        run = evaluation(lm, COUNT)
        told = Told(run)
        told.wait(ExampleScored, 20)
        server.down()
        told.wait(BreakerChanged, 5)  # open, half open, open, half open, open: four seconds or so of rest
        returns(server)
        run.reset()
        told.wait(RunResumed)
        events = whole(run)
    asked = next(event.time for event in events if isinstance(event, RunSteered))
    closed = next(e.time for e in events if isinstance(e, BreakerChanged) and e.state == "closed")
    assert closed - asked < 1.0, "its rest was four seconds"
