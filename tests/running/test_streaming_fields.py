"""Fields out of a stream: whatever the pieces an answer comes in, a field's pieces are together its text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dspex.adapters.chat import ChatAdapter
from dspex.adapters.json import JSONAdapter
from dspex.adapters.markers import split
from dspex.adapters.xml import XMLAdapter
from dspex.signatures.signature import Signature
from dspex.streaming.chat import ChatFields
from dspex.streaming.fields import FieldReader
from dspex.streaming.objects import ObjectFields
from dspex.streaming.tags import TagFields

SPEC = Signature("ticket -> reasoning, team, score: int").spec
NAMES = ["reasoning", "team", "score"]
LETTERS = "ab \n\r\t[]#\\*`:>\"'{},<&;/=é😀"
WORDS = st.one_of(
    st.text(alphabet=LETTERS, max_size=30),
    st.lists(
        st.sampled_from(
            [
                "[[ ## team ## ]]", "\\[[ ## team ## ]]", "[[ ## completed ## ]]", "\n", "\n\n", " ", "[[1, 2]]", "**",
                "see ", "</team>", "<team>", "&lt;", "&amp;", '"', "\\n", "#", "\r\n", "> ", "x",
            ]
        ),
        max_size=8,
    ).map("".join),
)  # fmt: skip


def cut(text: str, places: Sequence[int]) -> list[str]:
    """Return the text in pieces that end at these places."""
    ends = [*sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def read(reader: FieldReader, pieces: Sequence[str]) -> dict[str, str]:
    """Return the fields' texts as a listener joins them."""
    said: dict[str, str] = {}
    ended: set[str] = set()
    given = [piece for text in pieces for piece in reader.feed(text)]
    for piece in [*given, *reader.finish()]:
        assert piece.field not in ended, f"`{piece.field}` goes on after its last piece"
        said[piece.field] = said.get(piece.field, "") + piece.text
        if piece.last:
            ended.add(piece.field)
    assert ended == set(said), "a field has no last piece"
    return said


CUTS = st.lists(st.integers(0, 400), max_size=40)


@given(WORDS, WORDS, st.integers(), CUTS)
def test_chat_pieces_join_to_what_the_adapter_reads(
    reasoning: str, team: str, score: int, cuts: list[int]
) -> None:
    """An answer in the chat layout, cut anywhere: markers never leak and nothing is lost."""
    values = {"reasoning": reasoning, "team": team, "score": score}
    answer = ChatAdapter().format_assistant_message_content(SPEC, values) + "\n\n[[ ## completed ## ]]"
    assert read(ChatFields(NAMES), cut(answer, cuts)) == split(answer, NAMES)


@given(st.lists(WORDS, max_size=6).map("".join), CUTS)
@example("[[ ## reasoning ## ]]\r\none\r\n\r\n[[ ## team ## ]]\r\ntwo", [19, 20, 21, 22, 26])
@example("[[ ## team ## ]] x  [[ ## completed ## ]] \nmore", [30])
@example("**[[ ## team ## ]]**\nbug\n\n\n\n[[ ## score ## ]]:\n4\n", [3, 19, 20, 25])
def test_chat_pieces_of_any_text_are_what_is_read_or_its_beginning(noise: str, cuts: list[int]) -> None:
    """Even of an answer that keeps to no layout, every field read in lines comes out as it is read."""
    answer = f"[[ ## reasoning ## ]]\n{noise}\n\n[[ ## team ## ]]\n{noise}\n\n[[ ## score ## ]]\n4"
    assert read(ChatFields(NAMES), cut(answer, cuts)) == split(answer, NAMES)


@given(WORDS, WORDS, st.integers(), CUTS, st.sampled_from([None, 2]), st.booleans())
def test_json_pieces_join_to_the_values(
    reasoning: str, team: str, score: int, cuts: list[int], indent: int | None, ascii_only: bool
) -> None:
    """An object, cut anywhere, escapes and surrogate pairs included: strings come decoded, the rest as JSON."""
    values: dict[str, Any] = {"reasoning": reasoning, "team": team, "score": score}
    answer = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    assert read(ObjectFields(NAMES), cut(answer, cuts)) == {**values, "score": str(score)}


@given(
    st.recursive(
        st.integers() | st.booleans() | st.none() | WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
        max_leaves=8,
    ),
    CUTS,
)
def test_json_pieces_of_any_value_are_its_json(value: Any, cuts: list[int]) -> None:
    """A value that is no string comes as the JSON it is written in, whatever brackets its strings hold."""
    answer = "Here:\n```json\n" + json.dumps({"other": value, "team": value, "score": 1}) + "\n```"
    said = read(ObjectFields(NAMES), cut(answer, cuts))
    assert said["team"] == (value if isinstance(value, str) else json.dumps(value))
    assert said["score"] == "1"


@given(WORDS, WORDS, CUTS)
def test_xml_pieces_join_to_what_the_adapter_reads(reasoning: str, team: str, cuts: list[int]) -> None:
    """An answer in the XML layout, cut anywhere, entities included."""
    spec = Signature("ticket -> reasoning, team").spec
    values = {"reasoning": reasoning, "team": team}
    answer = "Sure.\n" + XMLAdapter().format_assistant_message_content(spec, values)
    wanted = XMLAdapter().parse(spec, answer)
    assert read(TagFields(["reasoning", "team"]), cut(answer, cuts)) == wanted


@pytest.mark.parametrize("kind", [ChatFields, ObjectFields, TagFields])
@given(st.text(), CUTS)
def test_no_text_breaks_a_reader(kind: type[FieldReader], answer: str, cuts: list[int]) -> None:
    """Random text is read without an error, in every layout."""
    read(kind(NAMES), cut(answer, cuts))


def test_a_long_answer_is_read_as_it_comes() -> None:
    """All but a few letters of a value have been given out before the value ends: nothing waits for the end."""
    reader = ChatFields(NAMES)
    reader.feed("[[ ## reasoning ## ]]\n")
    said = "".join(piece.text for k in range(200) for piece in reader.feed(f"word {k} "))
    assert said.startswith("word 0")
    assert said.endswith("word 199")


def test_broken_json_is_completed_by_the_adapters_own_reading() -> None:
    """Where the object is broken the pieces stop, and the repaired value's rest comes at the end."""
    answer = '{"reasoning": "so", "team": "bug", "score": 4,'
    assert read(ObjectFields(NAMES), [answer]) == {"reasoning": "so", "team": "bug", "score": "4"}
    assert JSONAdapter().parse(SPEC, answer)["team"] == "bug"
