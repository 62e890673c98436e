"""What goes to a language model and what comes back, as plain frozen values.

Every transport, cache and fake speaks these and nothing else, so none needs to know another's provider. What a
request does not use leaves no trace in its JSON, so that kept answers keep their keys when a part is added here.
Made once and of plain values, they can be part of no cycle: Python's collector need not look at them (`gc=False`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "other"]


class TextPart(msgspec.Struct, frozen=True, gc=False, tag="text"):
    """Text beside other parts."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, gc=False, tag="image", omit_defaults=True):
    """An image: an address, or a `data:` URI that holds it."""

    url: str
    detail: str | None = None


class AudioPart(msgspec.Struct, frozen=True, gc=False, tag="audio"):
    """Sound: base64 text and its format, such as `wav`."""

    data: str
    format: str


class FilePart(msgspec.Struct, frozen=True, gc=False, tag="file", omit_defaults=True):
    """A file: a `data:` URI that holds it, or the id the provider gave it."""

    data: str | None = None
    id: str | None = None
    name: str | None = None


class OtherPart(msgspec.Struct, frozen=True, gc=False, tag="other"):
    """A part in a provider's own form: a JSON object with a `type`, passed on as it is."""

    body: msgspec.Raw


Part = TextPart | ImagePart | AudioPart | FilePart | OtherPart


class Call(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A model's wish to have a tool called."""

    id: str
    name: str
    arguments: str = "{}"
    """JSON text, as the model wrote it: it may be broken."""


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One turn of a conversation."""

    role: Role
    content: str | tuple[Part, ...] = ""
    calls: tuple[Call, ...] = ()
    """What an assistant's turn asked to have called."""
    call_id: str = ""
    """The call that a tool's turn answers."""

    @property
    def text(self) -> str:
        """The content without what is no text.

        Example:
            >>> Message(role="user", content=(TextPart("Who is "), ImagePart("http://x/1.png"), TextPart("this?"))).text
            'Who is this?'
        """
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class ToolSpec(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A tool that a model may ask to have called."""

    name: str
    description: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b'{"type":"object","properties":{}}')
    """JSON schema of its arguments."""


class Request(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One question to a model: everything that decides the answer, and no key."""

    model: str
    """Provider and model, `provider/model`, as the user wrote it."""
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    response_format: msgspec.Raw | None = None
    """The form of the answer in OpenAI's words: `{"type": "json_object"}` or `{"type": "json_schema", ...}`."""
    options: dict[str, msgspec.Raw] | None = None
    """Further provider parameters, JSON-encoded, passed on as they are."""
    rollout_id: int | None = None
    """Distinguishes otherwise equal requests that must not share a cached answer."""
    inputs: tuple[str, ...] = ()
    """Texts to be embedded: a request that has some asks for vectors, and has no messages."""


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Tokens of one call."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


class Choice(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One completion."""

    text: str = ""
    finish: FinishReason = "stop"
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    """What a reasoning model thought on the way, where its provider tells."""
    citations: tuple[dict[str, object], ...] = ()
    """Where the text was taken from, as the provider says it."""


class Chunk(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A piece of the first completion while it is being written."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    """Calls that are complete."""
    finish: FinishReason | None = None
    """Given with the last piece."""


class Response(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer to one Request."""

    choices: tuple[Choice, ...]
    usage: Usage = Usage()
    model: str = ""
    """The model as the provider names it."""
    cost: float | None = None
    """US dollars; None where the price is not known."""
    cached: bool = False
    vectors: tuple[bytes, ...] = ()
    """One vector for each of the request's `inputs`, as 32-bit floats, the lowest byte first; no `choices` then."""
    by: str = ""
    """Who answered, as the user named it, where that is not the model that was asked: a fallback."""
    seconds: float = 0.0
    """How long the answer itself took, where the call may have had to wait for its turn or for a second try."""

    @property
    def text(self) -> str:
        """The first completion."""
        return self.choices[0].text
