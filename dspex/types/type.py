"""`Type`: what a user subclasses to give values of his own a form in prompts.

Apart from `base.py`, because it is a pydantic model and pydantic takes its time to import.
"""

from __future__ import annotations

import json
from typing import Any, Self, get_args, get_origin

import pydantic

from dspex.lm.messages import Chunk
from dspex.signatures.annotations import json_schema
from dspex.types.base import Special
from dspex.types.parts import Collector, saved, writing, written


class Type(pydantic.BaseModel, Special):
    """A value with a form of its own in prompts; subclass it and write `format`.

    Example:
        >>> class Video(Type):
        ...     url: str
        ...
        ...     def format(self):
        ...         return [{"type": "video_url", "video_url": {"url": self.url}}]
        >>> Video(url="https://example.org/v.mp4").format()[0]["type"]
        'video_url'
    """

    def format(self) -> Any:
        """Return the value as it stands in a prompt.

        Returns:
            text, or a list of content parts as OpenAI's API writes them in a user's message.
        """
        raise NotImplementedError(
            f"`{type(self).__name__}` has no `format` method; return text or content parts there."
        )

    @classmethod
    def description(cls) -> str:
        """Say in words for the model what values of this type look like."""
        return ""

    @classmethod
    def extract_custom_type_from_annotation(cls, annotation: Any) -> list[Any]:
        """Return each type in an annotation that is this type or a subclass, in order.

        Example:
            >>> from dspex.types.image import Image
            >>> Type.extract_custom_type_from_annotation(list[dict[str, Image]])
            [<class 'dspex.types.image.Image'>]
        """
        if get_origin(annotation) is None:
            return [annotation] if isinstance(annotation, type) and _is(annotation, cls) else []
        return [t for a in get_args(annotation) for t in cls.extract_custom_type_from_annotation(a)]

    @pydantic.model_serializer(mode="wrap")
    def serialize_model(
        self, handler: pydantic.SerializerFunctionWrapHandler, info: pydantic.SerializationInfo
    ) -> Any:
        """Write the value: its parts to whoever collects them, its fields in answers, DSPy's form in saved programs."""
        how = writing(info.context)
        if how == "plain":
            return handler(self)
        form = self.prompt_form() if isinstance(how, Collector) else self.format()
        if not isinstance(form, list):
            return form
        return how.take(form) if isinstance(how, Collector) else saved(form)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: pydantic.GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.__module__.startswith("dspex."):
            schema.pop(
                "description", None
            )  # our docstrings are for people; a user's own may be for the model
        return schema

    @classmethod
    def adapt_to_native_lm_feature(
        cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]
    ) -> Any:
        """Take a field out of the signature where the model offers it by itself.

        Args:
            signature: what is asked.
            field_name: the field of this type.
            lm: the model that is asked.
            lm_kwargs: options of the call; changed in place.

        Returns:
            the signature, without the field where the model's own feature takes its place.
        """
        return signature

    @classmethod
    def is_streamable(cls) -> bool:
        """Tell whether values of this type arrive piece by piece."""
        return False

    @classmethod
    def parse_stream_chunk(cls, chunk: Chunk) -> Any:
        """Return what a piece of a stream holds of this type, or None."""
        return None

    @classmethod
    def parse_lm_response(cls, response: Any) -> Any:
        """Return the value of this type that an answer holds beside its text, or None."""
        return None

    @classmethod
    def type_phrase(cls) -> str:
        """Return the type as a prompt names it for an output: JSON of its fields."""
        return f"JSON: {json.dumps(json_schema(cls), ensure_ascii=False, separators=(',', ':'))}"

    @classmethod
    def from_completion(cls, text: str) -> Self:
        r"""Return the value that a model's text stands for: JSON, with or without a code fence or words around it.

        Raises:
            ValueError: it stands for none.

        Example:
            >>> from dspex.types.image import Image
            >>> Image.from_completion('```json\n{"url": "https://example.org/cat.png"}\n```')
            Image(url='https://example.org/cat.png')
        """
        return cls.model_validate(_json_in(text))

    def prompt_form(self) -> str | list[dict[str, Any]]:
        """Return what `format` gives, an object as JSON text."""
        form = self.format()
        return form if isinstance(form, (str, list)) else written(form, None)

    def completion_form(self) -> str:
        """Return the text with which a model would answer this value: JSON of its fields."""
        return written(self, "plain")


def _is(annotation: type, wanted: type) -> bool:
    # A Reasoning is a true str, so it cannot be a model too; to whoever asks for types it is one all the same.
    reasoning = wanted is Type and getattr(annotation, "__dspex_type__", "") == "reasoning"
    return reasoning or wanted in annotation.__mro__


def _json_in(text: str) -> Any:
    """Return the JSON value of a text, or the first object or array in it, or the text itself."""
    body = text.strip()
    head, line_end, rest = body.partition("\n")
    if line_end and head.startswith("```") and rest.endswith("```"):
        body = rest.removesuffix("```").strip()
    starts = [0, *(body.find(c) for c in "{[" if c in body)]
    for start in sorted(starts):
        try:
            value, end = json.JSONDecoder().raw_decode(body[start:])
        except (ValueError, RecursionError):
            continue
        if start or end == len(body):
            return value
    return body
