"""Program text: `Code`, or `Code["sql"]` for another language than Python.

Apart from plain text, because models put code into fences, which are no part of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, ClassVar, Self

import pydantic

from dspex.errors import ContentError
from dspex.types.type import Type

_FENCED = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"```(.*?)```", re.DOTALL)


class Code(Type):
    r"""Code in a language: the text in `.code`, without the fence a model may put around it.

    Example:
        >>> Code["sql"](code="```sql\nselect 1\n```").code
        'select 1'
        >>> Code["sql"].language
        'sql'
    """

    __dspex_type__ = "code"
    language: ClassVar[str] = "python"

    code: str

    def __class_getitem__(cls, language: Any) -> Any:
        if not isinstance(language, str):
            raise ContentError(f"`Code[...]` takes a language such as `Code['python']`, not `{language!r}`.")
        return _in_language(cls, language)

    def format(self) -> str:
        """Return the code."""
        return self.code

    @pydantic.model_serializer()
    def serialize_model(self) -> str:  # type: ignore[override]  # pydantic calls it either way
        """Write the value as its code."""
        return self.code

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read the code from text, or from an object with the text in `code`; a fence around it is taken off.

        Raises:
            ContentError: the value holds no code.
        """
        if isinstance(data, Code):
            return data if isinstance(data, cls) else {"code": data.code}
        text = data.get("code") if isinstance(data, dict) else data
        if not isinstance(text, str):
            raise ContentError("A `Code` is text or an object with the text in `code`.")
        return {"code": unfenced(text)}

    @classmethod
    def description(cls) -> str:
        """Say in words for the model how code is to be written."""
        return f"the code alone, between a line ```{cls.language.lower()} and a line ```"

    @classmethod
    def type_phrase(cls) -> str:
        """Return the type as a prompt names it."""
        return f"{cls.language} code"

    @classmethod
    def input_phrase(cls) -> str:
        """Return the type as a prompt names it."""
        return cls.type_phrase()

    @classmethod
    def from_completion(cls, text: str) -> Self:
        """Return the code in a model's text; the first fenced block where there are several."""
        return cls.model_validate(text)

    def completion_form(self) -> str:
        """Return the code as it is."""
        return self.code


def unfenced(text: str) -> str:
    """Return what stands in the first code fence of a text, or the text where it has none."""
    for fence in (_FENCED, _INLINE):
        if found := fence.search(text):
            # Indentation of the first line is part of the code; blank lines around it are not.
            return re.sub(r"\A(?:[ \t\r]*\n)+", "", found[1]).rstrip()
    return text


@lru_cache(maxsize=256)
def _in_language(base: type[Code], language: str) -> type[Code]:
    # The same language gives the same class, so that a re-run cell's signature equals the one before.
    made = pydantic.create_model(f"{base.__name__}_{language}", __base__=base, __module__=base.__module__)
    made.language = language
    return made
