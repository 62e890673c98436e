"""Time in a journal never goes back, whatever the machine's clock does; a machine that slept has lost nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex import _clock, runs
from dspex.errors import LMTimeoutError
from dspex.events.event import ExampleScored, LMRetry
from dspex.lm.messages import Request, Response
from dspex.testing.clock import FakeClock
from tests.programs import Sort, learner, rows
from tests.runs.test_replay import Stopping, evaluation, kind_is_right, of
from tests.runs.works import LIMIT, begin, say

START = 1_700_000_000.0


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home for this test alone."""
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "home"))


class Jumping(FakeClock):
    """A clock whose hands somebody moves; what counts seconds goes on."""

    def __init__(self) -> None:
        super().__init__(START)
        self.moved = 0.0

    def now(self) -> float:
        return super().now() + self.moved


def test_a_clock_that_jumps_back_does_not_take_the_journal_along() -> None:
    """Time goes on from where it was, at the pace of seconds; a clock set forward is believed."""
    with Jumping() as clock:

        def work(kept: Any) -> Any:
            for move in (0.0, -7200.0, 0.0, +10_000.0, -50_000.0):
                clock.moved += move
                clock.advance(10)
                say("tick")
            return 1

        run = begin(work)
        assert run.result(LIMIT) == 1
    times = [event.time - START for event in run.events]
    assert times == [0.0, 10.0, 20.0, 30.0, 2840.0, 2850.0, 2850.0]
    assert run.state.updated - run.state.started == 2850.0


def test_a_later_life_does_not_begin_before_the_earlier_ended() -> None:
    """Also where the machine's clock was set back in between."""
    with FakeClock(START + 5000):
        model = Stopping(3, "stop")
        run = evaluation(model)
    with FakeClock(START) as clock:
        clock.advance(60)
        run.resume()
        assert run.result(LIMIT).n == 8
    times = [event.time for event in run.events]
    assert times == sorted(times)
    assert min(times) == START + 5000


class Asleep:
    """A provider that is out of reach while the machine sleeps: calls in flight time out when it wakes."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls = 0

    async def send(self, request: Request) -> Response:
        self.calls += 1
        if self.calls == 4:
            self.clock.advance(3600)  # the lid is closed in the midst of a call, and opened an hour later
            raise LMTimeoutError("no answer within 60 s")
        await _clock.sleep(0.1)
        return Response(choices=(dspex.lm.messages.Choice(text=str(learner(request))),))


def test_a_laptop_that_sleeps_for_an_hour_loses_nothing() -> None:
    """The run goes on, every example is scored once, and the hour is in its time."""
    with FakeClock(START, auto=True) as clock:
        lm = dspex.LM("test/model", transport=Asleep(clock), price=(1.0, 1.0))
        with dspex.context(lm=lm, num_threads=2):
            run = dspex.Evaluate(devset=rows(), metric=kind_is_right).start(dspex.Predict(Sort))
        assert run.result(LIMIT).n == 8
    assert len({event.example for event in of(run, ExampleScored)}) == 8
    assert [event.error for event in of(run, LMRetry)] == ["timeout"]
    assert run.state.updated - run.state.started >= 3600
    assert runs.open(run.id).status == "finished"
