"""Where an answer was taken from, as the model or its provider says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pydantic

from dspex.errors import ContentError
from dspex.lm.messages import Choice, Chunk
from dspex.types.type import Type


class Citations(Type):
    """The places an answer was taken from; reads like a list of them.

    Example:
        >>> found = Citations.from_dict_list(
        ...     [{"cited_text": "Water boils", "document_index": 0, "start_char_index": 0, "end_char_index": 11}]
        ... )
        >>> len(found), found[0].cited_text
        (1, 'Water boils')
    """

    __dspex_type__ = "citations"

    class Citation(Type):
        """One quoted place of one document."""

        type: str = "char_location"
        cited_text: str
        document_index: int
        document_title: str | None = None
        start_char_index: int
        end_char_index: int
        supported_text: str | None = None

        def format(self) -> dict[str, Any]:
            """Return the citation as an object, without what is not known."""
            needed = ("type", "cited_text", "document_index", "start_char_index", "end_char_index")
            found = {name: getattr(self, name) for name in needed}
            return found | {n: v for n in ("document_title", "supported_text") if (v := getattr(self, n))}

    citations: list[Citation]

    @classmethod
    def from_dict_list(cls, citations_dicts: Sequence[dict[str, Any]]) -> Citations:
        """Return citations from objects with their fields."""
        return cls(citations=[cls.Citation(**item) for item in citations_dicts])

    @classmethod
    def description(cls) -> str:
        """Say in words for the model what citations are."""
        return "for each claim the exact words of the source and where they stand in which document"

    def format(self) -> list[dict[str, Any]]:
        """Return the citations as objects."""
        return [citation.format() for citation in self.citations]

    @pydantic.model_serializer()
    def serialize_model(self) -> dict[str, Any]:  # type: ignore[override]  # pydantic calls it either way
        """Write the citations as an object that reads back."""
        return {"citations": self.format()}

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read citations from a list of objects, from an object with that list, or from a single object.

        Raises:
            ContentError: the value is none of them.
        """
        if isinstance(data, cls):
            return data
        if isinstance(data, dict):
            data = [data] if "cited_text" in data else data.get("citations")
        if not isinstance(data, list):
            raise ContentError("`Citations` are a list of objects with `cited_text` and its place.")
        return {"citations": data}

    @classmethod
    def adapt_to_native_lm_feature(
        cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]
    ) -> Any:
        """Take the field out of the signature for providers that cite documents by themselves."""
        return signature.delete(field_name) if lm.model.startswith("anthropic/") else signature

    @classmethod
    def is_streamable(cls) -> bool:
        """Citations arrive one by one."""
        return True

    @classmethod
    def parse_stream_chunk(cls, chunk: Chunk) -> Citations | None:
        """Return the citations in a piece of a stream, or None."""
        return cls._from(getattr(chunk, "citations", ()))

    @classmethod
    def parse_lm_response(cls, response: Any) -> Citations | None:
        """Return the citations that came beside the text of an answer, or None."""
        if isinstance(response, Choice):
            return cls._from(response.citations)
        return cls._from(response.get("citations")) if isinstance(response, dict) else None

    @classmethod
    def _from(cls, found: object) -> Citations | None:
        return cls.from_dict_list(found) if isinstance(found, (list, tuple)) and found else None

    def prompt_form(self) -> str:
        """Return the citations as JSON text: they are no content parts."""
        return json.dumps(self.serialize_model(), ensure_ascii=False, separators=(",", ":"))

    def completion_form(self) -> str:
        """Return the citations as JSON text."""
        return self.prompt_form()

    def __iter__(self) -> Iterator[Citation]:  # type: ignore[override]  # DSPy's: over citations, not over fields
        return iter(self.citations)

    def __len__(self) -> int:
        return len(self.citations)

    def __getitem__(self, index: int) -> Citation:
        return self.citations[index]
