"""The fold gives what the golden journals say, whole or in parts, and never twice for one event."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.events.event import AnyEvent, LMEnd, LMStart, Log
from dspex.runs.state import LOG_LENGTH, RunState, fold

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
    assert wanted <= set(NAMES)


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
