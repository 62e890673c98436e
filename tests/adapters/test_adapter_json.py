"""The JSON layout: what is found in an answer, and what the provider is told."""

from __future__ import annotations

import json
from typing import Any, Literal

import pydantic
import pytest

from dspex.adapters import JSONAdapter
from dspex.adapters.objects import find_object, repaired
from dspex.adapters.schema import response_schema
from dspex.errors import AdapterParseError, ContextWindowExceededError, LMInvalidRequestError
from dspex.lm.lm import LM
from dspex.lm.transport import Capabilities
from dspex.signatures import InputField, OutputField, Signature
from dspex.testing.scripted import Scripted


class Triage(Signature):
    """Sort a support ticket."""

    ticket: str = InputField()
    reasoning: str = OutputField()
    team: Literal["billing", "bug"] = OutputField()
    urgent: bool = OutputField()


GOOD = '{"reasoning": "Money.", "team": "billing", "urgent": true}'


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"  \n{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n\n```json\n{GOOD}\n```\nAnything else? {{smile}}",
        f"The answer is {GOOD}, I think.",
        '{"Reasoning": "Money.", "TEAM": "Billing", "urgent": "yes"}',
        '{"reasoning": "Money.", "team": "billing", "urgent": true, "mood": {"a": [1]}}',
        "{'reasoning': 'Money.', 'team': 'billing', 'urgent': True,}",
        '{reasoning: "Money.", team: "billing", urgent: true',
        '{"reasoning": "Money.", "team": "billing", "urgent": true}}}',
        '{"thought": 1}\n' + GOOD,
        "[[ ## reasoning ## ]]\nMoney.\n\n[[ ## team ## ]]\nbilling\n\n[[ ## urgent ## ]]\ntrue",
    ],
)
def test_an_answer_is_understood(answer: str) -> None:
    """Words and fences around the object, and broken JSON, give the same fields in the signature's order."""
    values = JSONAdapter().parse(Triage, answer)
    assert list(values.items()) == [("reasoning", "Money."), ("team", "billing"), ("urgent", True)]


def test_line_ends_in_a_string_are_kept() -> None:
    """A string over two lines is no JSON, and meant as it stands."""
    assert JSONAdapter().parse(Signature("q -> a"), '{"a": "one\ntwo"}') == {"a": "one\ntwo"}


@pytest.mark.parametrize(
    ("answer", "message", "parsed"),
    [
        ("no idea", "there is no JSON object; it has no `reasoning`", {}),
        ('["reasoning"]', "there is no JSON object", {}),
        ('{"reasoning": null, "team": "bug", "urgent": 0}', "it has no `reasoning`", {"team": "bug", "urgent": False}),
        (
            '{"reasoning": "x", "team": "sales", "urgent": []}',
            '`team` should be one of "billing", "bug", the model wrote `sales`',
            {"reasoning": "x"},
        ),
    ],
)  # fmt: skip
def test_an_unreadable_answer_keeps_what_was_understood(
    answer: str, message: str, parsed: dict[str, Any]
) -> None:
    """The error says which field and why, holds the raw text and the values that could be read."""
    with pytest.raises(AdapterParseError) as caught:
        JSONAdapter().parse(Triage, answer)
    error = caught.value
    assert message in str(error)
    assert (error.adapter_name, error.signature, error.lm_response) == ("JSONAdapter", "Triage", answer)
    assert (error.parsed_result, error.understood) == (parsed, tuple(parsed))


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        '{"a":',
        "[",
        '{"a": "',
        "{'a', ",
        "```\n",
        " ",
        "\\",
        '"a" ',
        "{} ",
        '{"a": 1} ',
        "tru{",
        "/*",
        "}",
    ],
)
def test_hostile_text_costs_its_length(piece: str) -> None:
    """Long runs of one piece are read in a moment: within the test's own time limit."""
    text = piece * (50_000 // len(piece))
    for answer in (text, '{"x": ' + text, f"{{{text}}}"):
        with pytest.raises(AdapterParseError):
            JSONAdapter().parse(Signature("q -> wanted, b: list[int]"), answer)


def test_nothing_is_executed() -> None:
    """Python in place of JSON is text."""
    found = find_object('{"a": __import__("os").getcwd(), "b": 1}', ["a", "b"])
    assert found is None or "/" not in found.get("a", "")
    assert repaired("{" * 1000) is None


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2, description="in full")
    friends: list[Person] = []
    born: Literal["here", "there"] | None = None


def schema_of(signature: Any) -> dict[str, Any] | None:
    raw = response_schema(signature.spec)
    return None if raw is None else json.loads(bytes(raw))


def test_a_schema_is_closed_and_all_is_required() -> None:
    """Strict providers take no open object, no optional property and no default."""
    form = schema_of(Signature("q -> person: Person, score: float"))
    assert form is not None
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    schema = form["json_schema"]["schema"]
    assert (schema["required"], schema["additionalProperties"]) == (["person", "score"], False)
    assert schema["properties"]["person"] == {"$ref": "#/$defs/Person"}
    person = schema["$defs"]["Person"]
    assert (person["required"], person["additionalProperties"]) == (["name", "friends", "born"], False)
    assert person["properties"]["name"] == {"type": "string", "description": "in full"}


@pytest.mark.parametrize(
    "kind", ["dict[str, int]", "Any", "list", "tuple[int, str]", "list[dict[str, str]]", "object"]
)
def test_what_strict_providers_cannot_be_told_has_no_schema(kind: str) -> None:
    """Open mappings, tuples and any value at all are asked for in words alone."""
    assert schema_of(Signature(f"q -> a: {kind}")) is None


ASKED = Capabilities(response_schema=True, params=frozenset({"response_format"}))
LOOSE = Capabilities(params=frozenset({"response_format"}))


def run(script: Scripted, signature: str = "q -> a: int") -> list[dict[str, Any]]:
    lm = LM("test/model", transport=script, num_retries=0)
    return JSONAdapter()(lm, {}, Signature(signature), [], {"q": "x"})


@pytest.mark.parametrize(
    ("can", "signature", "form"),
    [
        (ASKED, "q -> a: int", "json_schema"),
        (ASKED, "q -> a: dict[str, int]", "json_object"),
        (LOOSE, "q -> a: int", "json_object"),
        (Capabilities(), "q -> a: int", None),
    ],
)
def test_the_provider_is_held_to_what_it_can(can: Capabilities, signature: str, form: str | None) -> None:
    """A schema where it knows schemas, JSON where it knows JSON, words otherwise."""
    script = Scripted('{"a": 1}' if signature.endswith("int") else '{"a": {}}', capabilities=can)
    run(script, signature)
    sent = script.requests[0].response_format
    assert (None if sent is None else json.loads(bytes(sent))["type"]) == form


def test_a_refused_schema_is_asked_for_in_words() -> None:
    """Tables say what a model can be held to; a server that knows better is asked again without."""
    script = Scripted(LMInvalidRequestError("unknown response_format"), '{"a": 1}', capabilities=ASKED)
    assert run(script) == [{"a": 1}]
    assert [r.response_format is None for r in script.requests] == [False, True]


def test_too_long_a_prompt_is_not_asked_for_again() -> None:
    """A prompt that does not fit fits no better without a schema."""
    script = Scripted(ContextWindowExceededError("too long"), capabilities=ASKED)
    with pytest.raises(ContextWindowExceededError):
        run(script)


def test_an_unreadable_answer_is_not_asked_for_again() -> None:
    """The JSON adapter is the last resort, so it has none."""
    script = Scripted("no idea")
    with pytest.raises(AdapterParseError):
        run(script)
    assert len(script.requests) == 1
