"""Pipelines: fields are matched by name, and what is missing is said before anything is called."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.errors import DataError, ProgramError
from dspex.modules.pipeline import FanOut, Pipeline
from tests.programs import an_lm


def echo(request: Any) -> str:
    """Answer each field that is asked for with its name and what was given."""
    system, last = request.messages[0].content, request.messages[-1].content
    given = last.partition("\n\nAnswer with")[0].replace("\n\n", " ").replace("\n", " ")
    wanted = [
        line for line in system.partition("Outputs you write:")[2].splitlines() if line.startswith("- `")
    ]
    names = [line.split("`")[1] for line in wanted]
    return "\n\n".join(
        [f"[[ ## {name} ## ]]\n{name} of ({_plain(given)})" for name in names] + ["[[ ## completed ## ]]"]
    )


def _plain(given: str) -> str:
    return given.replace("[[ ## ", "").replace(" ## ]]", ":")


class Upper(dspex.Module):
    """A user's own part, matched by its parameters."""

    def forward(self, answer: str, mark: str = "!") -> dict[str, str]:
        return {"loud": answer.upper() + mark}


class Open(dspex.Module):
    """A part that takes whatever there is."""

    def forward(self, **inputs: Any) -> dspex.Prediction:
        return dspex.Prediction(seen=sorted(inputs))


A = dspex.Predict("question -> answer")
B = dspex.Predict("answer, question -> verdict")


def run(pipeline: Any, inputs: Any) -> Any:
    with dspex.context(lm=an_lm(echo)[0]):
        return inputs | pipeline


def test_each_part_gets_what_it_takes_and_the_answer_holds_all_outputs() -> None:
    """B sees A's answer and the pipeline's own input."""
    answer = run(A >> B, {"question": "why?"})
    assert list(answer.keys()) == ["answer", "verdict"]
    assert answer.answer == "answer of (question: why?)"
    assert answer.verdict == "verdict of (answer: answer of (question: why?) question: why?)"


def test_a_dict_renames_fields() -> None:
    """From there on the value is found under its new name alone; also before the first and after the last part."""
    answer = run(
        {"text": "question"} >> A >> {"answer": "claim"} >> dspex.Predict("claim -> verdict"), {"text": "x"}
    )
    assert list(answer.keys()) == ["claim", "verdict"]
    assert list(run(A >> {"answer": "reply"}, {"question": "x"}).keys()) == ["reply"]


def test_a_users_own_part_is_matched_by_its_parameters() -> None:
    """Defaults need not be given, and may be; `**inputs` gets everything."""
    assert run(A >> Upper(), {"question": "x"}).loud == "ANSWER OF (QUESTION: X)!"
    assert run(A >> Upper(), {"question": "x", "mark": "?"}).loud.endswith("?")
    assert run(A >> Open(), {"question": "x", "more": 1}).seen == ["answer", "more", "question"]


@pytest.mark.parametrize("side", [tuple, list])
def test_parts_side_by_side_run_at_the_same_time_and_their_answers_are_one(side: type) -> None:
    """`A >> (B, C)`: both get A's answer, neither waits for the other."""
    both = threading.Barrier(2)

    class Meet(dspex.Module):
        def __init__(self, name: str) -> None:
            self.name = name

        def forward(self, answer: str) -> dict[str, str]:
            both.wait(5)
            return {self.name: answer[:6]}

    answer = run(A >> side([Meet("left"), Meet("right")]), {"question": "x"})
    assert answer.toDict() == {"answer": "answer of (question: x)", "left": "answer", "right": "answer"}


def test_side_by_side_goes_first_too() -> None:
    """`(B, C) >> D` merges before D."""
    two = (dspex.Predict("text -> title"), dspex.Predict("text -> tags"))
    assert list(run(two >> dspex.Predict("title, tags -> page"), {"text": "x"}).keys()) == [
        "title",
        "tags",
        "page",
    ]


def test_a_field_that_two_sides_give_is_an_error_where_it_is_written() -> None:
    """The error names both and how to rename one."""
    with pytest.raises(ProgramError, match=r"`answer` comes from both .* give one another name"):
        A >> (dspex.Predict("answer -> answer2"), A, dspex.Predict("question -> answer"))
    answer = run(dspex.Predict("x -> question") >> (A, A >> {"answer": "second"}), {"x": "1"})
    assert list(answer.keys()) == ["question", "answer", "second"]


def test_two_sides_that_turn_out_to_give_the_same_field_are_refused() -> None:
    """Where only the code knows what it gives, the clash is seen when it is there."""
    with pytest.raises(ProgramError, match="`loud` comes from both"):
        run(A >> (Upper(), Upper()), {"question": "x"})


