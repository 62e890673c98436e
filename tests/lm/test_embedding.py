"""Laws of vectors on the wire: what is sent, what is read, and that conversations notice nothing of them."""

from __future__ import annotations

import base64
import json
import struct
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex import _canon
from dspex.lm.cache import Cached
from dspex.lm.embedding import embedded, embedding_body, embedding_from, embedding_response
from dspex.lm.messages import Message, Request, Response
from dspex.lm.practice import PracticeTransport
from dspex.lm.practice.vectors import LENGTH, vector_of
from dspex.lm.prices import most_tokens, price_of
from dspex.lm.store import Store
from dspex.lm.wire import NoAnswerError
from dspex.testing.scripted import Scripted

FLOATS = st.floats(-1e6, 1e6, width=32)
ROWS = st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(FLOATS, min_size=n, max_size=n), min_size=1, max_size=5))  # fmt: skip


@given(ROWS, st.booleans(), st.randoms())
def test_vectors_come_back_as_they_were_sent(
    rows: list[list[float]], compact: bool, rng: st.DataObject
) -> None:
    """As numbers or as base64, in whatever order, each vector goes to its text."""

    def form(row: list[float]) -> object:
        return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode() if compact else row

    data = [{"embedding": form(row), "index": place} for place, row in enumerate(rows)]
    rng.shuffle(data)  # type: ignore[attr-defined]
    answer = {"data": data, "usage": {"prompt_tokens": 7, "total_tokens": 7}, "model": "m"}
    for response in (
        embedding_response(json.dumps(answer).encode(), len(rows)),
        embedding_from(answer, len(rows)),
    ):
        assert [list(array("f", vector)) for vector in response.vectors] == rows
        assert (response.usage.prompt_tokens, response.model, response.choices) == (7, "m", ())


@given(st.recursive(st.none() | st.booleans() | FLOATS | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "embedding", "index", "usage", "x"]), inner, max_size=3)), st.integers(0, 3))  # fmt: skip
def test_no_answer_breaks_the_reader(answer: object, count: int) -> None:
    """Whatever JSON a server sends, it is vectors for all texts or one error."""
    try:
        response = embedding_response(json.dumps(answer).encode(), count)
    except NoAnswerError:
        return
    assert len(response.vectors) == count


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    """What is no JSON is one error too."""
    with pytest.raises(NoAnswerError):
        embedding_response(b"{" + body, 1)


def test_a_body_holds_texts_and_parameters_alone() -> None:
    """Nothing that belongs to conversations is sent."""
    options = {"dimensions": msgspec.Raw(b"3")}
    request = Request(
        model="openai/m", messages=(), inputs=("a", "b"), options=options, temperature=0.5, max_tokens=9
    )
    assert json.loads(embedding_body(request, "m")) == {"model": "m", "input": ["a", "b"], "dimensions": 3}


def test_conversations_keep_their_keys() -> None:
    """A request without texts to embed leaves no trace of them: what was kept before is found."""
    request = Request(model="m", messages=(Message(role="user", content="hi"),))
    assert b"inputs" not in msgspec.json.encode(request)
    assert msgspec.json.decode(b'{"choices":[{"text":"a"}]}', type=Response).vectors == ()


async def test_vectors_are_kept_like_texts() -> None:
    """The cache gives them again, free; through JSON they stay what they were."""
    answer = embedded([[0.1, -2.5], [3.0, 4.0]], tokens=4)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Response) == answer
    assert msgspec.json.decode(_canon.canonical(answer), type=Response) == answer
    cached = Cached(Scripted(answer), Store())
    request = Request(model="m", messages=(), inputs=("a", "b"))
    await cached.send(request)
    kept = cached.peek(request)
    assert kept is not None
    assert (kept.vectors, kept.cached, kept.cost) == (answer.vectors, True, 0.0)
    assert cached.peek(msgspec.structs.replace(request, inputs=("a", "c"))) is None


def test_a_price_without_output_is_a_price() -> None:
    """The table leaves out what an embedding model cannot have; what comes in is paid, nothing comes out."""
    price = price_of("mistral/mistral-embed")
    assert price is not None
    assert (price.input, price.output) == (1e-7, 0.0)
    most = most_tokens(Request(model="m", messages=(), inputs=("a" * 30, "b" * 30)), 1024)
    assert (most.prompt_tokens, most.completion_tokens) == (20 + 16, 0)


async def test_the_practice_model_embeds() -> None:
    """Without a network: equal texts alike, texts that share words near, all of length 1, none for no words."""
    request = Request(model="practice", messages=(), inputs=("I was charged twice", "charged twice", "?!"))
    response = await PracticeTransport().send(request)
    one, two, none = (list(array("f", vector)) for vector in response.vectors)
    assert len(one) == LENGTH
    assert sum(x * x for x in one) == pytest.approx(1.0, abs=1e-5)
    assert sum(x * y for x, y in zip(one, two, strict=True)) > 0.5
    assert set(none) == {0.0}
    assert vector_of("a") == vector_of("a")
    assert response.usage.prompt_tokens > 0
