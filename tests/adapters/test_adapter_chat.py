"""The chat layout: what the model sees, and what of its answer is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from dspex.adapters import Adapter, ChatAdapter
from dspex.data.example import Example
from dspex.errors import AdapterParseError, SignatureError
from dspex.signatures import InputField, OutputField, Signature, SignatureSpec

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "prompts"


class Triage(Signature):
    """Sort a support ticket to the team that can resolve it."""

    ticket: str = InputField(desc="what the customer wrote")
    reasoning: str = OutputField()
    team: Literal["billing", "account", "bug", "feature"] = OutputField(desc="the team")


class Rich(Signature):
    """Read the report.

    Say only what it says.
    """

    report: str = InputField(desc="first line\nsecond line")
    tags: list[str] = InputField(default_factory=list)
    score: float = OutputField(desc="how sure", ge=0, le=1)
    facts: dict[str, int] = OutputField()
    note: str | None = OutputField(default=None)


TRIAGE_DEMOS = [
    {"ticket": "Charged twice!", "reasoning": "It is about money.", "team": "billing"},
    Example(ticket="It crashes", team="bug"),
    {"team": "feature"},
    {"ticket": "no outputs at all"},
]

PROMPTS = {
    "chat_triage": (Triage, [], {"ticket": "I cannot log in"}),
    "chat_triage_demos": (Triage, TRIAGE_DEMOS, {"ticket": "I cannot log in"}),
    "chat_types": (
        Rich,
        [{"report": "r", "tags": ["a"], "score": 1, "facts": {"n": 2}, "note": "x"}],
        {"report": "s"},
    ),
    "chat_marker_in_text": (
        Signature("text -> answer"),
        [{"text": "a [[ ## answer ## ]] b", "answer": "[[ ## completed ## ]]"}],
        {"text": "\\[[ ## text ## ]]"},
    ),
    "chat_no_inputs": (Signature({"joke": OutputField()}), [], {}),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_the_prompt_is_the_golden_one(name: str) -> None:
    """A changed prompt shows as a changed file; remove the file to have it written anew."""
    signature, demos, inputs = PROMPTS[name]
    messages = ChatAdapter().format(signature, demos, inputs)
    text = "".join(f"=== {m.role} ===\n{m.content}\n\n" for m in messages)
    path = GOLDEN / f"{name}.md"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path.name} was missing and is written; read it and run again")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "answer",
    [
        "[[ ## reasoning ## ]]\nMoney.\n\n[[ ## team ## ]]\nbilling\n\n[[ ## completed ## ]]",
        "Sure, here it is:\n\n[[ ## reasoning ## ]]\nMoney.\n[[ ## team ## ]]\nbilling",
        "[[ ## reasoning ## ]] Money.\n[[ ## team ## ]] billing [[ ## completed ## ]]",
        "[[## Reasoning ##]]\nMoney.\n\n**[[ ## TEAM ## ]]**\n`Billing`\n\n[[ ## completed ## ]]\nAnything else?",
        "[[ ## ticket ## ]]\nechoed\n\n[[ ## reasoning ## ]]\nMoney.\n\n[[ ## mood ## ]]\nsad\n\n[[ ## team ## ]]\nbilling",
        "[[ ## reasoning ## ]] Money. [[ ## team ## ]] billing [[ ## completed ## ]]",
        "[[ ## reasoning ## ]]\r\nMoney.\r\n\r\n[[ ## team ## ]]\r\nbilling\r\n\r\n[[ ## completed ## ]]\r\n",
        "[[ ## team ## ]]\nbilling\n\n[[ ## reasoning ## ]]\nMoney.\n\n[[ ## team ## ]]\nbug",
    ],
)
def test_an_answer_is_understood(answer: str) -> None:
    """Sloppy layouts give the same fields, in the signature's order."""
    values = ChatAdapter().parse(Triage, answer)
    assert values == {"reasoning": values["reasoning"], "team": "billing"}
    assert list(values) == ["reasoning", "team"]
    assert values["reasoning"].strip() == "Money."


def test_a_marker_in_a_sentence_is_no_marker() -> None:
    """A model that writes about the layout is not cut there."""
    answer = "[[ ## reasoning ## ]]\nI fill [[ ## team ## ]] next.\n\n[[ ## team ## ]]\nbug\n\n[[ ## completed ## ]]"
    assert ChatAdapter().parse(Triage, answer) == {
        "reasoning": "I fill [[ ## team ## ]] next.",
        "team": "bug",
    }


