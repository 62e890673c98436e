"""The smallest value for a schema, where nobody demonstrated one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from dspex.lm.practice.schema import fitting, in_words, minimal, number


class Leaf(BaseModel):
    name: str = Field(min_length=2, max_length=3)
    kind: Literal["b", "a"]
    count: int = Field(gt=3, multiple_of=5)
    ratio: float = Field(gt=0, lt=0.5)
    pair: tuple[int, str]
    some: list[bool] = Field(min_length=2)
    note: str | None
    open: Any
    preset: int = 7


class Tree(BaseModel):
    left: Tree | None
    right: Tree | None
    leaf: Leaf | int


TYPES = [Leaf, Tree, list[Leaf], dict[str, int], Leaf | None, int | None, Literal["x"] | None, None, float]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_the_value_is_valid_for_its_type(kind: Any) -> None:
    """What is written for pydantic's schema of a type, pydantic reads as that type."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    adapter.validate_python(minimal(adapter.json_schema(), "something to say"), strict=False)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (None, None),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": None}, None),
        ({"default": 3, "type": "integer"}, 3),
        ({"type": ["integer", "null"]}, None),
        ({"type": ["boolean"]}, False),
        ({"type": []}, None),
        ({"type": "string", "format": "date"}, "2000-01-01"),
        ({"allOf": [{"type": "integer"}, {"minimum": 2}]}, 2),
        ({"oneOf": [{"type": "null"}]}, None),
        ({"$ref": "#/$defs/gone"}, None),
        ({"type": "array", "minItems": 2, "items": {"type": "null"}}, [None, None]),
        ({"type": "integer", "minimum": 4, "maximum": 3}, 0),
    ],
)
def test_each_part_of_a_schema_is_read(schema: object, value: object) -> None:
    """Each word of a schema has its smallest answer; what cannot be met gets a harmless one."""
    assert minimal(schema) == value


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "minimum": st.integers(-50, 50),
            "maximum": st.integers(51, 90),
            "exclusiveMinimum": st.integers(-50, 50),
            "exclusiveMaximum": st.integers(52, 90),
        },
    ),
    st.floats(allow_nan=False),
    st.booleans(),
)
def test_numbers_keep_their_bounds(bounds: dict[str, object], first: float, whole: bool) -> None:
    """A number that is found somewhere is kept if it fits, and moved inside the bounds if it does not."""
    value = number(bounds, whole=whole, first=first)
    limits = {
        "ge": bounds.get("minimum"),
        "le": bounds.get("maximum"),
        "gt": bounds.get("exclusiveMinimum"),
        "lt": bounds.get("exclusiveMaximum"),
    }
    adapter: TypeAdapter[float] = TypeAdapter(Annotated[int if whole else float, Field(**limits)])  # type: ignore[arg-type]
    assert adapter.validate_python(value) == value
    if not bounds and not whole and abs(first) != float("inf"):
        assert value == first


def test_bounds_in_words_are_read() -> None:
    """The chat layout tells bounds in words; lengths are told apart from amounts."""
    told = in_words("the stars; at least 1; less than 6; a multiple of 2; at most 9 long; less than 3 long")
    assert told == {"minimum": 1.0, "exclusiveMaximum": 6.0, "multipleOf": 2.0, "maxLength": 9.0}
    assert fitting(told, "a long sentence") == "a long se"
    assert fitting({"minLength": 5}, "abc") == "abc--"


def test_a_schema_without_end_comes_to_an_end() -> None:
    """A type that holds itself twice, or asks for too many items, is cut off."""
    ring = {"required": ["l", "r"], "properties": {"l": {"$ref": "#/$defs/A"}, "r": {"$ref": "#/$defs/A"}}}
    assert minimal({"$ref": "#/$defs/A", "$defs": {"A": ring}}) == {
        "l": {"l": None, "r": None},
        "r": {"l": None, "r": None},
    }
    nested: dict[str, Any] = {"type": "null"}
    for _ in range(60):
        nested = {"type": "array", "minItems": 2, "items": nested}
    assert len(str(minimal(nested))) < 10_000
