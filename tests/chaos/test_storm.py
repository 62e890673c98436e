"""Two thousand calls to a provider that does everything wrong: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from dspex import _clock
from dspex.events.event import ExampleScored, LimitChanged, LMEnd, LMRetry, LMStart
from dspex.testing.server import Fault, serving
from tests.chaos.conftest import FLIES
from tests.chaos.running import LIMIT, echo, evaluation, lm_at, until

MIX = [
    (0.04, Fault(status=429)),
    (0.04, Fault(status=429, retry_after=0.2)),
    (0.05, Fault(status=500)),
    (0.05, Fault(status=503)),
    (0.04, Fault(drop=True)),
    (0.04, Fault(garbage=True)),
    (0.04, Fault(cut=True)),
    (0.02, Fault(hang=True)),
]
"""Thirty per cent failures of all kinds, and two per cent that never end."""
CALLS = 2000
SETTLED, WATCHED = 10.0, 35.0
"""Seconds of dspex's own time: until when a limit may be sought, and until when it is looked at."""


@pytest.mark.parametrize("flying", [8.0], indirect=True)
@pytest.mark.usefixtures("flying")
@pytest.mark.timeout(60)
def test_every_example_is_answered_or_failed_with_its_reason() -> None:
    """Each once in the journal, with the answer to its own question; the books balance, nothing is left open."""
    with serving(echo, latency=0.005, mix=MIX, seed=1) as server:
        run = evaluation(lm_at(server, timeout=0.25, num_retries=2), CALLS, width=64)
        result = run.result(3 * LIMIT)
        assert (run.status, result.n + result.failed) == ("finished", CALLS)
        events = run.events
        assert server.in_flight == 0
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    cells = [event for event in events if isinstance(event, ExampleScored)]
    assert len(cells) == CALLS
    assert max(Counter(cell.example for cell in cells).values()) == 1
    scored, failed = [c for c in cells if not c.error], [c for c in cells if c.error]
    assert {cell.score for cell in scored} == {1.0}, "no answer went to another's question"
    assert {cell.score for cell in failed} == {None}, "an error is no score"
    assert 0 < len(failed) < CALLS / 10
    assert all(
        cell.error.startswith(("LMServerError:", "LMTransportError:", "LMTimeoutError:")) for cell in failed
    )
    assert all(len(cell.error.partition(": ")[2]) > 10 for cell in failed)
    ends = [event for event in events if isinstance(event, LMEnd)]
    assert sum(isinstance(event, LMStart) for event in events) == len(ends) == CALLS
    assert sum(bool(end.error) for end in ends) == len(failed)
    assert [model.in_flight for model in run.state.lm] == [0]
    assert len(result.results) == CALLS
    tried = CALLS + sum(isinstance(event, LMRetry) for event in events)
    assert tried <= server.hits <= 1.1 * tried, (
        "besides tries, there are only the calls that try an open breaker"
    )


@pytest.mark.parametrize(("limit", "retry_after"), [(10, None), (40, 1.0)])
@pytest.mark.usefixtures("flying")
def test_a_storm_of_429_settles_below_what_the_server_takes(limit: int, retry_after: float | None) -> None:
    """A hundred want in where ten may: after ten seconds hardly one is turned away, no call fails, room is used."""
    latency = 0.05
    with serving(echo, latency=latency, limit=limit, retry_after=retry_after) as server:
        run = evaluation(lm_at(server), 20_000, width=100)
        until(lambda: server.hits, "nothing was asked")
        began = _clock.monotonic()
        until(lambda: _clock.monotonic() - began > SETTLED, "time stands still")
        hits, refused, since = server.hits, server.refused, _clock.now()
        until(lambda: _clock.monotonic() - began > WATCHED, "time stands still")
        hits, refused, till = server.hits - hits, server.refused - refused, _clock.now()
        run.cancel()
        assert run.wait(LIMIT)
    assert refused < 0.05 * hits
    changes = [event for event in run.events if isinstance(event, LimitChanged)]
    assert mean_limit(changes, since, till) < 1.05 * limit, "it tries one more now and then"
    assert not [e for e in run.events if isinstance(e, ExampleScored) and e.error]
    # Each place answers once in `latency`, and time flies; a busy machine takes its share.
    assert hits - refused > 0.2 * limit * (WATCHED - SETTLED) / FLIES / latency


def mean_limit(changes: list[LimitChanged], since: float, till: float) -> float:
    """Return the mean of the limit over a time."""
    times = [min(max(event.time, since), till) for event in changes]
    spans = [after - before for before, after in pairwise([*times, till])]
    return sum(event.limit * span for event, span in zip(changes, spans, strict=True)) / (till - since)