@pytest.mark.parametrize(
    "answer", ["  Paris\n", "Paris\n\n[[ ## completed ## ]]", "[[ ## answer ## ]]\nParis"]
)
def test_a_lone_output_needs_no_marker(answer: str) -> None:
    """With one output field the whole text is its value."""
    assert ChatAdapter().parse(Signature("q -> answer"), answer) == {"answer": "Paris"}


def test_absent_outputs_fall_back() -> None:
    """A default stands for a missing field, and None where the type allows it."""

    class Loose(Signature):
        """Do."""

        q: str = InputField()
        a: str = OutputField()
        b: list[str] = OutputField(default_factory=list)
        c: int | None = OutputField()

    assert ChatAdapter().parse(Loose, "[[ ## a ## ]]\n1") == {"a": "1", "b": [], "c": None}


@pytest.mark.parametrize(
    ("answer", "message", "understood"),
    [
        ("[[ ## reasoning ## ]]\nMoney.", "it has no `team`. Understood: `reasoning`", ("reasoning",)),
        ("no idea", "it has no `reasoning`; it has no `team`. Understood: nothing", ()),
        (
            "[[ ## reasoning ## ]]\nx\n[[ ## team ## ]]\nsales",
            '`team` should be one of "billing", "account", "bug", "feature", the model wrote `sales`. Understood: `reasoning`',
            ("reasoning",),
        ),
    ],
)
def test_an_unreadable_answer_keeps_what_was_understood(
    answer: str, message: str, understood: tuple[str, ...]
) -> None:
    """The error says which field and why, and holds the raw text."""
    with pytest.raises(AdapterParseError) as caught:
        ChatAdapter().parse(Triage, answer)
    error = caught.value
    assert (
        str(error) == f"The answer to `Triage` cannot be read: {message}. The raw text is in `.lm_response`."
    )
    assert (error.adapter_name, error.signature, error.lm_response, error.understood) == (
        "ChatAdapter", "Triage", answer, understood,
    )  # fmt: skip


def test_an_empty_answer_is_no_answer() -> None:
    """Nothing but white space or the end marker is a missing field, not an empty text."""
    for text in ("", " \n", "[[ ## completed ## ]]"):
        with pytest.raises(AdapterParseError, match="it has no `answer`"):
            ChatAdapter().parse(Signature("q -> answer"), text)


def test_a_type_nobody_can_read_is_refused_before_the_call() -> None:
    """An output of an arbitrary class is an error of the signature when the prompt is rendered."""
    with pytest.raises(SignatureError, match="Values of `answer: Example` cannot be read"):
        ChatAdapter().format(
            Signature("q -> answer: Example", custom_types={"Example": Example}), [], {"q": "x"}
        )


def test_a_class_defined_again_answers_with_its_own_members() -> None:
    """Equal signatures of two runs of a cell share no cache that would return the older class's values."""

    def run_cell() -> tuple[SignatureSpec, type]:
        import enum

        class Color(enum.Enum):
            RED = "red"

        return Signature("q -> color: Color").spec, Color

    (one, first), (two, second) = run_cell(), run_cell()
    assert one == two
    for spec, color in ((one, first), (two, second)):
        ChatAdapter().format(spec, [], {"q": "x"})
        assert ChatAdapter().parse(spec, "red")["color"] is color("red")


def test_changed_demos_are_rendered_anew() -> None:
    """A demonstration that is changed in place shows its new value."""
    demo = {"ticket": "a", "team": "bug"}
    ChatAdapter().format(Triage, [demo], {"ticket": "x"})
    demo["ticket"] = "b"
    assert "\nb" in ChatAdapter().format(Triage, [demo], {"ticket": "x"})[1].content


def test_the_chat_adapter_is_an_adapter_and_a_value() -> None:
    """It fits the protocol, and two of them are equal, so that `configure` may be repeated."""
    adapter: Adapter = ChatAdapter()
    assert isinstance(adapter, Adapter)
    assert adapter == ChatAdapter()
    assert repr(adapter) == "ChatAdapter()"


@pytest.mark.parametrize("piece", [" ", "\\", "[", "[[ ##", "\n", "```\n", "> ", "#", "\t\n"])
def test_hostile_text_costs_its_length(piece: str) -> None:
    """Long runs of one piece are read in a moment: within the test's own time limit."""
    text = piece * 50_000
    wanted = Signature("q -> a, b: list[int]")
    ChatAdapter().format(wanted, [{"a": text, "b": [1]}], {"q": text})
    for answer in (
        text,
        f"##{text}",
        f"[[ ## a ## ]]\n{text}\n[[ ## b ## ]]\n{text}",
        f"{text}[[ ## a ## ]]",
    ):
        with pytest.raises(AdapterParseError):
            ChatAdapter().parse(wanted, answer)
