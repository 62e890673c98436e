"""Chance without a generator: the same request always draws the same numbers.

Hunches come from it at any temperature, samples only above zero. Apart because nothing here may depend on the
process, the order of calls or the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from dspex.lm.messages import Request

_SPREAD = 0.05
"""How far a temperature of 1 moves a score, in the units of `choose`."""


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """The luck of one choice of one request."""

    temperature: float = 0.0
    key: str = ""

    @classmethod
    def of(cls, request: Request, index: int) -> Chance:
        """Return the luck of choice number `index`; at temperature zero all choices share one."""
        temperature = max(0.0, request.temperature or 0.0)
        key = f"{request.rollout_id}/{index}/{temperature}" if temperature else ""
        return cls(temperature=temperature, key=key)

    def jitter(self, *about: str) -> float:
        """Return what sampling adds to a score: nothing at temperature zero, Gumbel noise above."""
        if not self.temperature:
            return 0.0
        drawn = min(max(uniform(self.key, *about), 1e-9), 1 - 1e-9)
        return -math.log(-math.log(drawn)) * _SPREAD * self.temperature

    def pick(self, options: Iterable[str], *about: str) -> str:
        """Pick one option; always the same at temperature zero."""
        known = list(options)
        return known[int(uniform(self.key, *about) * len(known))]


def uniform(*about: str) -> float:
    """Return a number in [0, 1) that is fixed by these texts."""
    raw = blake2b("\x00".join(about).encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return int.from_bytes(raw, "big") / 2**48
