"""The fold gives what the golden journals say, whole or in parts, and never twice for one event."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.events.event import (
    AnyEvent,
    BreakerChanged,
    CandidateProposed,
    ExampleScored,
    LimitChanged,
    LMEnd,
    LMRetry,
    LMStart,
    Log,
    RunPaused,
    RunReopened,
    RunResumed,
    RunStart,
    RunSteered,
    RunStopping,
)
from dspex.runs.state import COLUMNS, FAILURES, LOG_LENGTH, RunState, fold

JOURNALS = Path(__file__).parents[1] / "golden" / "journals"
NAMES = sorted(path.stem for path in JOURNALS.glob("*.jsonl"))


def read(name: str) -> list[AnyEvent]:
    lines = JOURNALS.joinpath(f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=AnyEvent) for line in lines]


def golden(name: str) -> RunState:
    return msgspec.json.decode(JOURNALS.joinpath(f"{name}.state.json").read_bytes(), type=RunState)


def test_there_are_golden_journals() -> None:
    """The cases the two reducers are held to are all there."""
    wanted = {"finished", "stopped", "failed", "evaluate", "hostile", "empty", "duplicates", "rich"}
    steered = {"outage", "recovered", "steered", "reopened", "crooked"}
    assert wanted | steered <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_fold_gives_the_golden_state(name: str) -> None:
    """Folding a journal gives exactly the state beside it."""
    assert fold(read(name)) == golden(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_state_survives_the_wire(name: str) -> None:
    """A state written as JSON and read back is the same state."""
    state = fold(read(name))
    assert msgspec.json.decode(msgspec.json.encode(state), type=RunState) == state


@given(name=st.sampled_from(NAMES), share=st.floats(0, 1))
def test_a_fold_in_two_parts_is_the_fold_at_once(name: str, share: float) -> None:
    """Where a journal is cut makes no difference, also through a snapshot's JSON."""
    events = read(name)
    cut = round(share * len(events))
    half = msgspec.json.decode(msgspec.json.encode(fold(events[:cut])), type=RunState)
    assert fold(events[cut:], half) == golden(name)


@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**16))
def test_events_already_taken_change_nothing(name: str, seed: int) -> None:
    """Old events that come again, in whatever order, leave the state as it is."""
    events = read(name)
    state = fold(events)
    again = random.Random(seed).sample(events, k=min(20, len(events)))
    assert fold(again, copy.deepcopy(state)) == state


def test_the_log_keeps_only_the_last_events() -> None:
    """A long run's log stays bounded and holds the newest."""
    state = fold(Log(seq=n, level="info", text=str(n)) for n in range(1, LOG_LENGTH + 50))
    assert len(state.log) == LOG_LENGTH
    assert state.log[-1] == Log(seq=LOG_LENGTH + 49, level="info", text=str(LOG_LENGTH + 49))


def test_calls_in_flight_never_fall_below_zero() -> None:
    """An answer whose start was not seen does not make the count negative; a cache hit has no start."""
    state = fold(
        [
            LMEnd(seq=1, model="m"),
            LMStart(seq=2, model="m"),
            LMEnd(seq=3, model="m", cached=True),
        ]
    )
    assert [(m.in_flight, m.calls, m.cached) for m in state.lm] == [(1, 2, 1)]


def test_a_run_is_paused_until_the_last_hold_is_gone() -> None:
    """Several may hold; whoever lets go first does not let the run go on."""
    state = fold([RunPaused(seq=1), RunPaused(seq=2, hold="provider x", reason="down")])
    assert (state.status, state.holds) == ("paused", {"user": "", "provider x": "down"})
    assert fold([RunResumed(seq=3)], state).status == "paused"
    assert fold([RunResumed(seq=4, hold="provider x")], state).status == "running"
    assert state.holds == {}


def test_a_run_that_stops_is_not_paused_again() -> None:
    """A hold that comes too late, or goes, does not make an ending run go on."""
    late = [RunStopping(seq=1, how="stop"), RunPaused(seq=2, hold="x"), RunResumed(seq=3, hold="x")]
    assert (fold(late).status, fold(late).holds) == ("stopping", {})


