"""What goes to a language model and what comes back, as plain frozen values.

Every transport, cache and fake speaks these and nothing else, so none needs to know another's provider.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "other"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: Role
    content: str


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question to a model: everything that decides the answer, and no key."""

    model: str
    """Provider and model, `provider/model`, as the user wrote it."""
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    options: dict[str, msgspec.Raw] | None = None
    """Further provider parameters, JSON-encoded, passed on as they are."""
    rollout_id: int | None = None
    """Distinguishes otherwise equal requests that must not share a cached answer."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one call."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One completion."""

    text: str
    finish: FinishReason = "stop"


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one Request."""

    choices: tuple[Choice, ...]
    usage: Usage = Usage()
    model: str = ""
    """The model as the provider names it."""
    cost: float | None = None
    """US dollars; None where the price is not known."""
    cached: bool = False

    @property
    def text(self) -> str:
        """The first completion."""
        return self.choices[0].text
