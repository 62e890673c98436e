"""What a worker gives back for one example: plain values, and what Dask can carry of the prediction and the error.

Apart because both sides must agree on it. An error that has no form on the way becomes a text of its own kind: the
run must not fail because an error could not travel.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from dspex import _canon, errors
from dspex.data.example import Prediction
from dspex.errors import BudgetExceeded, DataError, DspexError, Interruption, LMAuthError, LMError, UsageError
from dspex.evaluate.cells import Cell
from dspex.lm.recorded import error_of
from dspex.lm.secret import redact

LONG = 8000
"""Characters of a traceback that go along."""
_ABOUT = ("model", "provider", "status", "request_id", "retry_after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as it travels."""

    name: str
    """Its class."""
    text: str
    kind: str = ""
    """Of an error that a model's provider made."""
    about: dict[str, Any] = field(default_factory=dict)
    partial: str = ""
    itself: Exception | None = None
    """The error, where Dask can carry it."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one go at an example came to."""

    go: str
    """Names this go: after a worker is lost there is another."""
    mark: str
    """Names the worker's process."""
    batches: int
    """Batches of events that it has sent by now."""
    calls: int
    cost: float
    known_calls: int
    """Calls that earlier lives of the run had made and paid for, beside `calls`."""
    known_cost: float
    used: dict[str, float]
    """What the go took of the budget, by kind."""
    cell: dict[str, Any] | None = None
    """The cell's plain fields; None where the go ended without one."""
    prediction: Any = None
    failure: Failure | None = None
    over: bool = False
    """Whether it would have gone beyond its lease."""


def pack_error(error: BaseException, *, told: bool) -> Failure:
    """Return an error as it travels.

    Args:
        error: any.
        told: whether its traceback goes along, as a note.
    """
    notes = (redact("".join(traceback.format_exception(error)), limit=LONG),) if told else ()
    if isinstance(error, LMError):
        about = {name: getattr(error, name) for name in _ABOUT}
        return Failure(
            name=type(error).__name__, text=error.message, kind=error.kind, about=about, partial=error.partial, notes=notes
        )  # fmt: skip
    if isinstance(error, BudgetExceeded):
        return Failure(name="BudgetExceeded", text=str(error), about={"what": error.what})
    # What it came from stays on the worker: a provider's library keeps requests, and so keys, in there.
    error.__cause__ = error.__context__ = error.__traceback__ = None
    whole = isinstance(error, Exception) and not isinstance(error, (UsageError, Interruption))
    itself = error if whole and sendable(error, alike=True) else None
    return Failure(name=type(error).__name__, text=str(error), itself=itself, notes=notes)  # type: ignore[arg-type]  # `whole` says that it is an Exception


def unpack_error(failure: Failure) -> Exception:
    """Return the error, or one that says the same."""
    error: Exception
    if failure.kind:
        error = refused = error_of(failure.kind, failure.text + _hint(failure), **failure.about)
        refused.partial = failure.partial
    elif failure.itself is not None:
        error = failure.itself
    else:
        known = getattr(errors, failure.name, None)
        if isinstance(known, type) and issubclass(known, (UsageError, Interruption)):
            error = known(failure.text)
        else:
            error = DspexError(f"{failure.name}: {failure.text}")
    for note in failure.notes:
        error.add_note(f"On the worker:\n{note}")
    return error


def pack_cell(cell: Cell, *, told: bool) -> dict[str, Any]:
    """Return what a `Reply` says of a cell, by the names of its fields."""
    return {
        "cell": {
            "example": cell.example, "score": cell.score, "feedback": cell.feedback, "error": cell.error,
            "seconds": cell.seconds, "repeat": cell.repeat, "parts": dict(cell.parts),
        },
        "prediction": _sendable_prediction(cell.prediction),
        "failure": None if cell.failure is None else pack_error(cell.failure, told=told),
    }  # fmt: skip


def unpack_cell(reply: Reply, cost: float) -> Cell:
    """Return the cell of a reply that has one."""
    assert reply.cell is not None, "only a go that came to its end has a cell"
    failure = None if reply.failure is None else unpack_error(reply.failure)
    return Cell(**reply.cell, cost=cost, prediction=reply.prediction, failure=failure)


def sendable(value: object, *, alike: bool = False) -> bool:
    """Tell whether Dask can carry a value; with `alike`, also whether what arrives is of the same class."""
    from distributed.protocol.serialize import deserialize, serialize

    try:
        header, frames = serialize(value, on_error="raise")
        return not alike or type(deserialize(header, frames)) is type(value)  # type: ignore[no-untyped-call]
    except Exception:  # whatever a user's own objects raise: then something plainer goes in their place
        return False


def _sendable_prediction(prediction: Any) -> Any:
    if prediction is None or sendable(prediction):
        return prediction
    try:
        fields: Any = _canon.to_builtins(dict(prediction.items()))
    except (DataError, AttributeError, TypeError):
        return None
    return Prediction(fields)


def _hint(failure: Failure) -> str:
    if failure.kind != LMAuthError.kind:
        return ""
    return (
        " This was on a worker, where keys come from its own environment: "
        "`dspex.executors.give_keys(client, {...})` sets them."
    )
