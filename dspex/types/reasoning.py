"""A model's reasoning: text, whether the model wrote it into its answer or thought it on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from dspex.errors import ContentError
from dspex.lm.messages import Choice, Chunk
from dspex.types.base import Special

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Reasoning(str, Special):
    """What a model thought; a `str` in every way.

    As an output's type it takes the model's own reasoning where the provider offers that, and asks for text where
    it does not, so that one program serves both kinds of model.

    Example:
        >>> thought = Reasoning(content="12 * 12 is 144")
        >>> thought.content, thought == "12 * 12 is 144", thought.upper()
        ('12 * 12 is 144', True, '12 * 12 IS 144')
    """

    __slots__ = ()
    __dspex_type__ = "reasoning"

    def __new__(cls, content: str) -> Self:
        """Make it from text."""
        if not isinstance(content, str):
            raise ContentError(f"`Reasoning` holds text, not `{type(content).__name__}`; give a str.")
        return super().__new__(cls, content)

    @property
    def content(self) -> str:
        """The text as a plain str."""
        return str.__str__(self)

    def __str__(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        return str.__repr__(self)

    def __add__(self, other: str) -> str:
        text = str.__add__(self, other)
        return type(self)(text) if isinstance(other, Reasoning) else text

    def __radd__(self, other: str) -> str:
        return str(other) + str(self)

    def format(self, *args: object, **kwargs: object) -> str:
        """Return the text for a prompt; with arguments, what `str.format` returns."""
        return str.format(self, *args, **kwargs) if args or kwargs else str(self)

    @classmethod
    def validate_input(cls, data: Any) -> Self:
        """Return the reasoning that a value stands for: text, an object with `content`, or a Reasoning.

        Raises:
            ContentError: it stands for none.
        """
        if isinstance(data, cls):
            return data
        text = data.get("content") if isinstance(data, dict) else data
        if not isinstance(text, str):
            raise ContentError("A `Reasoning` is text or an object with the text in `content`.")
        return cls(text)

    model_validate = validate_input

    def model_dump(self, **_: object) -> str:
        """Return the plain text, as the saved form of DSPy's model of the same name."""
        return str(self)

    def model_dump_json(self, **_: object) -> str:
        """Return the text as JSON."""
        return json.dumps(str(self), ensure_ascii=False)

    @classmethod
    def adapt_to_native_lm_feature(
        cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]
    ) -> Any:
        """Take the field out of the signature where the model reasons by itself, and turn that on.

        `reasoning_effort` of the call goes first, then the model's own; None turns the model's reasoning off.
        """
        effort = lm_kwargs.get("reasoning_effort", lm.kwargs.get("reasoning_effort", "low"))
        if effort is None or not lm.supports_reasoning:
            return signature
        lm_kwargs["reasoning_effort"] = effort
        return signature.delete(field_name)

    @classmethod
    def parse_lm_response(cls, response: Any) -> Self | None:
        """Return the reasoning that came beside the text of an answer, or None."""
        if isinstance(response, Choice):
            return cls(response.reasoning) if response.reasoning else None
        text = response.get("reasoning_content") if isinstance(response, dict) else None
        return cls(text) if isinstance(text, str) else None

    @classmethod
    def parse_stream_chunk(cls, chunk: Chunk) -> str | None:
        """Return the reasoning in a piece of a stream, or None."""
        return chunk.reasoning or None

    @classmethod
    def is_streamable(cls) -> bool:
        """Reasoning arrives piece by piece."""
        return True

    @classmethod
    def type_phrase(cls) -> str:
        """Text, like any other."""
        return "text"

    @classmethod
    def from_completion(cls, text: str) -> Self:
        """Return the text as it is."""
        return cls(text)

    def prompt_form(self) -> str:
        """Return the text."""
        return str(self)

    def completion_form(self) -> str:
        """Return the text."""
        return str(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            cls.validate_input,
            core_schema.is_instance_schema(cls),
            serialization=core_schema.to_string_ser_schema(),
            json_schema_input_schema=core_schema.str_schema(),
        )
