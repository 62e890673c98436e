"""Laws of Code, Reasoning, History, Document and Citations, fixed as DSPy 3.4.1 has them where it has them."""

from __future__ import annotations

import copy
import json
import pickle
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import ContentError
from dspex.lm.messages import Choice, Chunk
from dspex.types import Citations, Code, Document, History, Reasoning

CITED = {"cited_text": "Water boils", "document_index": 0, "start_char_index": 0, "end_char_index": 11}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("print(1)", "print(1)"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("Here:\n```python\nprint(1)\n\n```\nDone", "print(1)"),
        ("```print(1)```", "print(1)"),
        ("```\na\n```", "a"),
        ("```a\nx\n```\n```b\ny\n```", "x"),
        ("```python\nx", "```python\nx"),
        ("```python\n\n  a\n  b\n```", "  a\n  b"),
    ],
)
def test_a_fence_is_no_part_of_code(text: str, code: str):
    """The first fenced block is the code; its indentation stays."""
    assert Code(code=text).code == Code.model_validate(text).code == Code.from_completion(text).code == code


@given(st.text())
def test_reading_code_twice_changes_nothing(text: str):
    """What was read as code is code."""
    code = Code(code=text)
    assert Code.from_completion(code.completion_form()) == code


def test_a_language_makes_one_type():
    """`Code["java"]` is the same class each time, knows its language and is a Code."""
    assert Code["java"] is Code["java"]
    assert issubclass(Code["java"], Code)
    assert (Code["java"].language, Code.language) == ("java", "python")
    assert "java" in Code["java"].description().lower()
    assert Code["java"].model_validate(Code(code="x")).code == "x"
    with pytest.raises(ContentError, match="language"):
        Code[3]


def test_code_is_written_as_its_text():
    """In prompts, in JSON and in saved programs code is its text."""
    assert Code(code="x").format() == Code(code="x").model_dump() == "x"
    assert pydantic.TypeAdapter(list[Code]).dump_json([Code(code="x")]) == b'["x"]'
    for bad in (3, {"x": 1}, None):
        with pytest.raises(pydantic.ValidationError):
            Code.model_validate(bad)


@given(st.text(), st.text())
def test_reasoning_is_a_str(text: str, other: str):
    """It equals, hashes, adds, slices and formats as its text does."""
    thought = Reasoning(content=text)
    assert thought == text == thought.content
    assert hash(thought) == hash(text)
    assert (repr(thought), str(thought), f"{thought:>9}") == (repr(text), text, f"{text:>9}")
    assert thought + other == text + other
    assert other + thought == other + text
    assert isinstance(thought + Reasoning(other), Reasoning)
    assert thought.format() == text
    assert (thought.upper(), len(thought), list(thought)) == (text.upper(), len(text), list(text))
    assert json.dumps([thought]) == json.dumps([text])
    assert type(thought.content) is str


def test_reasoning_reads_as_dspys_does():
    """Text, an object with `content` and a Reasoning are read; nothing else is."""
    for value in ("x", {"content": "x"}, Reasoning("x")):
        assert Reasoning.model_validate(value).content == "x"
        assert type(pydantic.TypeAdapter(Reasoning).validate_python(value)) is Reasoning
    for bad in (3, None, {"content": 3}, {}):
        with pytest.raises(pydantic.ValidationError):
            pydantic.TypeAdapter(Reasoning).validate_python(bad)
    with pytest.raises(ContentError):
        Reasoning(content=3)  # type: ignore[arg-type]
    made = pydantic.create_model("M", thought=(Reasoning, ...))(thought="x")
    assert made.model_dump_json() == '{"thought":"x"}'
    assert pydantic.TypeAdapter(Reasoning).json_schema() == {"type": "string"}


def test_reasoning_is_copied_whole():
    """Copies and pickles are Reasoning again."""
    for other in (
        copy.deepcopy(Reasoning("x")),
        copy.copy(Reasoning("x")),
        pickle.loads(pickle.dumps(Reasoning("x"))),
    ):
        assert (type(other), other) == (Reasoning, "x")


@pytest.mark.parametrize(
    ("model_says", "call", "own", "effort"),
    [
        (True, {}, {}, "low"),
        (True, {"reasoning_effort": "high"}, {}, "high"),
        (True, {}, {"reasoning_effort": "high"}, "high"),
    ],
)
def test_a_reasoning_model_thinks_by_itself(
    model_says: bool, call: dict[str, Any], own: dict[str, Any], effort: str
):
    """The field goes and the model's own reasoning is asked for, with the nearest effort."""
    lm = SimpleNamespace(supports_reasoning=model_says, kwargs=own)
    signature = SimpleNamespace(delete=lambda name: f"without {name}")
    assert Reasoning.adapt_to_native_lm_feature(signature, "reasoning", lm, call) == "without reasoning"
    assert call["reasoning_effort"] == effort


