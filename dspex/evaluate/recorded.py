"""A cell in a run's ledger: taken where an earlier life of the run has made it, kept where not.

A cell holds the score and what the program said. A prediction whose values are more than plain JSON is made again by
the program, whose model's answers are in the ledger too: so nothing is asked, and nothing needs to be unpickled.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from dspex import _canon
from dspex.data.example import Example, Prediction
from dspex.errors import DspexError, Interruption, LMError
from dspex.evaluate.cells import Cell
from dspex.events.event import ExampleScored
from dspex.lm.recorded import error_of
from dspex.scope.ledger import Ledger, Step
from dspex.scope.scope import current

_PLAIN = (str, int, float, bool, type(None))


class _Record(msgspec.Struct, omit_defaults=True):
    score: float | None = None
    feedback: str = ""
    error: str = ""
    kind: str = ""
    """Of an error that a model's provider made."""
    cost: float = 0.0
    calls: int = 0
    seconds: float = 0.0
    repeat: int = 0
    parts: dict[str, float] = {}
    said: dict[str, Any] | None = None
    """The prediction's fields, where they are plain."""
    again: bool = False
    """Whether the program is to be run once more for its prediction."""


def step_of(ledger: Ledger, program: str, example: str, metric: str, repeat: int = 0) -> Step:
    """Return the step that scoring one example is: program and example by digest, the metric by name."""
    return ledger.step("cell", program.encode(), example.encode(), metric.encode(), b"%d" % repeat)


async def recorded(step: Step, goes: Iterable[Any], example: Example) -> Cell | None:
    """Return the cell of an earlier life, counted in this scope's tally; None where it is to be made.

    Args:
        step: the cell's.
        goes: the programs that were tried in turn, for a prediction that has to be made again.
        example: what they answer.
    """
    body = step.recorded()
    if body is None:
        return None
    record = _decoder().decode(body)
    prediction = Prediction(record.said) if record.said is not None else None
    if record.again:
        prediction = await _said_again(goes, example)
    tally = current().tally
    # What the program's second go took was counted on the way.
    tally.take(max(0, record.calls - tally.calls), max(0.0, record.cost - tally.cost))
    failure: Exception | None = None
    if record.score is None:
        failure = error_of(record.kind, record.error) if record.kind else DspexError(record.error)
    return Cell(
        example=example.digest,
        score=record.score,
        feedback=record.feedback,
        error=record.error,
        cost=record.cost,
        seconds=record.seconds,
        repeat=record.repeat,
        parts=record.parts,
        prediction=prediction,
        failure=failure,
    )


def keep(step: Step, cell: Cell, event: ExampleScored) -> None:
    """Keep a cell, with the event that tells of it."""
    said = _plain_fields(cell.prediction)
    record = _Record(
        score=cell.score,
        feedback=cell.feedback,
        error=cell.error,
        kind=cell.failure.kind if isinstance(cell.failure, LMError) else "",
        cost=cell.cost,
        calls=current().tally.calls,
        seconds=cell.seconds,
        repeat=cell.repeat,
        parts=dict(cell.parts),
        said=said,
        again=said is None and cell.prediction is not None,
    )
    try:
        body = msgspec.msgpack.encode(record)
    except (UnicodeEncodeError, OverflowError, RecursionError):  # half a character, or a huge number
        record.said, record.again = None, True
        record.feedback, record.error = (str(_canon.legible(t)) for t in (record.feedback, record.error))
        body = msgspec.msgpack.encode(record)
    step.keep(body, event, failed=cell.score is None)


async def _said_again(goes: Iterable[Any], example: Example) -> Any:
    """Return what the first program says that says anything: the ledger has its model's answers."""
    said = None
    for program in goes:
        try:
            return await program.acall(**dict(example.inputs().items()))
        except Interruption:
            raise
        except Exception:  # it failed in the earlier life, too; the cell is known, and nothing else is wanted
            said = None
    return said


def _plain_fields(prediction: object) -> dict[str, Any] | None:
    if type(prediction) is not Prediction or prediction._completions is not None:
        return None
    fields = dict(prediction.items(include_dspy=True))
    return fields if _is_plain(fields) else None


def _is_plain(value: object, depth: int = 0) -> bool:
    if type(value) in _PLAIN:
        return True
    if depth > 20:
        return False
    if type(value) is list:
        return all(_is_plain(part, depth + 1) for part in value)
    if type(value) is dict:
        return all(type(name) is str and _is_plain(part, depth + 1) for name, part in value.items())
    return False


@cache
def _decoder() -> msgspec.msgpack.Decoder[_Record]:
    return msgspec.msgpack.Decoder(_Record)
