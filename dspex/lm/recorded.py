"""A model's answers in a run's ledger: taken where an earlier life of the run was given them, kept where not.

Errors are answers here too, or a resumed run would take another way than it took; but not those that end a run (a
wrong key, no credit, a provider at rest): after them going on means asking again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from dspex import _canon
from dspex.errors import LMAuthError, LMError, LMQuotaError, LMUnavailableError
from dspex.events.event import LMEnd
from dspex.lm.messages import Request, Response
from dspex.scope.ledger import Ledger, Step

ENDING = (LMAuthError, LMQuotaError, LMUnavailableError)


class _Failure(msgspec.Struct, omit_defaults=True):
    kind: str
    message: str
    status: int = 0
    provider: str = ""
    retry_after: float = 0.0
    partial: str = ""


class _Record(msgspec.Struct, omit_defaults=True):
    response: Response | None = None
    failure: _Failure | None = None


def step_of(ledger: Ledger, request: Request) -> Step:
    """Return the step that asking this is, whichever model is asked: a person may have switched it meanwhile."""
    request = msgspec.structs.replace(request, model="")
    try:
        body = msgspec.json.encode(request)
    except UnicodeEncodeError:  # half a character, as models send them
        body = _canon.canonical(request).encode()
    return ledger.step("lm", body)


def recorded(step: Step, request: Request) -> tuple[Response, float] | None:
    """Return the answer of an earlier life, free by now, and what it cost then; None where the model is to be asked.

    Raises:
        LMError: an earlier life got this error for an answer.
    """
    body = step.recorded()
    if body is None:
        return None
    record = _decoder().decode(body)
    if record.failure is not None:
        failure = record.failure
        error = error_of(
            failure.kind, failure.message, model=request.model, provider=failure.provider, status=failure.status,
            retry_after=failure.retry_after,
        )  # fmt: skip
        error.partial = failure.partial
        raise error
    assert record.response is not None, "a record holds one or the other"
    return msgspec.structs.replace(record.response, cost=0.0, cached=True), record.response.cost or 0.0


def keep(step: Step, outcome: Response | BaseException | None, event: LMEnd) -> None:
    """Keep how a call ended, with the event that tells of it; a call that was cut off has no outcome."""
    if isinstance(outcome, Response):
        step.keep(_encode(_Record(response=outcome)), event)
    elif isinstance(outcome, LMError) and not isinstance(outcome, ENDING):
        failure = _Failure(
            kind=outcome.kind,
            message=outcome.message,
            status=outcome.status,
            provider=outcome.provider,
            retry_after=outcome.retry_after,
            partial=outcome.partial,
        )
        step.keep(_encode(_Record(failure=failure)), event, failed=True)


def error_of(kind: str, message: str, **about: Any) -> LMError:
    """Return an error of the kind that has this name.

    Example:
        >>> error_of("rate_limit", "Slow down.")
        LMRateLimitError('Slow down.')
    """
    return _kinds().get(kind, LMError)(message, **about)


def _encode(record: _Record) -> bytes:
    try:
        return msgspec.msgpack.encode(record)
    except (UnicodeEncodeError, OverflowError):
        return msgspec.msgpack.encode(_bounded(_canon.legible(msgspec.to_builtins(record))))


def _bounded(value: Any) -> Any:
    """Return plain values with numbers of more than 64 bits as text, which a record can hold."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return hex(value)  # as decimals, Python refuses to write the longest
    if isinstance(value, dict):
        return {name: _bounded(part) for name, part in value.items()}
    return [_bounded(part) for part in value] if isinstance(value, list) else value


@cache
def _decoder() -> msgspec.msgpack.Decoder[_Record]:
    return msgspec.msgpack.Decoder(_Record)


@cache
def _kinds() -> dict[str, type[LMError]]:
    kinds, waiting = {LMError.kind: LMError}, [LMError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            kinds.setdefault(kind.kind, kind)
            waiting.append(kind)
    return kinds
