"""String signatures: what can be written, and the one line a person reads when it cannot."""

from __future__ import annotations

import datetime
import enum
import pathlib
import types
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import SignatureError
from dspex.signatures import Signature, parse_signature, parse_type


class Color(enum.Enum):
    RED = "red"


class Box:
    class Inner:
        pass


GOOD = {
    "str": str,
    "list[str]": list[str],
    "dict[str, list[int]]": dict[str, list[int]],
    "tuple[int, ...]": tuple[int, ...],
    "Optional[int]": Optional[int],  # noqa: UP045  # what the user wrote
    "int | None": Optional[int],  # noqa: UP045
    "Union[int, str, None]": Union[int, str, None],  # noqa: UP007
    "Literal['a', \"b->c\", 'd, e: f', -1, True]": Literal["a", "b->c", "d, e: f", -1, True],
    "typing.Literal['x']": Literal["x"],
    "List[Any]": list[Any],
    "datetime": datetime.datetime,
    "datetime.date": datetime.date,
    "pathlib.Path": pathlib.Path,
    "'list[int]'": list[int],
    "None": types.NoneType,
}

BAD = {
    "a b c": "No `->` at column 6: `a b c^`; write inputs, `->`, outputs, for example `a, b -> c`.",
    "": "No `->` at column 1: `^`; write inputs, `->`, outputs, for example `question -> answer`.",
    "a => b": "`=>` stands at column 3: `a ^=> b`; write `->` between inputs and outputs.",
    "-> b": "No input at column 1: `^-> b`; name one before `->`, for example `question -> b`.",
    "a ->": "No output at column 5: `a ->^`; name one after `->`, for example `a -> answer`.",
    "a -> b -> c": "A second `->` at column 8: `a -> b ^-> c`; a signature has one, with commas between the fields of each side.",
    "a, a -> b": "`a` is named twice, again at column 4: `a, ^a -> b`; rename one, for example `a_2`.",
    "a -> b, a": "`a` is named twice, again at column 9: `a -> b, ^a`; rename one, for example `a_2`.",
    "class -> b": "`class` is a Python keyword and cannot name a field at column 1: `^class -> b`; try `class_`.",
    "full name -> b": "`full name` cannot name a field at column 1: `^full name -> b`; try `full_name`.",
    "2a -> b": "`2a` cannot name a field at column 1: `^2a -> b`; try `field_2a`.",
    "a,,c -> b": "A field without a name at column 3: `a,^,c -> b`; write a name there or remove the comma.",
    "a: lst[str] -> b": "Unknown type `lst` at column 4: `a: ^lst[str] -> b`; did you mean `list`? Or pass your own types as `custom_types={'lst': ...}`.",
    "a: qqq -> b": "Unknown type `qqq` at column 4: `a: ^qqq -> b`; pass your own types as `custom_types={'qqq': ...}`.",
    "a: dict[str] -> b": "`dict` takes 2 types, not 1, at column 9: `a: dict[^str] -> b`; write for example `dict[str, int]`.",
    "a: list[str -> b": "`[` opens at column 8: `a: list^[str -> b`; close it with `]`.",
    "a] -> b": "Unbalanced `]` at column 2: `a^] -> b`; remove it or open its bracket before it.",
    "user's -> b": "A quote opens at column 5: `user^'s -> b`; close it; quotes belong inside `Literal[...]`.",
    "a: 3 -> b": "`3` is no type at column 4: `a: ^3 -> b`; for a fixed value write `Literal[3]`.",
    "a: Literal[foo] -> b": "`foo` cannot be an option at column 12: `a: Literal[^foo] -> b`; quote it: `Literal['foo']`.",
    "a: int = 3 -> b": "This is no type at column 8: `a: int ^= 3 -> b`; a string signature takes no defaults; use the class form.",
    "a: -> b": "A type is missing at column 4: `a: ^-> b`; write one after `:`, or leave the `:` out for `str`.",
    "a: __import__('os') -> b": "`__import__('os')` is no type at column 4: `a: ^__import__('os') -> b`; for a fixed value write `Literal[__import__('os')]`.",
}


