"""What goes wrong at the test server, and with which request: a list, a share by chance, or a limit.

Apart from the server, because tests write faults down and the server only plays them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dspex import _clock
from dspex.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way not to answer; the fields go together.

    Attributes:
        status: HTTP status of the answer.
        body: its text; None for an error in the provider's form that says `message` and `code`.
        message, code: what the error says; `{authorization}` in the message becomes the header that came.
        retry_after: the Retry-After header: seconds, or an HTTP date.
        headers: further headers.
        latency: seconds before the answer.
        drop: close the connection in place of an answer.
        cut: close it in the midst of the body; with no `body`, in the midst of the true, streamed answer.
        hang: never answer.
        garbage: send bytes that are no HTTP.
        pause: seconds after each piece; of a true, streamed answer where no `status` or `body` is given.
    """

    status: int = 200
    body: str | None = None
    message: str = "it went wrong"
    code: str = "some_error"
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    drop: bool = False
    cut: bool = False
    hang: bool = False
    garbage: bool = False
    pause: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be, where it is written.

        Raises:
            SettingsError: a value cannot be.
        """
        if isinstance(self.status, bool) or not isinstance(self.status, int) or not 200 <= self.status <= 999:
            raise SettingsError(
                f"status={self.status!r} is none that an answer has; give one from 200 to 999."
            )
        check_number("latency", self.latency)
        check_number("pause", self.pause)
        for name, value in self.headers.items():
            if not f"{name}{value}".isprintable() or not f"{name}{value}".isascii():
                raise SettingsError(f"The header {name!r} of a fault holds what no header can carry.")

    @property
    def streams(self) -> bool:
        """Whether a streamed answer begins as it should before anything goes wrong."""
        plain = self.status == 200 and self.body is None and not (self.drop or self.hang or self.garbage)
        return plain and (self.cut or self.pause > 0)


def check_number(name: str, value: object) -> None:
    """Refuse what is no number of at least 0.

    Raises:
        SettingsError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise SettingsError(f"{name}={value!r} cannot be; give a number of seconds of at least 0.")


Mix = Sequence[tuple[float, Fault]]


class Script:
    """Says of each request what goes wrong with it.

    Args:
        first: with the first requests, in order.
        always: with all others; None for nothing.
        mix: shares of all others and what goes wrong with them, by chance.
        seed: of that chance; the k-th request has the same fate in every run.
        limit: requests in flight above which one is refused with status 429.
        per_second: requests in each second above which one is refused with status 429.
        retry_after: what a refusal says about when to come again, in seconds.

    Raises:
        SettingsError: the shares of the mix are none.

    Example:
        >>> script = Script(first=[Fault(status=500)], limit=2)
        >>> script.fate(1, in_flight=1).status, script.fate(2, in_flight=2), script.fate(3, in_flight=3).status
        (500, None, 429)
    """

    def __init__(
        self,
        first: Sequence[Fault] = (),
        always: Fault | None = None,
        mix: Mix = (),
        *,
        seed: int = 0,
        limit: int | None = None,
        per_second: float | None = None,
        retry_after: float | None = None,
    ) -> None:
        given = [*_listed("first", first), *([] if always is None else [always])]
        pairs = [pair if isinstance(pair, (tuple, list)) else () for pair in _listed("mix", mix)]
        if any(len(pair) != 2 for pair in pairs) or any(
            not isinstance(fault, Fault) for fault in [*given, *(pair[1] for pair in pairs)]
        ):
            raise SettingsError(
                "`first` is a list of `Fault(...)`, `always` one, `mix` a list such as [(0.1, Fault(status=503))]."
            )
        total = sum(share for share, _ in mix)
        if any(share < 0 for share, _ in mix) or total > 1 + 1e-9:
            raise SettingsError(
                f"The shares of `mix` are between 0 and 1 and at most 1 together, not {total:g}."
            )
        self.limit = limit
        self.per_second = per_second
        self._first = list(first)
        self._always = always
        self._mix = list(mix)
        self._chance = random.Random(seed)
        self.refusal = Fault(
            status=429, message="Too many requests", code="rate_limit_exceeded", retry_after=retry_after
        )
        self._since = self._count = 0.0

    def fate(self, k: int, in_flight: int) -> Fault | None:
        """Return what goes wrong with the k-th request, counted from 1; None for nothing.

        Args:
            k: its number.
            in_flight: requests being answered, this one included.
        """
        chance = self._chance.random() if self._mix else 0.0
        if k <= len(self._first):
            return self._first[k - 1]
        if self._too_many(in_flight):
            return self.refusal
        for share, fault in self._mix:
            chance -= share
            if chance < 0:
                return fault
        return self._always

    def _too_many(self, in_flight: int) -> bool:
        if self.limit is not None and in_flight > self.limit:
            return True
        if self.per_second is None:
            return False
        now = _clock.monotonic()
        if now - self._since >= 1.0:
            self._since, self._count = now, 0.0
        self._count += 1
        return self._count > self.per_second


def _listed(name: str, given: object) -> list[Any]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise SettingsError(f"`{name}` is a list, not a `{type(given).__name__}`.")
    return list(given)
