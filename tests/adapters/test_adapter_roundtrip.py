"""Render then parse is the identity; parsing never raises anything but our own error."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.adapters import (
    Adapter,
    ChatAdapter,
    JSONAdapter,
    XMLAdapter,
    markers,
    parse_value,
    render_value,
    tags,
)
from dspex.adapters.jsonvalues import read_json, write_json
from dspex.adapters.reading import Unreadable
from dspex.errors import AdapterParseError
from dspex.signatures import Field, InputField, OutputField, SignatureSpec
from dspex.types import Reasoning


class Color(enum.Enum):
    RED = "red"
    QUOTED = "'red'"
    SEVEN = 7


class Inner(pydantic.BaseModel):
    names: list[str]
    color: Color


class Outer(pydantic.BaseModel):
    title: str
    inner: Inner | None


@dataclasses.dataclass
class Point:
    x: float
    label: str


PIECES = st.sampled_from(
    ["[[ ## ", " ## ]]", "[[ ## a ## ]]", "[[ ## completed ## ]]", "[[##A##]]", "\\", "\n", "\r\n", " ", "null", '"', "```", "**", ":", "a", "{", "]", "}", ",", '{"a": "b"}', "<a>", "</a>", "</answer>", "<B/>", "&lt;", "&amp;", "&", "<", ">"]
)  # fmt: skip
TEXTS = st.text() | st.lists(PIECES).map("".join)
FLOATS = st.floats(allow_nan=False)
INNERS = st.builds(Inner, names=st.lists(TEXTS), color=st.sampled_from(Color))

KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXTS),
    (int, st.integers()),
    (float, FLOATS),
    (bool, st.booleans()),
    (Color, st.sampled_from(Color)),
    (list[str], st.lists(TEXTS)),
    (dict[str, int], st.dictionaries(TEXTS, st.integers(-(2**60), 2**60))),
    (dict[int, list[float]], st.dictionaries(st.integers(), st.lists(FLOATS))),
    (str | None, st.none() | TEXTS),
    (int | None, st.none() | st.integers()),
    (Color | None, st.none() | st.sampled_from(Color)),
    (int | str, st.integers() | TEXTS),
    (tuple[int, str], st.tuples(st.integers(), TEXTS)),
    (set[str], st.sets(TEXTS)),
    (datetime.date, st.dates()),
    (datetime.datetime, st.datetimes()),
    (Reasoning, TEXTS.map(Reasoning)),
    (Reasoning | None, st.none() | TEXTS.map(Reasoning)),
    (Any, st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS)),
    (Outer, st.builds(Outer, title=TEXTS, inner=st.none() | INNERS)),
    (Point, st.builds(Point, x=FLOATS, label=TEXTS)),
]
LITERALS = st.lists(TEXTS | st.integers() | st.booleans(), min_size=1, max_size=5).map(
    lambda options: (Literal[tuple(options)], st.sampled_from(options))
)
NAMES = st.sampled_from(["a", "b", "answer", "completed", "Team", "नाम", "field_2", "a1"])


@st.composite
def fields_and_values(draw: st.DrawFn) -> tuple[SignatureSpec, dict[str, Any]]:
    """Draw a signature and a value for each of its fields."""
    fields: list[Field] = []
    values: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, min_size=2, max_size=5, unique=True)):
        annotation, strategy = draw(st.sampled_from(KINDS) | LITERALS)
        fields.append((OutputField if fields else InputField)().named(name, annotation))
        values[name] = draw(strategy)
    return SignatureSpec(instructions="Do.", inputs=tuple(fields[:1]), outputs=tuple(fields[1:])), values


ADAPTERS = [ChatAdapter(), JSONAdapter(), XMLAdapter()]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=repr)
@settings(max_examples=100)
@given(case=fields_and_values())
def test_render_then_parse_is_the_identity(
    adapter: Adapter, case: tuple[SignatureSpec, dict[str, Any]]
) -> None:
    """What a demonstration shows is read back as the same values of the same types."""
    spec, values = case
    _, _, shown, _ = adapter.format(spec, [values], values)
    read = adapter.parse(spec, shown.text)
    assert read == {f.name: values[f.name] for f in spec.outputs}
    assert [type(v) for v in read.values()] == [type(values[f.name]) for f in spec.outputs]


@given(st.sampled_from(KINDS) | LITERALS, st.data())
def test_one_value_comes_back(kind: tuple[Any, st.SearchStrategy[Any]], data: st.DataObject) -> None:
    """The same law without a layout around the value."""
    field = OutputField().named("x", kind[0])
    value = data.draw(kind[1])
    read = parse_value(render_value(value, field), field)
    assert (type(read), read) == (type(value), value)


@given(st.sampled_from(KINDS) | LITERALS, st.data())
def test_one_member_of_an_object_comes_back(
    kind: tuple[Any, st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    """The same law for JSON, where strings wear quotes."""
    field = OutputField().named("x", kind[0])
    value = data.draw(kind[1])
    read = read_json(write_json(value, field), field)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("layout", [markers, tags], ids=lambda layout: layout.__name__)
@given(text=TEXTS)
def test_escaping_is_undone(layout: Any, text: str) -> None:
    """Every text comes back, and escaping twice is undone twice."""
    escape, unescape = layout.escape, layout.unescape
    assert unescape(escape(text)) == text
    assert unescape(unescape(escape(escape(text)))) == text


MANY = SignatureSpec(
    instructions="Do.",
    inputs=(InputField().named("q", str),),
    outputs=tuple(OutputField().named(f"a{i}" if i else "a", kind) for i, (kind, _) in enumerate(KINDS)),
)
JSONISH = st.lists(
    st.sampled_from(["[", "]", "{", "}", '"', "'", ",", ":", "1", "e9", "-", "null", "true", "NaN", "a", "\\", "u", " ", "\n", "(", "```json\n"])
).map("".join)  # fmt: skip


LAYOUTS = ["\n[[ ## {} ## ]]\n{}", '{{"{}": {}', ', "{}": {}}}', "<{0}>{1}</{0}>", "\n<{}>\n{}", "{}: {}"]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=repr)
@settings(max_examples=60)
@given(
    parts=st.lists(st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(MANY.outputs), TEXTS | JSONISH)),
    tail=TEXTS | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")),
)
def test_no_answer_raises_anything_but_our_error(
    adapter: Adapter, parts: list[tuple[str, Field, str]], tail: str
) -> None:
    """Any text is read, or refused by an error that holds it."""
    answer = tail + "".join(layout.format(field.name, text) for layout, field, text in parts)
    for spec in (MANY, SignatureSpec(instructions="", inputs=(), outputs=MANY.outputs[:1])):
        try:
            adapter.parse(spec, answer)
        except AdapterParseError as exc:
            assert exc.lm_response == answer  # noqa: PT017  # both ways are right, and this is what the one must hold


@given(st.sampled_from(MANY.outputs), JSONISH | TEXTS)
def test_no_value_raises_anything_but_our_error(field: Field, text: str) -> None:
    """Any text for any type is a value or our error."""
    try:
        read_json(text, field)
    except Unreadable as exc:
        assert "\n" not in str(exc)  # noqa: PT017  # both ways are right, and this is what the one must hold
    try:
        parse_value(text, field)
    except AdapterParseError as exc:
        assert "\n" not in str(exc)  # noqa: PT017  # both ways are right, and this is what the one must hold
