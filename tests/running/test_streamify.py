"""streamify: pieces of fields while the model writes them, words about what goes on, then the prediction."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from typing import Any

import pytest

import dspex
from dspex.errors import LMServerError, ProgramError
from dspex.lm.messages import Request
from dspex.streaming.pipe import CLOSED, Pipe
from dspex.testing.scripted import Scripted, never
from tests.running.programs import ANSWER, Pieces, streaming_lm

Listener = dspex.streaming.StreamListener
Piece = dspex.streaming.StreamResponse
TICKET = "I was charged twice."


def joined(values: list[Any], field: str) -> str:
    return "".join(v.chunk for v in values if isinstance(v, Piece) and v.signature_field_name == field)


async def collect(stream: Any) -> list[Any]:
    return [value async for value in stream]


async def test_fields_come_in_pieces_and_the_prediction_at_the_end() -> None:
    """Two fields of one predictor: their pieces join to the prediction's values, each with one last piece."""
    program = dspex.ChainOfThought("ticket -> team")
    streamed = dspex.streamify(program, stream_listeners=[Listener("reasoning"), Listener("team")])
    with dspex.context(lm=streaming_lm()):
        *pieces, prediction = await collect(streamed(ticket=TICKET))
    assert joined(pieces, "reasoning") == prediction.reasoning == "Money was\n\ntaken twice."
    assert joined(pieces, "team") == prediction.team == "billing"
    assert sum(p.is_last_chunk for p in pieces) == 2
    assert {p.predict_name for p in pieces} == {"predict"}
    assert len(pieces) > 4


@pytest.mark.parametrize(
    ("adapter", "answer"),
    [
        (dspex.JSONAdapter(), '{"reasoning": "Money was\\n\\ntaken twice.", "team": "billing"}'),
        (
            dspex.XMLAdapter(),
            "<reasoning>\nMoney was\n\ntaken twice.\n</reasoning>\n<team>\nbilling\n</team>",
        ),
        (dspex.ChatAdapter(), '{"reasoning": "Money was\\n\\ntaken twice.", "team": "billing"}'),
    ],
)
async def test_every_layout_streams(adapter: Any, answer: str) -> None:
    """JSON and XML give the same pieces of text as markers do; so does JSON where markers were asked for."""
    streamed = dspex.streamify(
        dspex.ChainOfThought("ticket -> team"), stream_listeners=[Listener("reasoning")]
    )
    with dspex.context(lm=streaming_lm(answer), adapter=adapter):
        *pieces, prediction = await collect(streamed(ticket=TICKET))
    assert joined(pieces, "reasoning") == prediction.reasoning == "Money was\n\ntaken twice."


async def test_pieces_come_before_the_answer_is_whole() -> None:
    """The first piece is there while the model has not written the last: a reader does not wait for the end."""
    streamed = dspex.streamify(
        dspex.ChainOfThought("ticket -> team"), stream_listeners=[Listener("reasoning")]
    )
    transport = Pieces(until=["completed"])
    with dspex.context(lm=dspex.LM("openai/any", transport=transport, cache=False)):
        stream = streamed(ticket=TICKET)
        first = await anext(stream)
        assert "Money".startswith(first.chunk.strip())
        assert transport.open == 1
        dspex._host.loop().call_soon_threadsafe(transport.gates["completed"].set)
        assert isinstance((await collect(stream))[-1], dspex.Prediction)


async def test_the_prediction_can_be_left_out() -> None:
    """With include_final_prediction_in_output_stream=False only pieces come, unless there were none."""
    program = dspex.ChainOfThought("ticket -> team")
    options = {"stream_listeners": [Listener("team")], "include_final_prediction_in_output_stream": False}
    streamed = dspex.streamify(program, **options)
    with dspex.context(lm=streaming_lm()):
        assert {type(v) for v in await collect(streamed(ticket=TICKET))} == {Piece}
    with dspex.context(lm=dspex.utils.DummyLM([{"reasoning": "so", "team": "bug"}])):
        [only] = await collect(streamed(ticket=TICKET))
    assert only.team == "bug"


async def test_a_kept_answer_has_no_pieces() -> None:
    """From the cache the prediction comes alone, and the listener says why."""
    listener = Listener("team")
    streamed = dspex.streamify(dspex.ChainOfThought("ticket -> team"), stream_listeners=[listener])
    with dspex.context(lm=dspex.LM("openai/any", transport=Pieces(), cache=True)):
        first = await collect(streamed(ticket="kept"))
        again = await collect(streamed(ticket="kept"))
    assert len(first) > 2
    assert [type(v) for v in again] == [dspex.Prediction]
    assert listener.cache_hit


async def test_calling_again_streams_again() -> None:
    """A re-run cell shows the same: listeners begin afresh with each call."""
    streamed = dspex.streamify(dspex.ChainOfThought("ticket -> team"), stream_listeners=[Listener("team")])
    with dspex.context(lm=streaming_lm()):
        assert await collect(streamed(ticket=TICKET)) == await collect(streamed(ticket=TICKET))


