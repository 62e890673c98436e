"""The practice model learns from its prompt and from nothing else."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import dspex
from dspex.lm.messages import Message, Request
from dspex.lm.practice import PRACTICE_PRICE, PracticeTransport
from dspex.lm.practice.hints import read_hints
from dspex.lm.practice.memory import remember
from dspex.lm.practice.prompt import Shot, encode, read_task
from dspex.lm.practice.words import bag, stem
from tests.lm.asking import CHAT, ROWS, SHOTS, SIDES, Side, answer, ask, hits, send


def test_demonstrations_and_instructions_raise_the_score() -> None:
    """With nothing to go by it guesses; demonstrations or a telling instruction make it right."""
    told = Side.with_instructions("north: ice, snow and bears.\nsouth: penguins or an albatross.")
    assert hits(Side, [], ROWS) < 0.75
    assert hits(Side, SHOTS, ROWS) > 0.9
    assert hits(told, [], ROWS) == 1.0


def test_wrong_demonstrations_lower_the_score() -> None:
    """It believes what it is shown."""
    turned = [{**shot, "side": "south" if shot["side"] == "north" else "north"} for shot in SHOTS]
    assert hits(Side, turned, ROWS) == 0.0


@pytest.mark.parametrize(
    "instruction",
    [
        "Choose north when somebody speaks of ice or snow. Choose south when it is about penguins, albatross.",
        "Penguins and the albatross go to south, ice and snow go to north.",
        "If there is ice, snow or bears, answer north. When there are penguins or an albatross, answer `south`.",
        "North:\n- ice\n- snow\nSouth:\n- penguins\n- albatross",
        "ice, snow -> north; penguins, albatross -> south",
        "Never answer south when you read of ice or snow. Never answer north for penguins or an albatross.",
        "North, not south, for ice and snow; south for penguins, albatross, but not ice.",
        "snow or ice north and penguins or albatross south",
        "north for ice or snow and south for penguins or albatross",
        "ice north penguins south\nsnow is for north and albatross for south",
    ],
)
def test_instructions_are_understood_in_many_wordings(instruction: str) -> None:
    """Words count for the label whose name they stand with."""
    assert hits(Side.with_instructions(instruction), [], ROWS) >= 0.9


def test_field_descriptions_are_read_like_instructions() -> None:
    """What the output field's description says about a label helps as well."""

    class Described(dspex.Signature):
        """Name the side."""

        text: str = dspex.InputField()
        side: SIDES = dspex.OutputField(desc="north (ice, snow); south (penguins, albatross)")

    assert hits(Described, [], ROWS) == 1.0


def test_it_knows_no_task_by_name() -> None:
    """Renamed labels and fields give the same answers under their new names."""

    class Other(dspex.Signature):
        """Name the side of the world."""

        memo: str = dspex.InputField()
        bin_code: Literal["q7", "zz"] = dspex.OutputField()

    names = {"north": "q7", "south": "zz"}
    shots = [{"memo": shot["text"], "bin_code": names[shot["side"]]} for shot in SHOTS]
    for text, side in ROWS:
        assert answer(Other, shots, memo=text)["bin_code"] == names[side]


def test_labels_in_a_demonstration_may_be_spelt_freely() -> None:
    """A demonstration that writes a label in capitals or quotes still votes for it."""
    told = [Message(role="system", content=CHAT.format(Side, [], {"text": "x"})[0].content)]
    for text, label in (("penguins swim", "`South`"), ("ice and snow", '"NORTH"'), ("sand", "elsewhere")):
        told.append(Message(role="user", content=f"[[ ## text ## ]]\n{text}"))
        told.append(Message(role="assistant", content=f"[[ ## side ## ]]\n{label}\n\n[[ ## completed ## ]]"))
    told.append(Message(role="user", content="[[ ## text ## ]]\nmany penguins"))
    assert CHAT.parse(Side, send(Request(model="practice", messages=tuple(told))).text) == {"side": "south"}


def test_reasoning_names_the_words_it_went_by() -> None:
    """The reasoning says which words decided, and whether an example or the instruction tied them."""

    class Reasoned(dspex.Signature):
        """Name the side."""

        text: str = dspex.InputField()
        reasoning: str = dspex.OutputField()
        side: SIDES = dspex.OutputField()

    shown = answer(Reasoned, SHOTS, text="A ship met penguins.")["reasoning"]
    assert shown == "The text mentions `penguins`, as in an example of south; so south."
    told = Reasoned.with_instructions("south: penguins, cape.")
    assert (
        "`penguins`, which the instruction ties to south" in answer(told, [], text="Penguins!")["reasoning"]
    )
    assert "points clearly to one answer" in answer(Reasoned, [], text="Nothing much.")["reasoning"]