@pytest.mark.parametrize("text", GOOD)
def test_a_written_type_is_the_type(text: str) -> None:
    """Each type text stands for the type Python would make of it."""
    assert parse_signature(f"q: {text} -> answer").inputs[0].annotation == GOOD[text]
    assert parse_type(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_signature_says_what_where_and_what_to_write(text: str) -> None:
    """The message is one line with the column, the place and a fix."""
    with pytest.raises(SignatureError) as caught:
        parse_signature(text)
    assert str(caught.value) == BAD[text]


def test_a_name_alone_is_text_and_layout_does_not_matter() -> None:
    """Spaces, line ends and a comma at the end change nothing."""
    spec = parse_signature("\n  question ,\n k : int ,\n -> answer\n")
    assert spec == parse_signature("question, k: int -> answer")
    assert str(spec) == "question, k: int -> answer"


def test_columns_count_characters_and_long_texts_are_cut() -> None:
    """The place is right behind letters of several bytes, and the line stays short."""
    with pytest.raises(SignatureError) as caught:
        parse_signature(f"{'überlänge, ' * 9}a9: list['é', ünbekannt] -> b")
    message = str(caught.value)
    assert "\n" not in message
    assert "…" in message
    assert len(message) < 300


def test_types_come_from_the_caller() -> None:
    """Names of the calling function and module are found, dotted ones too, and `custom_types` wins."""

    class Local:
        pass

    made = Signature("a: Local, b: Color, c: Box.Inner, d: list[Local] -> e: Literal[Color.RED]")
    kinds = [f.annotation for f in made.fields.values()]
    assert kinds == [Local, Color, Box.Inner, list[Local], Literal[Color.RED]]
    assert parse_signature("a: X.Y -> b", custom_types={"X.Y": int}).inputs[0].annotation is int
    assert parse_signature("a: str -> b", custom_types={"str": int}).inputs[0].annotation is int


def test_a_value_in_scope_is_no_type() -> None:
    """A name that is known but is no type is refused by what it is."""
    with pytest.raises(SignatureError, match="`limit` is no type but a value of type `int`"):
        parse_signature("a: limit -> b", namespace={"limit": 3})


def test_a_module_in_scope_does_not_hide_a_type() -> None:
    """After `import datetime`, both `datetime` and `datetime.date` mean the types."""
    spec = parse_signature("a: datetime, b: datetime.date -> c", namespace={"datetime": datetime})
    assert [f.annotation for f in spec.inputs] == [datetime.datetime, datetime.date]


def test_a_class_of_ones_own_reads_its_words() -> None:
    """`Code["python"]` reaches the class's own brackets as a word."""

    class Code:
        def __class_getitem__(cls, word: str) -> Any:
            return type(f"Code_{word}", (cls,), {})

    assert (
        parse_signature('a: Code["python"] -> b', namespace={"Code": Code}).inputs[0].annotation.__name__
        == "Code_python"
    )


def test_names_meet_their_keyword_argument() -> None:
    """A name is normalized as Python normalizes it in a call."""
    assert parse_signature("ﬁeld -> b").inputs[0].name == "field"


ODD = st.text() | st.text("ab,:->[](){}'\" |.=\\\n\x00é") | st.lists(
    st.sampled_from(["a", "b", " ", ",", ":", "->", "list", "[", "]", "Literal", "'x'", "dict", "|", "None", "Any", ".", "str", "0", "("])
).map("".join)  # fmt: skip


@given(ODD)
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    """Any text is a signature or a SignatureError of one line."""
    for written in (text, f"a: {text} -> b"):
        try:
            spec = parse_signature(written)
        except SignatureError as exc:
            assert "\n" not in str(exc)  # noqa: PT017  # both ways are right, and this is what the one must hold
        else:
            assert spec.outputs
