"""The wire format: both languages hold the same shapes, and nothing a kernel says is lost or breaks JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dspex.errors import UsageError
from dspex.events.event import CandidateEvaluated, Log
from dspex.runs.state import RunState, fold
from dspex_widgets import protocol
from dspex_widgets.protocol import Delta, Failure, Message, ReportReady, Snapshot

ROOT = Path(__file__).parents[2]
JOURNALS = ROOT / "tests" / "golden" / "journals"


def test_typescript_types_are_what_python_says(tmp_path: Path) -> None:
    """js/src/wire/types.ts was written by this version of protocol.py; `make types` writes it anew."""
    protocol.write_types(tmp_path / "types.ts")
    made = (tmp_path / "types.ts").read_text(encoding="utf-8")
    assert (ROOT / "js" / "src" / "wire" / "types.ts").read_text(encoding="utf-8") == made


def test_fields_left_out_on_the_wire_are_optional_in_typescript() -> None:
    """Events omit defaults, so those fields are optional; a state always says all."""
    made = protocol.typescript()
    event = made.split("export interface LMEnd {")[1].split("}")[0]
    state = made.split("export interface RunState {")[1].split("}")[0]
    assert "readonly cached?: boolean;" in event
    assert "readonly model: string;" in event
    assert "?:" not in state
    assert msgspec.to_builtins(Log(level="info", text="x")) == {"kind": "log", "level": "info", "text": "x"}


@pytest.mark.parametrize("name", sorted(path.stem for path in JOURNALS.glob("*.jsonl")))
def test_a_delta_and_a_snapshot_come_back_as_they_were(name: str) -> None:
    """Whatever a journal holds goes through the wire unchanged."""
    events = [
        msgspec.json.decode(line, type=protocol.AnyEvent)
        for line in JOURNALS.joinpath(f"{name}.jsonl").read_bytes().splitlines()
    ]
    state = fold(events)
    messages: list[Message] = [
        Delta(from_=1, to=len(events), ev=events),
        Snapshot(seq=state.seq, state=state),
    ]
    for message in messages:
        plain = json.loads(json.dumps(protocol.encode(message), allow_nan=False))
        assert protocol.decode(plain) == message
    assert protocol.decode_state(protocol.encode_state(state)) == state


def test_the_wire_names_are_the_agreed_ones() -> None:
    """Keys and tags on the wire are part of the interface."""
    delta = protocol.encode(Delta(from_=3, to=3, ev=[Log(seq=3, level="info", text="hi")]))
    assert delta == {
        "t": "d",
        "from": 3,
        "to": 3,
        "ev": [{"kind": "log", "seq": 3, "level": "info", "text": "hi"}],
    }
    assert protocol.encode(ReportReady(path="a.html")) == {"t": "r", "path": "a.html"}
    assert protocol.encode(Failure(text="no")) == {"t": "e", "text": "no"}
    assert set(protocol.encode(Snapshot(seq=0, state=RunState()))) == {"t", "seq", "state"}


def test_numbers_that_json_cannot_say_become_null() -> None:
    """A metric that gives NaN does not break the message for the browser."""
    bad = CandidateEvaluated(seq=1, candidate="c1", mean=float("nan"), low=0.0, high=float("inf"), n=1)
    plain = protocol.encode(Delta(from_=1, to=1, ev=[bad]))
    assert "NaN" not in json.dumps(plain, allow_nan=False)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_words_that_are_no_operation_are_none(content: object) -> None:
    """The browser may say anything: what is not known is ignored, never an error."""
    assume(content not in get_args(protocol.OpName))
    assert protocol.decode_op(content) is None
    assert protocol.decode_op({"op": content, "more": 1}) is None


@pytest.mark.parametrize("op", get_args(protocol.OpName))
def test_known_operations_are_understood(op: str) -> None:
    """Each word a button sends is known, also with fields of a newer front end."""
    said = protocol.decode_op({"op": op, "since": 4})
    assert said is not None
    assert said.op == op


@pytest.mark.parametrize(
    "more",
    [
        {"candidate": 3}, {"candidate": "x" * 2_000}, {"now": "yes"}, {"n": -1}, {"n": 1.5}, {"n": 10**9},
        {"caps": {"usd": 0}}, {"caps": {"usd": -1.0}}, {"caps": {"euro": 1.0}}, {"caps": {"usd": None}},
        {"caps": [1]}, {"instruction": "x" * 300_000}, {"predictor": None},
    ],
)  # fmt: skip
def test_known_words_with_odd_values_are_refused_in_one_line(more: dict[str, object]) -> None:
    """What a known word came with is held to its type, and the answer says which word it was."""
    with pytest.raises(UsageError, match="`budget` came with something else") as caught:
        protocol.decode_op({"op": "budget", **more})
    assert "\n" not in str(caught.value)