def test_reasoning_in_a_demonstration_stresses_its_words() -> None:
    """A demonstration is nearer to a query through a word that its reasoning names."""
    shot = Shot(text="a red boat on the lake", answers=(("side", "north"),))
    reasoned = Shot(text=shot.text, answers=(*shot.answers, ("reasoning", "It is red.")))
    other = Shot(text="a tent in the woods", answers=(("side", "south"),))
    query = bag("something red")
    assert remember((reasoned, other)).nearness(query)[0] > remember((shot, other)).nearness(query)[0] > 0


class Place(BaseModel):
    name: str
    kind: Literal["city", "river"]
    height: int = Field(ge=3)
    parent: Place | None


class Everything(dspex.Signature):
    """Answer."""

    context: str = dspex.InputField()
    question: str = dspex.InputField()
    answer: str = dspex.OutputField()
    year: int = dspex.OutputField()
    stars: int = dspex.OutputField(ge=1, le=5)
    share: float = dspex.OutputField(gt=0, lt=1)
    sure: bool = dspex.OutputField()
    short: str = dspex.OutputField(max_length=8)
    long: str = dspex.OutputField(min_length=300)
    tags: list[str] = dspex.OutputField()
    table: dict[str, int] = dspex.OutputField()
    place: Place = dspex.OutputField()
    maybe: Place | None = dspex.OutputField()
    anything: Any = dspex.OutputField()


def test_every_type_of_field_gets_a_valid_value() -> None:
    """Without demonstrations, text and numbers come out of the inputs, and JSON fits its schema."""
    got = answer(Everything, context="Oslo is cold. Rome began in 753 BC.", question="When did Rome begin?")
    assert got["answer"] == "Rome began in 753 BC."
    assert (got["year"], got["stars"], got["tags"]) == (753, 5, [])
    assert got["place"].kind == "city"
    assert 0 < got["share"] < 1


def test_values_of_the_nearest_demonstration_are_given_again() -> None:
    """For fields without labels, the nearest demonstration answers; one that cannot be meant is left aside."""

    class Facts(dspex.Signature):
        """Answer."""

        question: str = dspex.InputField()
        answer: str = dspex.OutputField()
        year: int = dspex.OutputField()
        tags: list[str] = dspex.OutputField()

    demos = [
        {"question": "When was Rome founded?", "answer": "Long ago.", "year": -753, "tags": ["old"]},
        {"question": "Who built the tower of London?", "answer": "William.", "year": 1078, "tags": []},
    ]
    got = answer(Facts, demos, question="When was old Rome founded first?")
    assert got == {"answer": "Long ago.", "year": -753, "tags": ["old"]}
    assert answer(Facts, demos, question="Why is grass green?")["answer"] == "Why is grass green?"


def test_equal_requests_get_equal_answers_and_samples_differ() -> None:
    """Temperature zero gives one answer n times; above zero, choices and rollouts differ but stay fixed."""
    cold = ask(Side, SHOTS, {"n": 3}, text="calm sea")
    assert len({choice.text for choice in cold.choices}) == 1
    warm = {"n": 20, "temperature": 1.0, "rollout_id": 7}
    first = ask(Side, SHOTS, warm, text="calm sea")
    assert first == ask(Side, SHOTS, warm, text="calm sea")
    assert len({choice.text for choice in first.choices}) == 2
    assert first.choices != ask(Side, SHOTS, {**warm, "rollout_id": 8}, text="calm sea").choices