@pytest.mark.parametrize(("supports", "call"), [(False, {}), (True, {"reasoning_effort": None})])
def test_another_model_writes_its_reasoning(supports: bool, call: dict[str, Any]):
    """Without the feature, or with it turned off, the signature stays."""
    lm = SimpleNamespace(supports_reasoning=supports, kwargs={})
    before = dict(call)
    assert Reasoning.adapt_to_native_lm_feature("signature", "reasoning", lm, call) == "signature"
    assert call == before


def test_native_reasoning_is_read_off_answers_and_chunks():
    """What came beside the text is found; an empty one is none."""
    assert Reasoning.parse_lm_response(Choice(text="a", reasoning="so")) == "so"
    assert Reasoning.parse_lm_response({"text": "a", "reasoning_content": "so"}) == "so"
    assert Reasoning.parse_lm_response(Choice(text="a")) is Reasoning.parse_lm_response("a") is None
    assert Reasoning.parse_stream_chunk(Chunk(reasoning="s")) == "s"
    assert Reasoning.parse_stream_chunk(Chunk(text="s")) is None


def test_history_is_frozen_and_closed():
    """A conversation is a list of turns and nothing else."""
    history = History(messages=[{"question": "a", "answer": 1}])
    assert history.model_dump(mode="json") == {"messages": [{"question": "a", "answer": 1}]}
    assert History.model_validate({"messages": []}).messages == []
    for break_it in (
        lambda: History(messages=[], more=1),
        lambda: setattr(history, "messages", []),
        lambda: History(),
    ):
        with pytest.raises(pydantic.ValidationError):
            break_it()


def test_a_document_is_a_block_with_citations():
    """Text and PDF are written as Anthropic's API takes them."""
    assert Document(data="x", title="t", context="c").format() == [
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
            "citations": {"enabled": True},
            "title": "t",
            "context": "c",
        }
    ]
    assert Document(data="x", media_type="application/pdf").format()[0]["source"]["type"] == "base64"
    assert Document.model_validate("x") == Document(data="x")
    assert len(repr(Document(data="x" * 5000))) < 40
    for bad in (3, {"data": "x", "media_type": "a/b"}):
        with pytest.raises(pydantic.ValidationError):
            Document.model_validate(bad)


@pytest.mark.parametrize("form", [CITED, [CITED], {"citations": [CITED]}, Citations.from_dict_list([CITED])])
def test_citations_read_from_each_form(form: Any):
    """One object, a list, an object with the list, and citations themselves are the same citations."""
    found = Citations.model_validate(form)
    assert found.format() == [{"type": "char_location", **CITED}]
    assert [c.cited_text for c in found] == ["Water boils"]
    assert (len(found), found[0].document_title) == (1, None)


def test_citations_read_back_from_a_completion():
    """What a demonstration shows reads back, with and without what is optional, in a fence too."""
    found = Citations.from_dict_list([{**CITED, "document_title": "T", "supported_text": "s"}, CITED])
    assert Citations.from_completion(found.completion_form()) == found
    assert Citations.from_completion(f"```json\n{found.completion_form()}\n```") == found
    for bad in ("", "none", "[1]", '{"cited_text": "x"}'):
        with pytest.raises(pydantic.ValidationError):
            Citations.from_completion(bad)


def test_native_citations_take_the_fields_place():
    """Anthropic's models cite by themselves, and what they say is found beside the text."""
    signature = SimpleNamespace(delete=lambda name: f"without {name}")
    lm = SimpleNamespace(model="anthropic/claude")
    assert Citations.adapt_to_native_lm_feature(signature, "c", lm, {}) == "without c"
    lm.model = "openai/gpt-4o"
    assert Citations.adapt_to_native_lm_feature(signature, "c", lm, {}) is signature
    assert len(Citations.parse_lm_response(Choice(text="", citations=(CITED,)))) == 1
    assert len(Citations.parse_lm_response({"citations": [CITED]})) == 1
    assert Citations.parse_lm_response(Choice(text="")) is Citations.parse_lm_response({}) is None


@given(st.text())
def test_no_text_brings_another_error_than_a_value_error(text: str):
    """Reading a completion either gives a value or a ValueError."""
    for kind in (Citations, Document, Code, Reasoning):
        try:
            kind.from_completion(text)
        except ValueError:
            continue
