"""Laws of the embedder, over real sockets: the same stack as a model's, and vectors as they were sent."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import dspex
from dspex.errors import (
    BudgetExceeded,
    DataError,
    LMAuthError,
    LMServerError,
    LMUnexpectedError,
    SettingsError,
)
from dspex.events.event import AnyEvent, LMEnd, LMRetry, LMStart
from dspex.retrieve import Embedder
from dspex.scope.budget import Budget
from dspex.scope.scope import Scope, enter
from dspex.testing.server import Fault, Server, serving

Happened = Callable[[], list[AnyEvent]]


def lengths(texts: Sequence[str]) -> list[list[float]]:
    """Return vectors that a test can read: the text's length, and one."""
    return [[float(len(text)), 1.0] for text in texts]


def at(server: Server, **options: Any) -> Embedder:
    return Embedder("openai/text-embedding-3-small", api_base=server.base_url, **options)


def body(*rows: object, **more: object) -> str:
    import json

    return json.dumps({"data": [{"embedding": row} for row in rows], **more})


def test_texts_become_rows_in_their_order() -> None:
    """Batches go out side by side, and come back as one matrix of 32-bit floats."""
    texts = ["a" * k for k in range(1, 24)]
    with serving(vectors=lengths, latency=0.01) as server:
        vectors = at(server, batch_size=5)(texts)
        sizes = sorted(len(request["input"]) for request in server.requests)
        assert server.peak > 1
    assert (vectors.dtype, vectors.shape) == (np.float32, (23, 2))
    assert vectors[:, 0].tolist() == [float(k) for k in range(1, 24)]
    assert sizes == [3, 5, 5, 5, 5]
    assert vectors.flags.writeable


async def test_a_text_alone_is_a_vector_alone() -> None:
    """One text gives one dimension, a list of one gives two; as a coroutine too."""
    with serving(vectors=lengths) as server:
        embedder = at(server)
        assert embedder("four").tolist() == [4.0, 1.0]
        assert (await embedder.acall("four")).tolist() == [4.0, 1.0]
        assert (await embedder.acall(["four"])).tolist() == [[4.0, 1.0]]
        assert embedder([]).shape == (0, 0)


def test_what_was_asked_before_is_free(happened: Happened) -> None:
    """A second call asks nobody, costs nothing and says so; `caching=False` asks again."""
    with serving(vectors=lengths) as server:
        embedder = at(server)
        first, again = embedder(["a", "bb"]), embedder(["a", "bb"])
        assert server.hits == 1
        embedder(["a", "bb"], caching=False)
        at(server, caching=False)(["a", "bb"])
        assert server.hits == 3
        at(server)(["a", "bb"])
        assert server.hits == 3
    assert np.array_equal(first, again)
    ends = [event for event in happened() if isinstance(event, LMEnd)]
    assert [end.cached for end in ends] == [False, True, False, False, True]
    assert ends[1].cost == 0.0


def test_what_was_asked_before_is_kept_on_disk() -> None:
    """Another process, here another memory, finds the vectors exactly as they came."""
    with serving(vectors=lambda texts: [[0.1, -1e-30, 3e30] for _ in texts]) as server:
        first = at(server)(["a"])
        dspex.cache.reset_memory_cache()
        assert np.array_equal(at(server)(["a"]), first)
        assert server.hits == 1


def test_it_is_told_and_paid_like_a_model(happened: Happened) -> None:
    """Start and end under the role `embedding`, with tokens and the table's price per token of input."""
    scope = Scope(budget=Budget(1.0))
    with serving(vectors=lengths) as server, enter(scope), dspex.track_usage() as tracker:
        at(server)(["one two", "three"])
    start, end = (event for event in happened() if isinstance(event, (LMStart, LMEnd)))
    assert (start.role, end.role, end.model) == ("embedding", "embedding", "openai/text-embedding-3-small")
    assert (end.prompt_tokens, end.completion_tokens, end.priced) == (3, 0, True)
    assert end.cost == pytest.approx(3 * 2e-8)
    assert scope.budget.spent == pytest.approx(3 * 2e-8)
    assert scope.role == "task"
    assert tracker.get_total_tokens()["openai/text-embedding-3-small"]["total_tokens"] == 3