def test_tokens_and_simulated_prices_are_counted() -> None:
    """Usage counts four characters a token, and the cost follows from the published simulated price."""
    request = Request(model="practice", messages=(Message(role="user", content="x" * 40),))
    response = send(request)
    assert response.usage.prompt_tokens == 10
    assert response.usage.completion_tokens == -(-len(response.text) // 4)
    expected = 10 * PRACTICE_PRICE.input + response.usage.completion_tokens * PRACTICE_PRICE.output
    assert response.cost == pytest.approx(expected)


def test_max_tokens_and_stop_cut_the_answer() -> None:
    """A cut answer says that it was cut; a stop text ends it silently."""
    cut = ask(Side, SHOTS, {"max_tokens": 3}, text="ice").choices[0]
    assert (len(cut.text), cut.finish) == (12, "length")
    assert ask(Side, SHOTS, {"stop": ("\n", "")}, text="ice").text == "[[ ## side ## ]]"


async def test_latency_is_waited_for_on_the_clock(waits: list[float]) -> None:
    """The answer takes as long as it was told to, by the project's clock."""
    request = Request(model="practice", messages=(Message(role="user", content="Hello."),))
    assert "Hello." in (await PracticeTransport(latency=0.25).send(request)).text
    assert waits == [0.25]


def test_a_plain_prompt_gets_a_plain_reply() -> None:
    """Without output fields there is nothing to lay out."""
    for content in ("Tell me about boats. They float.", "", "[[ ## completed ## ]]"):
        text = send(Request(model="practice", messages=(Message(role="user", content=content),))).text
        assert text.startswith("I am the practice model")
    assert send(Request(model="practice", messages=())).text.startswith("I am the practice model")


# ------------------------------------------------------------------------------------- arbitrary texts


WILD = st.text() | st.lists(
    st.sampled_from(
        [
            "[[ ## a ## ]]",
            "[[ ## completed ## ]]",
            "Outputs you write:",
            "Inputs you receive:",
            "What to do:",
            "\n",
            "- `a` (text)",
            "- `b` (one of ",
            '"x", "y")',
            "- `instruction` (text)",
            "- `j` (JSON: {",
            "}",
            ")",
            '{"type":"array","minItems":3}',
            "x: y",
            "not y",
            "[1e999]",
            '[{"inputs":{"t":"u"},"outputs":{"a":"x"}}]',
        ]
    )
    | st.text(max_size=5)
).map("".join)
ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
MESSAGES = st.lists(st.builds(lambda role, content: Message(role=role, content=content), ROLES, WILD))
DEEP = "[" * 50_000
RING = '{"$ref":"#/$defs/A","$defs":{"A":{"required":["l","r"],"properties":{"l":{"$ref":"#/$defs/A"}}}}}'


def test_endings_do_not_hide_a_word() -> None:
    """Forms of one word meet in one stem; short words stay whole."""
    assert {stem(word) for word in ("charge", "charges", "charged", "charging")} == {"charg"}
    assert {stem(word) for word in ("city", "cities", "city's")} == {"city"}
    assert (stem("stopped"), stem("glass"), stem("red"), stem("fell")) == ("stop", "glass", "red", "fell")


def test_odd_labels_and_values_are_borne() -> None:
    """A label of signs alone, a closed set without a member, JSON nested beyond reason."""
    assert list(read_hints("a: water", ("-", "a"))) == ["water"]
    assert read_hints("- water", ("-",)) == {}
    assert read_task("Outputs you write:\n- `a` (one of ): odd").outputs[0].labels == ()
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert encode(nested) == "null"


@settings(max_examples=60)
@given(messages=MESSAGES, n=st.integers(0, 3), temperature=st.none() | st.floats(0, 3))
@example(
    messages=[Message(role="system", content=f"Outputs you write:\n- `a` (JSON: {DEEP})")],
    n=1,
    temperature=None,
)
@example(
    messages=[Message(role="system", content=f"Outputs you write:\n- `a` (JSON: {RING})")],
    n=1,
    temperature=None,
)
@example(messages=[Message(role="user", content="bug " * 5000)], n=1, temperature=None)
def test_no_text_makes_it_fail(messages: list[Message], n: int, temperature: float | None) -> None:
    """Whatever the messages say, an answer comes back, and the same one again."""
    request = Request(model="practice", messages=tuple(messages), n=n, temperature=temperature)
    response = send(request)
    assert len(response.choices) == max(1, n)
    assert response == send(request)


@settings(max_examples=60)
@given(text=WILD, shot=WILD, instruction=WILD, temperature=st.sampled_from([0.0, 1.0]))
def test_every_answer_follows_the_layout(text: str, shot: str, instruction: str, temperature: float) -> None:
    """What the adapter rendered, the adapter can read back: labels as labels, text as text."""

    class Wild(dspex.Signature):
        """Replaced below."""

        a: str = dspex.InputField()
        reasoning: str = dspex.OutputField()
        b: Literal["x", "y"] = dspex.OutputField()
        c: str = dspex.OutputField()
        new_instruction: str = dspex.OutputField()

    signature = Wild.with_instructions(instruction)
    demos = [{"a": shot, "b": "x", "c": shot, "new_instruction": instruction}]
    response = ask(signature, demos, {"temperature": temperature}, a=text)
    assert response.text.endswith("\n\n[[ ## completed ## ]]")
    assert CHAT.parse(signature, response.text)["b"] in ("x", "y")
