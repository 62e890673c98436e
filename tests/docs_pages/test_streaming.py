"""The page on streaming: fields as they are written, status messages, plain generators, kept answers."""

from __future__ import annotations

from tests.docs_pages.page import model, run_page

CELLS = r"""
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False))
predict = dspy.Predict("ticket -> reply")
stream_predict = dspy.streamify(
    predict, stream_listeners=[dspy.streaming.StreamListener(signature_field_name="reply")]
)
TICKET = "I was charged twice for the March invoice."
# %%
import asyncio

async def read():
    return [chunk async for chunk in stream_predict(ticket=TICKET)]

*chunks, last = asyncio.run(read())
assert all(isinstance(chunk, dspy.streaming.StreamResponse) for chunk in chunks) and len(chunks) > 1
assert {(chunk.predict_name, chunk.signature_field_name) for chunk in chunks} == {("self", "reply")}
assert "".join(chunk.chunk for chunk in chunks) == last.reply
# %%
said, answer = "", None
async for chunk in stream_predict(ticket=TICKET):
    if isinstance(chunk, dspy.streaming.StreamResponse):
        said += chunk.chunk
        if chunk.is_last_chunk:
            assert "[[" not in said
    elif isinstance(chunk, dspy.Prediction):
        answer = chunk
assert said == answer.reply
# %%
with dspy.context(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=True)):
    await predict.acall(ticket="a kept question")
    [only] = [chunk async for chunk in stream_predict(ticket="a kept question")]
assert isinstance(only, dspy.Prediction)
# %%
class Replies(dspy.Module):
    def __init__(self):
        super().__init__()
        self.predict1 = dspy.Predict("ticket -> reply")
        self.predict2 = dspy.Predict("reply -> short_reply")

    def forward(self, ticket: str, **kwargs):
        return self.predict2(reply=self.predict1(ticket=ticket).reply)

replies = Replies()
listeners = [dspy.streaming.StreamListener(signature_field_name=name) for name in ("reply", "short_reply")]
both = dspy.streamify(replies, stream_listeners=listeners)
chunks = [chunk async for chunk in both(ticket=TICKET)]
assert chunks[-1].short_reply
names = [chunk.predict_name for chunk in chunks[:-1]]
assert names == sorted(names) and set(names) == {"predict1", "predict2"}
# %%
class Twice(dspy.Module):
    def __init__(self):
        super().__init__()
        self.predict1 = dspy.Predict("ticket -> reply")
        self.predict2 = dspy.Predict("ticket, draft -> reply, score")

    def forward(self, ticket: str, **kwargs):
        return self.predict2(ticket=ticket, draft=self.predict1(ticket=ticket).reply)

twice = Twice()
same = [
    dspy.streaming.StreamListener(signature_field_name="reply", predict=twice.predict1, predict_name="predict1"),
    dspy.streaming.StreamListener(signature_field_name="reply", predict=twice.predict2, predict_name="predict2"),
]
chunks = [chunk async for chunk in dspy.streamify(twice, stream_listeners=same)(ticket=TICKET)]
assert {chunk.predict_name for chunk in chunks[:-1]} == {"predict1", "predict2"}
# %%
class Counts(dspy.Module):
    def __init__(self):
        super().__init__()
        self.tool = dspy.Tool(lambda x: 2 * x, name="double")
        self.predict = dspy.ChainOfThought("first, second -> total")

    def forward(self, count, **kwargs):
        return self.predict(first=count, second=self.tool(x=count))

class Told(dspy.streaming.StatusMessageProvider):
    def tool_start_status_message(self, instance, inputs):
        return f"{instance.name} with {inputs}"

    def tool_end_status_message(self, outputs):
        return f"it is {outputs}"

    def lm_start_status_message(self, instance, inputs):
        return f"asking {instance.model}"

counts = dspy.streamify(
    Counts(), status_message_provider=Told(),
    stream_listeners=[dspy.streaming.StreamListener(signature_field_name="reasoning")],
)
values = [value async for value in counts(count=3)]
words = [value.message for value in values if isinstance(value, dspy.streaming.StatusMessage)]
assert words[1:] == ["it is 6", "asking openai/gpt-4o-mini"] and words[0].startswith("double with")
assert {value.predict_name for value in values if isinstance(value, dspy.streaming.StreamResponse)} == {"predict.predict"}
# %%
plain = dspy.streamify(
    predict, stream_listeners=[dspy.streaming.StreamListener(signature_field_name="reply")], async_streaming=False
)
*chunks, last = plain(ticket=TICKET)
assert "".join(chunk.chunk for chunk in chunks) == last.reply
# %%
only_chunks = dspy.streamify(
    predict, stream_listeners=[dspy.streaming.StreamListener(signature_field_name="reply")],
    include_final_prediction_in_output_stream=False, async_streaming=False,
)
assert {type(value).__name__ for value in only_chunks(ticket=TICKET)} == {"StreamResponse"}
# %%
for adapter in (dspy.JSONAdapter(), dspy.XMLAdapter()):
    with dspy.context(adapter=adapter):
        *chunks, last = plain(ticket=TICKET)
    assert "".join(chunk.chunk for chunk in chunks) in ("", last.reply)
# %%
class Talks(dspy.Module):
    async def aforward(self, ticket: str):
        await dspy.settings.send_stream.send("one moment")
        return await predict.acall(ticket=ticket)

talks = dspy.streamify(Talks(), is_async_program=True)
assert [value async for value in talks(ticket=TICKET)][0] == "one moment"
# %%
again = dspy.streaming.apply_sync_streaming(stream_predict(ticket=TICKET))
assert isinstance(list(again)[-1], dspy.Prediction)
"""


def test_the_page_on_streaming() -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server)
