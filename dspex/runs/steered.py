"""What a person did to a run, as the event that tells of it; apart, as who resumes a run steers it too."""

from __future__ import annotations

import json

from dspex import _canon
from dspex.errors import UsageError
from dspex.events.event import RunSteered, Verb
from dspex.scope.budget import Caps


def person(by: object) -> str:
    """Return who does something, if that can be told.

    Raises:
        UsageError: it is no text.

    Example:
        >>> person("ann")
        'ann'
    """
    if not isinstance(by, str) or not by.strip():
        raise UsageError(f"`by` says who does it, as text such as `ann`, not {by!r}.")
    return by


def steered(verb: Verb, by: str, text: str, **args: object) -> RunSteered:
    """Return the event: who did what, with what.

    Raises:
        DataError: something it was done with has no JSON form.

    Example:
        >>> steered("concurrency", "ann", "set 4 examples at once", n=4).args
        {'n': '4'}
    """
    plain = {name: json.dumps(_canon.to_builtins(value), ensure_ascii=False) for name, value in args.items()}
    return RunSteered(verb=verb, by=by, text=text, args=plain)


def capped(caps: Caps, by: str) -> RunSteered:
    """Return the event of caps that were set anew.

    Example:
        >>> capped({"usd": 2, "calls": None}, "ann").text
        'set the budget to $2.00, no cap on calls'
    """
    words = ", ".join(_words(kind, cap) for kind, cap in caps.items())
    return steered("budget", by, f"set the budget to {words}", **caps)


def _words(kind: str, cap: float | None) -> str:
    if cap is None:
        return f"no cap on {'money' if kind == 'usd' else 'time' if kind == 'seconds' else kind}"
    return f"${cap:.2f}" if kind == "usd" else f"{cap:,.0f} {kind}"