class Twice(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sort = dspex.ChainOfThought("ticket -> team")

    def forward(self, ticket: str) -> dspex.Prediction:
        self.sort(ticket=ticket)
        return self.sort(ticket=ticket + "!")


@pytest.mark.parametrize(("allow_reuse", "times"), [(False, 1), (True, 2)])
async def test_reuse_within_a_call_is_a_choice(allow_reuse: bool, times: int) -> None:
    """A predictor asked twice in one call streams twice only where that is allowed."""
    streamed = dspex.streamify(Twice(), stream_listeners=[Listener("team", allow_reuse=allow_reuse)])
    with dspex.context(lm=streaming_lm()):
        assert joined(await collect(streamed(ticket=TICKET)), "team") == "billing" * times


class Two(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = dspex.Predict("ticket -> answer")
        self.second = dspex.Predict("ticket -> answer, team")

    async def aforward(self, ticket: str) -> dspex.Prediction:
        first = await self.first.acall(ticket=ticket)
        return await self.second.acall(ticket=first.answer)


def answers(request: Request) -> str:
    head = "[[ ## answer ## ]]\n"
    return (
        f"{head}second\n\n[[ ## team ## ]]\nbug" if "`team`" in request.messages[0].text else f"{head}first"
    )


async def test_listeners_tell_predictors_apart() -> None:
    """By object or by path one of several predictors with the same field is meant."""
    program = Two()
    listeners = [
        Listener("answer", predict=program.first),
        Listener("answer", predict_name="second"),
        Listener("team"),
    ]
    streamed = dspex.streamify(program, stream_listeners=listeners, is_async_program=True)
    with dspex.context(lm=streaming_lm(answers, size=3)):
        values = await collect(streamed(ticket=TICKET))
    by_name = {n: "".join(v.chunk for v in values[:-1] if v.predict_name == n and v.signature_field_name == "answer")
               for n in ("first", "second")}  # fmt: skip
    assert by_name == {"first": "first", "second": "second"}
    assert joined(values, "team") == "bug"


@pytest.mark.parametrize(
    ("listener", "text"),
    [
        (Listener("tem"), "No predictor has an output `tem` to stream. Did you mean `team`?"),
        (
            Listener("answer"),
            "Several predictors have an output `answer`: say which with predict_name=: `first`",
        ),
        (Listener("answer", predict_name="thrid"), "The program has no predictor `thrid`."),
    ],
)
def test_a_listener_without_a_predictor_is_refused_at_once(listener: Any, text: str) -> None:
    """The error comes from streamify itself, in one line, before anything is asked."""
    with pytest.raises(ProgramError) as caught:
        dspex.streamify(Two(), stream_listeners=[listener])
    assert str(caught.value).startswith(text)


class Words(dspex.streaming.StatusMessageProvider):
    def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
        return f"{type(instance).__name__} begins with {inputs['kwargs']['ticket']!r}"

    def lm_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
        return f"asking {instance.model}"

    def lm_end_status_message(self, outputs: Any) -> str:
        return f"{len(outputs)} answer"

    def module_end_status_message(self, outputs: Any) -> str | None:
        return None


async def test_a_provider_says_what_goes_on() -> None:
    """Status messages come in their order between the pieces."""
    streamed = dspex.streamify(dspex.Predict("ticket -> team"), Words())
    with dspex.context(lm=dspex.utils.DummyLM([{"team": "bug"}])):
        values = await collect(streamed(ticket="Hi"))
    words = [v.message for v in values if isinstance(v, dspex.streaming.StatusMessage)]
    assert words == ["Predict begins with 'Hi'", "asking dummy", "1 answer"]


async def test_a_tool_is_told_of_by_default() -> None:
    """Without a provider a program tells when it uses tools."""

    class Uses(dspex.Module):
        def forward(self, ticket: str) -> dspex.Prediction:
            return dspex.Prediction(found=dspex.Tool(len, name="measure", args={"obj": {}})(obj=ticket))

    def measure(ticket: str) -> int:
        return len(ticket)

    tool = dspex.Tool(measure)
    values = await collect(
        dspex.streamify(lambda ticket: dspex.Prediction(n=tool(ticket=ticket)))(ticket="Hi")
    )
    assert [v.message for v in values[:-1]] == [
        "Using the tool measure …",
        "The tool has answered; the model reads it …",
    ]


async def test_a_program_sends_what_it_likes() -> None:
    """`settings.send_stream` takes any value and waits for room: a slow reader is not run over."""
    sent: list[int] = []

    class Talks(dspex.Module):
        async def aforward(self, count: int) -> dspex.Prediction:
            for k in range(count):
                await dspex.settings.send_stream.send(k)
                sent.append(k)
            return dspex.Prediction(done=True)

    stream = dspex.streamify(Talks(), is_async_program=True)(count=1000)
    assert await anext(stream) == 0
    assert len(sent) < 300
    assert [v for v in await collect(stream) if isinstance(v, int)] == list(range(1, 1000))


async def test_an_error_reaches_the_reader_as_it_is() -> None:
    """What the program raises is raised by the stream, not wrapped, after what came before it."""
    lm = dspex.LM("openai/any", transport=Scripted(LMServerError("down")), num_retries=0, cache=False)
    with dspex.context(lm=lm), pytest.raises(LMServerError, match="down"):
        await collect(dspex.streamify(dspex.Predict("ticket -> team"))(ticket="Hi"))


async def test_a_reader_who_leaves_cuts_the_call() -> None:
    """Closing the stream cancels the call in flight; nothing goes on in the dark."""
    transport = Pieces(until=["completed"])
    with dspex.context(lm=dspex.LM("openai/any", transport=transport, cache=False)):
        program = dspex.ChainOfThought("ticket -> team")
        stream = dspex.streamify(program, stream_listeners=[Listener("reasoning")])(ticket=TICKET)
        await anext(stream)
        await stream.aclose()
    async with asyncio.timeout(5):
        while transport.open:
            await asyncio.sleep(0.01)
    assert transport.cut == 1


def test_a_plain_reader_who_leaves_cuts_the_call() -> None:
    """Breaking out of the plain generator does the same."""
    script = Scripted(never())
    with dspex.context(lm=dspex.LM("openai/any", transport=script, cache=False)):
        stream = dspex.streamify(dspex.Predict("ticket -> team"), Words(), async_streaming=False)(ticket="Hi")
        assert isinstance(next(stream), dspex.streaming.StatusMessage)
        assert "asking" in next(stream).message
        stream.close()
    gone = threading.Event()
    for _ in range(500):
        if not script.waiting:
            break
        gone.wait(0.01)
    assert script.waiting == 0


def test_a_plain_stream_needs_no_loop() -> None:
    """async_streaming=False gives a plain generator with the same values, and keeps the reader's context."""
    streamed = dspex.streamify(
        dspex.ChainOfThought("ticket -> team"), stream_listeners=[Listener("team")], async_streaming=False
    )
    with dspex.context(lm=streaming_lm()):
        *pieces, prediction = list(streamed(ticket=TICKET))
    assert joined(pieces, "team") == prediction.team


async def test_without_listeners_the_models_pieces_come_as_they_are() -> None:
    """Each has its text, also where OpenAI's shape has it."""
    with dspex.context(lm=streaming_lm()):
        *pieces, _ = await collect(dspex.streamify(dspex.ChainOfThought("ticket -> team"))(ticket=TICKET))
    assert "".join(p.choices[0].delta.content for p in pieces) == "".join(p.text for p in pieces) == ANSWER


async def test_a_web_service_gets_server_sent_events() -> None:
    """Pieces and answer as `data:` lines, and the closing one."""
    with dspex.context(lm=dspex.utils.DummyLM([{"team": "bug"}])):
        stream = dspex.streamify(dspex.Predict("ticket -> team"), stream_listeners=[Listener("team")])(
            ticket="Hi"
        )
        lines = [line async for line in dspex.streaming.streaming_response(stream)]
    assert lines == ['data: {"prediction":{"team":"bug"}}\n\n', "data: [DONE]\n\n"]


async def test_two_streams_at_once_keep_apart() -> None:
    """Each reader gets the pieces of its own call, with its own settings."""
    streamed = dspex.streamify(dspex.Predict("ticket -> team"), stream_listeners=[Listener("team")])

    async def one(word: str) -> str:
        with dspex.context(lm=streaming_lm(f"[[ ## team ## ]]\n{word * 9}", size=2)):
            return joined(await collect(streamed(ticket=word)), "team")

    assert await asyncio.gather(*(one(w) for w in "abcdef")) == [w * 9 for w in "abcdef"]


def test_a_full_pipe_joins_what_cannot_wait() -> None:
    """Without room pieces are joined to the last one; nothing is lost and no more is held than the text."""
    pipe = Pipe(room=3)
    for k in range(100):
        pipe.put(f"{k},", join=lambda last, new: last + new)
    pipe.close()
    values = []
    while (value := pipe.take()) is not CLOSED:
        values.append(value)
    assert len(values) == 3
    assert "".join(values) == "".join(f"{k}," for k in range(100))


def test_a_stream_nobody_read_leaves_nothing_behind() -> None:
    """A stream that is made and dropped never starts the program."""
    with dspex.context(lm=streaming_lm()):
        stream = dspex.streamify(dspex.Predict("ticket -> team"))(ticket="Hi")
    contextvars.copy_context().run(lambda: None)
    del stream
    gc.collect()
