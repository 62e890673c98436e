"""Predict and ChainOfThought: one question asked as the signature says."""

from __future__ import annotations

import asyncio
import enum
import threading

import pytest

import dspex
from dspex.errors import DataError, ProgramError, SettingsError
from dspex.modules import trace
from tests.programs import Sort, an_lm, said


def test_predict_asks_once_and_returns_typed_fields() -> None:
    """The prediction holds the signature's outputs, read as their types."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        assert dspex.Predict(Sort)(word="saw").kind == "tool"
    assert len(transport.requests) == 1


def test_chain_of_thought_asks_for_the_reasoning_first() -> None:
    """`reasoning` stands before the answer, in the prompt and in the prediction."""
    lm, transport = an_lm(lambda _: "[[ ## reasoning ## ]]\nit cuts\n\n" + said("tool"))
    with dspex.context(lm=lm):
        answer = dspex.ChainOfThought(Sort)(word="saw")
    assert list(answer.keys()) == ["reasoning", "kind"]
    system = transport.requests[0].messages[0].content
    assert system.index("[[ ## reasoning ## ]]") < system.index("[[ ## kind ## ]]")


def test_a_call_runs_in_the_callers_own_thread_up_to_the_network() -> None:
    """Where nothing waits, no other thread is asked: hooks see the caller's thread."""
    lm, _ = an_lm(lambda _: said("tool"))
    seen: list[int] = []

    class Program(dspex.Module):
        def __init__(self) -> None:
            self.sort = dspex.Predict(Sort)

        def forward(self, word: str) -> dspex.Prediction:
            seen.append(threading.get_ident())
            return self.sort(word=word)

    with dspex.context(lm=lm):
        Program()(word="saw")
    assert seen == [threading.get_ident()]


async def test_the_async_form_runs_on_any_loop() -> None:
    """`acall` works on the caller's loop, many at once."""
    lm, transport = an_lm(lambda _: said("tool"))
    program = dspex.Predict(Sort)
    with dspex.context(lm=lm):
        answers = await asyncio.gather(*(program.acall(word=f"w{i}") for i in range(20)))
    assert [a.kind for a in answers] == ["tool"] * 20
    assert len(transport.requests) == 20


def test_a_module_with_aforward_can_be_called_from_plain_code() -> None:
    """A user's coroutine may await what it likes, also when the caller is sync."""
    lm, _ = an_lm(lambda _: said("tool"))

    class Both(dspex.Module):
        def __init__(self) -> None:
            self.sort = dspex.Predict(Sort)

        async def aforward(self, word: str) -> list[str]:
            answers = await asyncio.gather(self.sort.acall(word=word), self.sort.acall(word=word))
            return [a.kind for a in answers]

    with dspex.context(lm=lm):
        assert Both()(word="saw") == ["tool", "tool"]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda p: p(), DataError, "`Sort` needs the input `word`; call it with `word=...`."),
        (lambda p: p(wrod="x"), DataError, "`Sort` has no input `wrod`. Did you mean `word`? Inputs: word."),
        (lambda p: p("x"), ProgramError, "`Predict` takes its inputs by name, such as `program(word=...)`."),
    ],
)
def test_wrong_calls_say_what_to_write(call, error, text) -> None:
    """A wrong call names the field and the fix."""
    lm, transport = an_lm()
    with dspex.context(lm=lm), pytest.raises(error) as caught:
        call(dspex.Predict(Sort))
    assert str(caught.value) == text
    assert not transport.requests


def test_what_the_signature_does_not_ask_for_is_left_aside() -> None:
    """A row with more fields than the signature needs is no error, as in DSPy; the model never sees the rest."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        assert dspex.Predict(Sort)(word="saw", source="a shed").kind == "tool"
    assert "shed" not in str(transport.requests[0].messages)


def test_no_model_is_a_sentence_not_a_crash() -> None:
    """Without a model the error names both ways on."""
    with pytest.raises(SettingsError, match=r'dspex\.configure\(lm=.*dspex\.LM\("practice"\)'):
        dspex.Predict(Sort)(word="x")


def test_a_predictors_own_model_wins() -> None:
    """`set_lm` binds the program to a model whatever is configured."""
    mine, asked = an_lm(lambda _: said("tool"))
    other, idle = an_lm(lambda _: said("fruit"))
    program = dspex.Predict(Sort)
    program.set_lm(mine)
    with dspex.context(lm=other):
        assert program(word="x").kind == "tool"
    assert (len(asked.requests), len(idle.requests)) == (1, 0)
    assert program.get_lm() is mine


def test_demonstrations_are_in_the_prompt_in_their_order() -> None:
    """What was learned is what the model sees."""
    lm, transport = an_lm(lambda _: said("tool"))
    program = dspex.Predict(Sort)
    program.demos = [dspex.Example(word="fig", kind="fruit"), {"word": "saw", "kind": "tool"}]
    with dspex.context(lm=lm):
        program(word="x")
    roles = [m.role for m in transport.requests[0].messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "fig" in transport.requests[0].messages[1].content


def test_a_trace_holds_each_predictor_call() -> None:
    """Recording sees who was asked what and answered what, in order."""
    lm, _ = an_lm(lambda _: said("tool"))
    first, second = dspex.Predict(Sort), dspex.Predict(Sort)
    with dspex.context(lm=lm), trace.recording() as steps:
        first(word="a")
        second(word="b")
    assert [(s.predictor, s.inputs["word"], s.prediction.kind) for s in steps] == [
        (first, "a", "tool"),
        (second, "b", "tool"),
    ]


def test_listeners_see_modules_start_and_end() -> None:
    """Module events are made for those who listen, with the error's name where one was raised."""
    lm, _ = an_lm(lambda _: "nonsense without markers")
    seen: list[tuple[str, str]] = []
    with (
        dspex.context(lm=lm),
        dspex.events.subscribe(
            "module_*", lambda e: seen.append((type(e).__name__, getattr(e, "error", "")))
        ),
    ):
        with pytest.raises(dspex.errors.AdapterParseError):
            dspex.Predict(Sort)(word="x")
        dspex.events.drain()
    assert seen == [("ModuleStart", ""), ("ModuleEnd", "AdapterParseError")]