@pytest.mark.parametrize(
    ("pipeline", "given", "says"),
    [
        (A >> dspex.Predict("claim -> verdict"), {"question": "x"}, r"`Predict\(claim -> verdict\)` needs `claim`.*At hand: question, answer"),
        (A >> B, {"qestion": "x"}, "needs `question`.*Did you mean `qestion`"),
        (A >> B, {"question": "x", "extra": 1}, "No part of the pipeline takes `extra`"),
        (A >> {"reply": "claim"} >> Open(), {"question": "x"}, "new name `claim` needs `reply`"),
        (A >> (B, dspex.Predict("other -> more")), {"question": "x"}, r"`Predict\(other -> more\)` needs `other`"),
        (A >> {"answer": "claim"} >> Upper(), {"question": "x"}, r"`Upper\(\)` needs `answer`"),
        (A >> B, {}, "At hand: nothing"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_before_anything_is_called(
    pipeline: Any, given: dict[str, Any], says: str
) -> None:
    """No model is asked for a pipeline that cannot come to its end."""
    lm, transport = an_lm(echo)
    with dspex.context(lm=lm), pytest.raises(DataError, match=says):
        pipeline(**given)
    assert not transport.requests


def test_a_field_behind_unknown_outputs_is_looked_for_when_its_turn_comes() -> None:
    """A part whose outputs only its code knows may give it; if it does not, the error is the same."""
    assert run(A >> Upper() >> dspex.Predict("loud -> end"), {"question": "x"}).end.startswith(
        "end of (loud: ANSWER"
    )
    with pytest.raises(DataError, match=r"needs `quiet`.*At hand: question, answer, loud"):
        run(A >> Upper() >> dspex.Predict("quiet -> end"), {"question": "x"})


def test_an_answer_without_fields_is_refused() -> None:
    """A part of a pipeline answers by name."""

    class Bare(dspex.Module):
        def forward(self, answer: str) -> str:
            return answer

    with pytest.raises(ProgramError, match="answered a str"):
        run(A >> Bare() >> B, {"question": "x"})


@pytest.mark.parametrize("wrong", ["claim -> verdict", dspex.Predict, 3, {}, {"a": 1}, ()])
def test_what_is_no_part_is_refused_where_it_is_written(wrong: Any) -> None:
    """The error says what to write."""
    with pytest.raises(ProgramError):
        A >> wrong


def test_pipelines_are_flat_and_leave_their_parts_alone() -> None:
    """However they are bracketed they are the same, and making one changes nothing."""
    assert repr((A >> B) >> Upper()) == repr(A >> (B >> Upper()))
    assert len(((A >> B) >> Upper()).parts) == 3
    assert isinstance(A >> B, Pipeline)


def test_a_pipeline_is_a_module(tmp_path: Path) -> None:
    """Its predictors are found, copied and saved, parts side by side included."""
    program = A >> (B, dspex.ChainOfThought("answer -> tone")) >> {"tone": "style"}
    assert [path for path, _ in program.named_predictors()] == [
        "parts[0]",
        "parts[1].parts[0]",
        "parts[1].parts[1].predict",
    ]
    copy = program.deepcopy()
    copy.predictors()[0].demos = [dspex.Example(question="q", answer="a")]
    assert A.demos == []
    again = dspex.load(copy.save(tmp_path / "p.json"))
    assert repr(again) == repr(copy)
    assert again.dump_state() == copy.dump_state()


def test_a_pipeline_can_be_optimized_and_a_part_that_lacks_an_input_is_seen_before() -> None:
    """Optimizers check the examples against what the whole takes."""
    rows = [dspex.Example(text=str(i), verdict="v").with_inputs("text") for i in range(4)]
    with dspex.context(lm=an_lm(echo)[0]):
        program = dspex.LabeledFewShot(k=2).compile({"text": "question"} >> A, trainset=rows)
        assert [len(p.demos) for p in program.predictors()] == [2]
        with pytest.raises(DataError, match=r"`trainset\[0\]` lacks the input `question`"):
            dspex.LabeledFewShot(k=2).compile(A >> B, trainset=rows)


async def test_a_pipeline_runs_on_any_loop_with_users_coroutines_in_it() -> None:
    """Written once, it runs in async code and in plain code alike."""

    class Wait(dspex.Module):
        async def aforward(self, answer: str) -> dict[str, str]:
            await asyncio.sleep(0)
            return {"waited": answer}

    program = A >> (Wait(), B)
    with dspex.context(lm=an_lm(echo)[0]):
        assert list((await program.acall(question="x")).keys()) == ["answer", "waited", "verdict"]
        assert list((await asyncio.to_thread(program, question="x")).keys()) == [
            "answer",
            "waited",
            "verdict",
        ]


def test_any_inputs_stand_before_the_bar() -> None:
    """A dict, an example, another program's answer, or a list of rows."""
    row = dspex.Example(question="x", answer="label").with_inputs("question")
    assert run(A, row).answer == "answer of (question: x)"
    first = run(A, {"question": "x"})
    assert run(dspex.Predict("answer -> verdict"), first).verdict.startswith("verdict of (answer: answer")
    assert [a.answer for a in run(A, [row, {"question": "y"}])] == [
        "answer of (question: x)",
        "answer of (question: y)",
    ]
    assert run(A >> B, dspex.Prediction(question="x", unused=1)).verdict


@pytest.mark.parametrize("wrong", ["why?", 3, ["why?"]])
def test_what_has_no_names_cannot_stand_before_the_bar(wrong: Any) -> None:
    """The error shows the dict to write."""
    with pytest.raises(ProgramError, match=re.escape('write `{"question": ...} | program`')):
        wrong | A


def test_a_pipeline_of_pipelines_knows_what_it_takes_and_gives() -> None:
    """Inputs are what no part before gives; side by side nobody sees the other's answer."""
    ports = (A >> FanOut(B, dspex.Predict("verdict -> more")))._ports()
    assert ports.required == ("question", "verdict")
    assert ports.gives == ("answer", "verdict", "more")
    assert (A >> Upper())._ports().optional == ("mark",)
    assert (A >> Upper())._ports().gives is None
