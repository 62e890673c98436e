"""What a failed call means: HTTP status and body -> one error of our tree.

One table for both transports, so that retry, breaker and user meet the same errors whoever carried the call.
Status decides; the provider's words only tell apart what one status means twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from dspex import _clock
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMError,
    LMInvalidRequestError,
    LMQuotaError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
)
from dspex.lm.messages import Response
from dspex.lm.secret import Secret, public_url, redact

_TOO_LONG = re.compile(
    r"context[ _]length|maximum context|context[ _]window|prompt is too long|too many (?:input )?tokens"
    r"|input (?:is )?too long|reduce the length",
    re.IGNORECASE,
)
_CREDIT = "add some there or use another key, then `lm.pool.reset()`"
_NO_CREDIT = re.compile(
    r"insufficient[_ ](?:quota|balance|credits?)|exceeded your current quota|billing_hard_limit"
)


class _Detail(msgspec.Struct):
    message: object = None
    code: object = None
    type: object = None


class _Envelope(msgspec.Struct):
    error: _Detail | str | None = None
    message: object = None
    detail: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who was asked, for the words of an error; holds the secrets to keep out of it.

    Attributes:
        model: as the user wrote it.
        provider: its name.
        hint: how the user can set the key.
        secrets: values that no text may show.
    """

    model: str
    provider: str
    hint: str = "pass api_key="
    secrets: tuple[Secret, ...] = ()

    def error(
        self, kind: type[LMError], words: str, said: str = "", *, status: int = 0, retry_after: float = 0.0
    ) -> LMError:
        """Make an error of this kind: our words, then what came from outside, cleaned and cut."""
        text = f"{words}: {redact(said, self.secrets)}" if said else f"{words}."
        return kind(text, model=self.model, provider=self.provider, status=status, retry_after=retry_after)


def failure(caller: Caller, status: int, body: str, *, retry_after: float = 0.0, code: str = "") -> LMError:
    """Return the error that an HTTP answer stands for.

    Args:
        caller: who was asked.
        status: HTTP status, 300 and above.
        body: the answer's text, as it came.
        retry_after: seconds, from `retry_after_seconds`.
        code: the provider's word for the error, where it is known from elsewhere than the body.

    Example:
        >>> failure(Caller(model="openai/x", provider="openai"), 503, "down").kind
        'server'
    """
    said, inner = read_error(body)
    kind, words = _classify(caller, status, said, f"{code} {inner}")
    return caller.error(kind, words, said, status=status, retry_after=retry_after)


def timed_out(caller: Caller, seconds: float) -> LMError:
    """Return the error for an answer that did not come in time."""
    return caller.error(
        LMTimeoutError, f"No answer from `{caller.provider}` within {seconds:g} s; raise it with timeout="
    )


def broken(caller: Caller, text: str) -> LMError:
    """Return the error for a connection that could not be made or broke."""
    return caller.error(LMTransportError, f"The connection to `{caller.provider}` failed", text)


def unreadable(caller: Caller, text: str, status: int = 200) -> LMError:
    """Return the error for an answer that is none."""
    return caller.error(
        LMUnexpectedError, f"`{caller.provider}` answered something unreadable", text, status=status
    )


def unsendable(caller: Caller, text: str) -> LMError:
    """Return the error for a key or a header that no request can carry."""
    return caller.error(
        LMAuthError, f"The key or a header for `{caller.provider}` cannot be sent; {caller.hint}", text
    )


def redirected(caller: Caller, status: int, location: str, name: str = "api_base=") -> LMError:
    """Return the error for an answer that names another address: neither key nor prompt is taken there."""
    where = f" to `{redact(public_url(location), limit=200)}`" if location else ""
    words = f"`{caller.provider}` sends on{where} (status {status}), which is not followed; if you know it, name it in {name}"
    return caller.error(LMUnexpectedError, words, status=status)


def missing_key(caller: Caller, names: Iterable[str]) -> LMError:
    """Return the error for a provider whose key is not set."""
    first = next(iter(names), "")
    how = f"set {first} or pass api_key=" if first else "pass api_key="
    return caller.error(LMAuthError, f"No key for `{caller.provider}`: {how}")


def given(answer: Response | LMError | None) -> Response:
    """Return the answer of a call or raise its error; None stands for a task that was cancelled.

    Transports hand their errors over as values, so that what is raised holds none of the frames with the key.
    """
    if isinstance(answer, LMError):
        raise answer
    if answer is None:
        raise asyncio.CancelledError
    return answer


def read_error(body: str) -> tuple[str, str]:
    """Return what an error body says and its code, or its beginning and "" where it is no JSON."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return " ".join(body.split()), ""
    inner = envelope.error
    if isinstance(inner, _Detail):
        return str(inner.message or body), f"{inner.code or ''} {inner.type or ''}".strip()
    return str(inner or envelope.message or envelope.detail or body), ""


def retry_after_seconds(value: str | None) -> float:
    """Return the seconds a Retry-After header asks for, written as a number or as an HTTP date; 0.0 for none.

    Example:
        >>> retry_after_seconds("1.5")
        1.5
    """
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(value).timestamp() - _clock.now()
        except (ValueError, OverflowError):
            return 0.0
    return max(0.0, seconds) if seconds < float("inf") else 0.0


def _classify(caller: Caller, status: int, said: str, code: str) -> tuple[type[LMError], str]:
    name = f"`{caller.provider}`"
    match status:
        case 401 | 403:
            return LMAuthError, f"{name} refused the key ({status}); {caller.hint}"
        case 402:
            return LMQuotaError, f"The account at {name} has no credit left (402); {_CREDIT}"
        case 429 if _NO_CREDIT.search(code) or _NO_CREDIT.search(said):
            return LMQuotaError, f"The account at {name} has no credit left (429); {_CREDIT}"
        case 429:
            return LMRateLimitError, f"{name} asks to slow down (429)"
        case 404:
            return LMInvalidRequestError, f"unknown model `{caller.model}` at {name} (404)"
        case 407:
            return LMInvalidRequestError, f"The proxy before {name} wants a user and a password (407)"
        case 408 | 504:
            return LMTimeoutError, f"{name} took too long ({status})"
        case 400 | 413 | 422 if "context_length" in code or _TOO_LONG.search(said):
            return (
                ContextWindowExceededError,
                f"The prompt is longer than `{caller.model}` can read ({status})",
            )
    if status == 409 or status >= 500:
        return LMServerError, f"{name} failed ({status})"
    if status >= 400:
        return LMInvalidRequestError, f"{name} refuses this request ({status})"
    return LMUnexpectedError, f"{name} answered with status {status}"