def test_a_death_takes_no_time_and_leaves_nothing_in_flight() -> None:
    """What a dead kernel held, had in flight and knew of its endpoints is not there any more."""
    state = fold(
        [
            RunStart(seq=1, time=10.0, name="x", work="optimize", method="M"),
            LMStart(seq=2, time=11.0, model="m"),
            BreakerChanged(seq=3, time=12.0, model="m", state="open", wait=5.0),
            RunPaused(seq=4, time=12.0, hold="provider m"),
            RunReopened(seq=5, time=3612.0),
        ]
    )
    assert (state.status, state.idle, state.reopened, state.holds, state.endpoints) == (
        "running",
        3600.0,
        1,
        {},
        [],
    )
    assert [m.in_flight for m in state.lm] == [0]


def test_retries_do_not_push_all_else_out_of_the_log() -> None:
    """Of equal retries in a row the log keeps the last; the model's line counts them all."""
    retries = [LMRetry(seq=k, model="m", error="server", attempt=k, wait=1.0) for k in range(2, 300)]
    state = fold([Log(seq=1, level="info", text="first"), *retries])
    assert [event.seq for event in state.log] == [1, 299]
    assert (state.lm[0].retried, state.lm[0].limited) == (298, 0)


def test_only_limits_that_fall_are_told() -> None:
    """A limit that grows is seen in the table; the log tells of those that a provider forced."""
    state = fold(
        [
            LimitChanged(seq=1, model="m", limit=40, before=20),
            LimitChanged(seq=2, model="m", limit=32, before=40),
        ]
    )
    assert [event.seq for event in state.log] == [2]
    assert [e.limit for e in state.endpoints] == [32]


def test_failures_are_told_apart_by_kind_and_bounded() -> None:
    """What stands before the first colon counts together, with the last words after it; a retry begins anew."""

    def failed(seq: int, error: str) -> ExampleScored:
        return ExampleScored(seq=seq, candidate="c1", example=f"e{seq}", error=error)

    state = fold(failed(seq, f"LMServerError: try {seq}: later") for seq in (1, 2, 3))
    assert [(one.kind, one.count, one.text) for one in state.failures] == [
        ("LMServerError", 3, "try 3: later")
    ]
    state = fold((failed(seq, f"Kind{seq}: said") for seq in range(4, 60)), state)
    assert (len(state.failures), state.errors) == (FAILURES, 59)
    assert fold([RunSteered(seq=60, verb="retry")], state).failures == []


def test_the_picture_of_examples_is_bounded() -> None:
    """Whatever the size of the data, a candidate keeps so many letters and the run so many names."""
    scored = [ExampleScored(seq=k + 2, candidate="a", example=str(k), score=1.0) for k in range(500)]
    state = fold([CandidateProposed(seq=1, candidate="a"), *scored])
    assert (len(state.columns), state.candidates[0].cells, state.examples) == (COLUMNS, "a" * COLUMNS, 500)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=5))
def test_any_score_has_a_letter(scores: list[float | None]) -> None:
    """A metric that gives no number, or too large a one, does not stop the fold."""
    events = [ExampleScored(seq=k + 2, candidate="a", example=str(k), score=s) for k, s in enumerate(scores)]
    [seen] = fold([CandidateProposed(seq=1, candidate="a"), *events]).candidates
    assert len(seen.cells) == len(scores)
    assert set(seen.cells) <= set("0123456789ax")


@given(st.sampled_from(["budget", "concurrency", "model", "pin", "drop", "label"]), st.text())
def test_no_words_of_a_steering_event_break_the_fold(verb: str, text: str) -> None:
    """Values may be any text: a journal of another version is still read."""
    args = dict.fromkeys(("usd", "calls", "n", "model", "candidate", "reason"), text)
    state = fold([CandidateProposed(seq=1, candidate="a"), RunSteered(seq=2, verb=verb, args=args)])  # type: ignore[arg-type]
    assert state.log[-1].seq == 2