def test_a_budget_holds_it_back() -> None:
    """What it may cost at most is set aside before anything is sent."""
    with serving(vectors=lengths) as server, enter(Scope(budget=Budget(1e-9))), pytest.raises(BudgetExceeded):
        at(server)(["a long text " * 100])
    assert server.hits == 0


def test_what_may_pass_is_asked_again(waits: list[float], happened: Happened) -> None:
    """One layer retries, as often as asked, and says so."""
    with serving(vectors=lengths, first=[Fault(status=503), Fault(status=429, retry_after=2)]) as server:
        assert at(server, caching=False)("abc").tolist() == [3.0, 1.0]
        assert server.hits == 3
    assert [event.error for event in happened() if isinstance(event, LMRetry)] == ["server", "rate_limit"]
    with serving(vectors=lengths, always=Fault(status=500)) as server:
        with pytest.raises(LMServerError):
            at(server, num_retries=0)("abc")
        assert server.hits == 1


def test_an_error_of_one_batch_is_the_callers() -> None:
    """The call fails as the batch did, and the key shows nowhere in it."""
    fault = Fault(status=401, message="bad key: {authorization}")
    with serving(vectors=lengths, always=fault) as server:
        embedder = at(server, batch_size=1, api_key="sk-canary-123456789")
        with pytest.raises(LMAuthError, match="refused the key") as caught:
            embedder(["a", "b", "c"])
    assert "canary" not in f"{caught.value} {embedder!r} {vars(embedder)}"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (body([1.0]), "1 vectors came for 2 texts"),
        (body([1.0, 2.0], [1.0]), "equally long"),
        (body([], []), "not empty"),
        (body([1.0, None], [1.0, 2.0]), "unreadable"),
        (body([1e300], [1.0]), "no finite number"),
        (body("AAAA", "AAAA"), "base64"),
        (body("%%%", "AAAA"), "base64"),
        ('{"data": [{"embedding": [1], "index": 0}, {"embedding": [1], "index": 0}]}', "number the vectors"),
        ('{"data": {}}', "unreadable"),
        ("<html>", "unreadable"),
    ],
)
def test_an_answer_that_is_none_is_one_error(answer: str, what: str) -> None:
    """Whatever a server sends, it becomes vectors or an error that says what is wrong; it is never kept."""
    with serving(always=Fault(status=200, body=answer)) as server:
        for _ in range(2):
            with pytest.raises(LMUnexpectedError, match=what):
                at(server, num_retries=0)(["a", "b"])
        assert server.hits == 2


def test_vectors_out_of_order_and_as_base64_are_read() -> None:
    """`index` says whose a vector is; OpenAI's compact form is taken as well as numbers."""
    one, two = (base64.b64encode(struct.pack("<2f", *row)).decode() for row in ([1, 2], [3, 4]))
    answer = f'{{"data": [{{"embedding": "{two}", "index": 1}}, {{"embedding": "{one}", "index": 0}}]}}'
    with serving(always=Fault(status=200, body=answer)) as server:
        assert at(server, encoding_format="base64")(["a", "b"]).tolist() == [[1, 2], [3, 4]]
        assert server.requests[0] == {
            "model": "text-embedding-3-small",
            "input": ["a", "b"],
            "encoding_format": "base64",
        }


def test_parameters_go_along_and_settings_do_not() -> None:
    """What belongs to a call goes to the provider; an address or a key of one call goes there and is not sent."""
    with serving(vectors=lengths) as other, serving(vectors=lengths) as server:
        embedder = at(server, dimensions=2, caching=False)
        embedder("a", user="me")
        embedder("a", dimensions=3, api_base=other.base_url, api_key="sk-other-123456")
        assert [request.get("dimensions") for request in server.requests + other.requests] == [2, 3]
        assert server.requests[0]["user"] == "me"
        assert set(other.requests[0]) == {"model", "input", "dimensions"}
        assert other.headers[0]["Authorization"] == "Bearer sk-other-123456"
        assert embedder.default_kwargs == {"dimensions": 2}