def test_a_calls_own_options_hold_for_that_call() -> None:
    """`lm`, `demos`, `config` and `signature` can be given with the inputs."""
    mine, asked = an_lm(lambda _: "[[ ## colour ## ]]\nred\n\n[[ ## completed ## ]]")
    program = dspex.Predict(Sort)
    answer = program(
        word="saw",
        lm=mine,
        demos=[{"word": "fig", "colour": "green"}],
        config={"temperature": 0.3},
        signature="word -> colour",
    )
    request = asked.requests[0]
    assert (answer.colour, request.temperature, len(request.messages)) == ("red", 0.3, 4)
    assert (program.demos, program.config, program.lm, program.signature) == ([], {}, None, Sort)


def test_a_field_may_be_called_as_an_option_is() -> None:
    """An input of that name is an input."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        dspex.Predict("config, lm -> kind")(config="a", lm="b")
    assert "[[ ## config ## ]]\na" in str(transport.requests[0].messages[-1].content)


def test_several_answers_are_asked_for_with_some_chance() -> None:
    """With `n`, a temperature of almost none becomes 0.7; the prediction holds all completions."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        dspex.Predict(Sort, n=2)(word="saw")
        dspex.Predict(Sort)(word="saw", config={"n": 2, "temperature": 0.1})
        dspex.Predict(Sort, n=2, temperature=0.4)(word="saw")
        dspex.Predict(Sort)(word="saw")
    assert [r.temperature for r in transport.requests] == [0.7, 0.7, 0.4, None]
    assert [r.n for r in transport.requests] == [2, 2, 2, 1]


def test_an_input_that_may_be_none_may_be_left_out() -> None:
    """Defaults and None stand in where nothing is given."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        dspex.Predict("word, hint: str | None -> kind")(word="saw")
    assert "saw" in str(transport.requests[0].messages[-1].content)


def test_a_predicted_output_goes_to_the_provider() -> None:
    """OpenAI's `prediction` is an option of the call, not an input."""
    lm, transport = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm):
        dspex.Predict(Sort)(word="saw", prediction={"type": "content", "content": "tool"})
    assert b"content" in bytes(transport.requests[0].options["prediction"])


def test_a_call_may_leave_no_trace() -> None:
    """`_trace=False` keeps a call out of the record."""
    lm, _ = an_lm(lambda _: said("tool"))
    with dspex.context(lm=lm), trace.recording() as steps:
        dspex.Predict(Sort)(word="a", _trace=False)
    assert steps == []


class Shade(enum.Enum):
    """A type of the test's own."""

    LIGHT = "light"
    DARK = "dark"


def test_types_of_a_string_signature_are_found_where_it_is_written() -> None:
    """Names known in the code that makes the predictor, in a module's `__init__` or in a function, are types."""

    class Local(enum.Enum):
        ONE = 1

    class Program(dspex.Module):
        def __init__(self) -> None:
            self.shade = dspex.ChainOfThought("text -> shade: Shade, many: list[Local]")

    assert Program().shade.predict.signature.output_fields["shade"].annotation is Shade
    assert Program().shade.predict.signature.output_fields["many"].annotation == list[Local]
    assert (
        dspex.Predict("text -> shade: Shade | None").signature.output_fields["shade"].annotation
        == Shade | None
    )


def test_reset_forgets_what_was_learned_by_example() -> None:
    """Demonstrations, traces and rows go; instruction, options and model stay."""
    lm, _ = an_lm()
    program = dspex.Predict(Sort, temperature=0.5)
    program.demos, program.traces, program.train, program.lm = [{"word": "a"}], [1], [2], lm
    program.update_config(max_tokens=9)
    program.reset()
    assert (program.demos, program.traces, program.train, program.lm) == ([], [], [], lm)
    assert program.get_config() == {"temperature": 0.5, "max_tokens": 9}
