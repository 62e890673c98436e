"""What comes out of a streamed program before its answer does: pieces of fields, and words about what goes on."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import msgspec


@dataclass
class StreamResponse:
    """A piece of an output field.

    Attributes:
        predict_name: the predictor that is asked, by its path in the program.
        signature_field_name: the field.
        chunk: the text of this piece; all pieces of a field together are the field's text.
        is_last_chunk: whether the field ends with it.
    """

    predict_name: str
    signature_field_name: str
    chunk: str
    is_last_chunk: bool


@dataclass
class ModelChunk:
    """A piece of a model's answer as it came: what a streamed program yields where no field is listened to."""

    text: str
    reasoning: str = ""
    predict_name: str = ""
    finish: str | None = None

    @property
    def choices(self) -> list[Any]:
        """The piece in OpenAI's shape: `chunk.choices[0].delta.content`."""
        delta = SimpleNamespace(content=self.text, reasoning_content=self.reasoning or None)
        return [SimpleNamespace(index=0, delta=delta, finish_reason=self.finish)]

    def json(self) -> str:
        """Return the piece as JSON text."""
        return msgspec.json.encode(
            {"text": self.text, "reasoning": self.reasoning, "predict": self.predict_name}
        ).decode()


@dataclass
class StatusMessage:
    """A line about what the program does now.

    Attributes: `message`, the line.
    """

    message: str


class StatusMessageProvider:
    """Says in words what a streamed program does; override what you want to be told.

    Each method returns a line, or None for nothing. By default only tools are told of.

    Example:
        >>> class Told(StatusMessageProvider):
        ...     def module_start_status_message(self, instance, inputs):
        ...         return f"{type(instance).__name__} starts"
        >>> Told().module_start_status_message("", {})
        'str starts'
    """

    def tool_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str | None:
        """Say that a tool is about to be called."""
        return f"Using the tool {instance.name} …"

    def tool_end_status_message(self, outputs: Any) -> str | None:
        """Say that a tool has answered."""
        return "The tool has answered; the model reads it …"

    def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str | None:
        """Say that a module is about to run."""
        return None

    def module_end_status_message(self, outputs: Any) -> str | None:
        """Say that a module has answered."""
        return None

    def lm_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str | None:
        """Say that a model is about to be asked."""
        return None

    def lm_end_status_message(self, outputs: Any) -> str | None:
        """Say that a model has answered."""
        return None