def test_a_function_of_ones_own_is_told_and_never_kept(happened: Happened) -> None:
    """Its options are its own; each call asks it, costs nothing and is an event."""
    seen: list[tuple[int, object]] = []

    def mine(texts: list[str], device: object = None) -> np.ndarray:
        seen.append((len(texts), device))
        return np.array(lengths(texts))

    embedder = Embedder(mine, batch_size=2, device="cpu")
    assert embedder(["a", "bb", "ccc"]).tolist() == [[1, 1], [2, 1], [3, 1]]
    assert embedder("a", device="gpu").tolist() == [1, 1]
    assert seen == [(2, "cpu"), (1, "cpu"), (1, "gpu")]
    ends = [event for event in happened() if isinstance(event, LMEnd)]
    assert [(end.model, end.role, end.cost, end.priced) for end in ends] == [
        ("mine", "embedding", 0.0, True)
    ] * 3


async def test_a_coroutine_function_will_do() -> None:
    """It is awaited where there is a loop, and run on ours where there is none."""

    async def mine(texts: list[str]) -> list[list[float]]:
        return lengths(texts)

    assert (await Embedder(mine).acall("abc")).tolist() == [3.0, 1.0]
    assert Embedder(mine)("abc").tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("act", "error", "what"),
    [
        (lambda: Embedder(3), SettingsError, "a function from texts"),
        (lambda: Embedder("text-embedding-3-small"), SettingsError, "No provider"),
        (lambda: Embedder("practice", batch_size=0), SettingsError, "batch_size"),
        (lambda: Embedder("practice")(["a", 3]), DataError, "number 1 is a `int`"),
        (lambda: Embedder("practice")(3), DataError, "a list of texts"),
        (lambda: Embedder("practice")({"a": 1}), DataError, "a list of texts"),
        (lambda: Embedder(lambda texts: [1.0])("a"), SettingsError, "shape"),
        (lambda: Embedder(lambda texts: [["x"]])("a"), SettingsError, "must return numbers"),
        (lambda: Embedder(lambda texts: [[float("nan")]])("a"), SettingsError, "finite"),
        (lambda: Embedder(lambda texts: [[1.0] * len(texts[0])], batch_size=1)(["a", "bb"]), LMUnexpectedError, "lengths"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(act: Callable[[], Any], error: type[Exception], what: str) -> None:
    """A wrong word is one line that says what to write; DSPy's ValueError too."""
    with pytest.raises(error, match=what) as caught:
        act()
    assert isinstance(caught.value, ValueError) or error is LMUnexpectedError


def test_an_error_of_a_function_goes_to_the_caller(happened: Happened) -> None:
    """It comes as it was raised, and the call is over in the books."""
    with pytest.raises(ZeroDivisionError):
        Embedder(lambda texts: 1 / 0)("a")
    assert [event.error for event in happened() if isinstance(event, LMEnd)] == ["error"]


def test_knn_takes_an_embedder() -> None:
    """DSPy's pair: the nearest training examples by an embedder's vectors."""
    rows = [
        dspex.Example(text=text).with_inputs("text") for text in ("charged twice", "late parcel", "new card")
    ]
    knn = dspex.KNN(k=1, trainset=rows, vectorizer=Embedder("practice"))
    assert [row.text for row in knn(text="my parcel is late")] == ["late parcel"]


def test_half_a_character_is_no_crash() -> None:
    """A text that UTF-8 cannot hold goes out with the broken half written as an escape."""
    with serving(vectors=lengths) as server:
        assert at(server)("half \ud83d").shape == (2,)
        assert server.requests[0]["input"] == ["half \\ud83d"]


def test_inside_an_evaluation_many_embed_at_once() -> None:
    """On dspex's own loop nothing blocks: programs that embed are in flight together."""
    with serving(vectors=lengths, latency=0.02) as server:
        embedder = at(server, caching=False)

        class Measure(dspex.Module):
            native_async = True

            async def aforward(self, text: str) -> Any:
                return dspex.Prediction(length=float((await embedder.acall(text))[0]))

        rows = [dspex.Example(text="a" * k, length=k).with_inputs("text") for k in range(1, 17)]
        judge = dspex.Evaluate(devset=rows, metric=lambda e, p, t=None: e.length == p.length, num_threads=8)
        with dspex.context(lm=dspex.LM("practice")):
            score = judge(Measure())
        assert (float(score), server.peak) == (100.0, 8)
