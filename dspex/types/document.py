"""A text or PDF that a model can quote from."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from dspex.errors import ContentError
from dspex.types.parts import unsaved
from dspex.types.type import Type


class Document(Type):
    """A document that answers can cite: plain text, or a PDF as base64 text.

    Example:
        >>> Document(data="Water boils at 100 degrees.", title="Physics")
        Document('Physics', 27 chars)
    """

    __dspex_type__ = "document"

    data: str
    title: str | None = None
    media_type: Literal["text/plain", "application/pdf"] = "text/plain"
    context: str | None = None

    def format(self) -> list[dict[str, Any]]:
        """Return the document as a content part with citations turned on, as Anthropic's API takes it."""
        kind = "base64" if self.media_type == "application/pdf" else "text"
        source = {"type": kind, "media_type": self.media_type, "data": self.data}
        block: dict[str, Any] = {"type": "document", "source": source, "citations": {"enabled": True}}
        block.update({k: v for k, v in (("title", self.title), ("context", self.context)) if v})
        return [block]

    @classmethod
    def description(cls) -> str:
        """Say in words for the model what a document is."""
        return "a text with its title, to answer from and to quote"

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read a document from its text or from an object with its fields.

        Raises:
            ContentError: the value is neither.
        """
        if (block := unsaved(data)) is not None:
            return _fields(block)
        if isinstance(data, str):
            return {"data": data}
        if isinstance(data, (cls, dict)):
            return data
        raise ContentError("A `Document` is text or an object with the text in `data`.")

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"Document({f'{self.title!r}, ' if self.title else ''}{len(self.data)} chars)"


def _fields(block: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a document from its content part."""
    source = block.get("source")
    known = {k: source[k] for k in ("data", "media_type") if k in source} if isinstance(source, dict) else {}
    return known | {k: block[k] for k in ("title", "context") if k in block}
