"""Asks the practice model through the real chat adapter, so that what is tested is what a program sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dspex
from dspex.adapters.chat import ChatAdapter
from dspex.lm.messages import Request, Response
from dspex.lm.practice import PracticeTransport

CHAT = ChatAdapter()
SIDES = Literal["north", "south"]

SHOTS = [
    {"text": "snow and ice on the frozen lake", "side": "north"},
    {"text": "polar bears walk over the ice", "side": "north"},
    {"text": "penguins dive from a white shelf", "side": "south"},
    {"text": "albatross and penguins near the cape", "side": "south"},
]


class Side(dspex.Signature):
    """Name the side of the world."""

    text: str = dspex.InputField()
    side: SIDES = dspex.OutputField()


def ask(
    signature: type[dspex.Signature],
    demos: Sequence[Mapping[str, Any]] = (),
    options: Mapping[str, Any] | None = None,
    **inputs: Any,
) -> Response:
    request = Request(model="practice", messages=CHAT.format(signature, demos, inputs), **(options or {}))
    return send(request)


def send(request: Request) -> Response:
    """Drive the transport without a loop: without latency it never waits."""
    try:
        PracticeTransport().send(request).send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("The practice model waited without latency.")


def answer(
    signature: type[dspex.Signature], demos: Sequence[Mapping[str, Any]] = (), **inputs: Any
) -> dict[str, Any]:
    return CHAT.parse(signature, ask(signature, demos, **inputs).text)


def hits(signature: type[dspex.Signature], demos: Sequence[Mapping[str, Any]], rows: Sequence[Any]) -> float:
    return sum(answer(signature, demos, text=text)["side"] == side for text, side in rows) / len(rows)


ROWS = [
    (f"{start} {word} {end}", side)
    for word, side in [("ice", "north"), ("snow", "north"), ("penguins", "south"), ("albatross", "south")]
    for start in ("We saw", "Much talk of", "A report about")
    for end in ("today", "this week", "in June")
]
