"""Values to text and back: what is written, what is forgiven, what is refused."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
from typing import Annotated, Any, Literal

import pydantic
import pytest

from dspex.adapters import parse_value, render_value, type_phrase
from dspex.data.example import Example
from dspex.errors import AdapterParseError, SignatureError
from dspex.signatures import Field, OutputField
from dspex.signatures.field import MISSING


class Team(enum.Enum):
    BILLING = "billing"
    BUG = "bug"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Fact(pydantic.BaseModel):
    title: str
    score: float = 0.5


def an_output(annotation: Any, **constraints: Any) -> Field:
    field: Field = OutputField(**constraints).named("x", annotation)
    return field


@pytest.mark.parametrize(
    ("annotation", "phrase"),
    [
        (str, "text"),
        (int, "integer"),
        (float, "number"),
        (bool, "true or false"),
        (Literal["a b", 'q"', 3], 'one of "a b", "q\\"", 3'),
        (Team, 'one of "billing", "bug"'),
        (Level, "one of 1, 2"),
        (Annotated[int, "n"], "integer"),
        (list[str], 'JSON: {"items":{"type":"string"},"type":"array"}'),
        (str | None, 'JSON: {"anyOf":[{"type":"string"},{"type":"null"}]}'),
        (datetime.date, 'JSON: {"format":"date","type":"string"}'),
        (Any, "JSON: any value"),
        (object, "JSON: any value"),
        (
            Fact,
            'JSON: {"properties":{"title":{"type":"string"},"score":{"default":0.5,"type":"number"}},"required":["title"],"type":"object"}',
        ),
        (Example, "Example"),
    ],
)  # fmt: skip
def test_types_are_told_in_these_words(annotation: Any, phrase: str) -> None:
    """The practice model and the golden prompts read these phrases."""
    assert type_phrase(annotation) == phrase


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  as it is\n", "  as it is\n"),
        (None, "null"),
        (True, "true"),
        (12, "12"),
        (0.1, "0.1"),
        (Team.BUG, "bug"),
        (["é", 1, None], '["é",1,null]'),
        ({"a": [Team.BUG]}, '{"a":["bug"]}'),
        (Fact(title="t"), '{"title":"t","score":0.5}'),
        ([math.inf], "[Infinity]"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        ([Example(a=1)], '[{"a":1}]'),
        ([MISSING], '["missing"]'),
        (Example(a=1), '{"a":1}'),
    ],
)
def test_inputs_are_shown_plainly(value: object, text: str) -> None:
    """Text stays text, the rest is JSON, and a lone string wears no quotes."""
    assert render_value(value) == text


def test_a_value_that_holds_itself_is_shown() -> None:
    """An endless value is written somehow and never an endless loop."""
    loop: list[object] = []
    loop.append(loop)
    assert render_value(loop) == "[[...]]"


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, " kept \n", " kept \n"),
        (int, "`1,234,567`.", 1234567),
        (int, " 3.0", 3),
        (int, "-7", -7),
        (float, "**0.5**", 0.5),
        (float, "1,000.25", 1000.25),
        (bool, "True.", True),
        (bool, "`no`", False),
        (Literal["billing", "bug"], ' "Billing". ', "billing"),
        (Literal["billing", "bug"], "```\nbug\n```", "bug"),
        (Literal["A", "a"], "a", "a"),
        (Literal["'a'", "a"], "'a'", "'a'"),
        (Literal["1", 1], "1", 1),
        (Literal["1", 1], '"1"', "1"),
        (Literal[True, False], "true", True),
        (Team, "BUG", Team.BUG),
        (Team, "Team.BILLING", Team.BILLING),
        (Level, "2", Level.HIGH),
        (Level, "low", Level.LOW),
        (int | None, "null", None),
        (int | None, "1,000", 1000),
        (str | None, "None", None),
        (str | None, '"null"', "null"),
        (str | None, '"Hello" she said', '"Hello" she said'),
        (Literal["a"] | None, "`A`", "a"),
        (list[str], '```json\n["a"]\n```', ["a"]),
        (list[str], 'Here it is: ["a"] as asked', ["a"]),
        (list[str], "['a', 'b']", ["a", "b"]),
        (dict[str, int], '{"a": "1"}', {"a": 1}),
        (Fact, '{"title": "t"}', Fact(title="t")),
        (datetime.date, "2024-01-02", datetime.date(2024, 1, 2)),
        (datetime.date, '"2024-01-02"', datetime.date(2024, 1, 2)),
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (int | str, "five", "five"),
        (int | str, "5", 5),
        (Any, "words", "words"),
        (Any, '{"a": 1}', {"a": 1}),
        (Annotated[int, pydantic.Field(ge=0)], "1,000", 1000),
    ],
)  # fmt: skip
def test_what_models_add_around_a_value_is_forgiven(annotation: Any, text: str, value: object) -> None:
    """Quotes, case, fences and separators do not change the value."""
    read = parse_value(text, an_output(annotation))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, "many", "`x` should be integer, the model wrote `many`; the text is in `.lm_response`."),
        (int, "3.5", "`x` should be integer, the model wrote `3.5`; the text is in `.lm_response`."),
        (int, "1,23", "`x` should be integer, the model wrote `1,23`; the text is in `.lm_response`."),
        (float, "85%", "`x` should be number, the model wrote `85%`; the text is in `.lm_response`."),
        (bool, "maybe", "`x` should be true or false, the model wrote `maybe`; the text is in `.lm_response`."),
        (Team, "sales", '`x` should be one of "billing", "bug", the model wrote `sales`; the text is in `.lm_response`.'),
        (Literal["A", "a"], "'a'", "`x` should be one of \"A\", \"a\", the model wrote `'a'` (it fits more than one of them); the text is in `.lm_response`."),
        (list[int], '["a"]', "`x` should be `list[int]`, the model wrote `[\"a\"]` (0: Input should be a valid integer, unable to parse string as an integer); the text is in `.lm_response`."),
    ],
)  # fmt: skip
def test_what_could_be_wrong_is_refused(annotation: Any, text: str, message: str) -> None:
    """A text that is no value, or could be two, is an error that names the field and shows the text."""
    with pytest.raises(AdapterParseError) as caught:
        parse_value(text, an_output(annotation))
    assert str(caught.value) == message
    assert caught.value.lm_response == text


@pytest.mark.parametrize(
    ("annotation", "constraints", "good", "bad"),
    [
        (float, {"ge": 0, "le": 1}, "0.5", "1.5"),
        (str, {"min_length": 2}, "ab", "a"),
        (list[int], {"max_length": 1}, "[1]", "[1,2]"),
        (int | None, {"gt": 0}, "1", "0"),
    ],
)  # fmt: skip
def test_constraints_hold_for_answers(
    annotation: Any, constraints: dict[str, Any], good: str, bad: str
) -> None:
    """Pydantic's constraints are checked on what the model wrote."""
    field = an_output(annotation, **constraints)
    parse_value(good, field)
    with pytest.raises(AdapterParseError, match=r"Input should be|should have at"):
        parse_value(bad, field)


def test_a_type_nobody_can_read_is_refused_with_the_way_out() -> None:
    """The error is about the signature, not about the answer."""
    with pytest.raises(
        SignatureError, match=r"Values of `x: Example` cannot be read from text: .* Use a builtin type"
    ):
        parse_value("1", an_output(Example))


def test_a_deep_answer_is_no_crash() -> None:
    """A hundred thousand brackets are an unreadable answer."""
    for text in ("[" * 100_000, "{'a':" * 100_000):
        with pytest.raises(AdapterParseError):
            parse_value(text, an_output(list[int]))
