"""Laws of retrievers of one's own: any function, any form of passages, one call in the books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dspex
from dspex.errors import CancelRequested, DataError, SettingsError
from dspex.events.event import AnyEvent, LMEnd, LMStart
from dspex.retrieve import BM25, Embedder, Embeddings, Retrieve, Retriever
from dspex.scope.callbacks import BaseCallback
from dspex.scope.scope import Scope, enter

Happened = Callable[[], list[AnyEvent]]
CORPUS = ["Oslo is in Norway.", "Rome is in Italy.", "Norway has fjords."]


@pytest.mark.parametrize(
    ("given", "passages"),
    [
        (["a", "b"], ["a", "b"]),
        ("a", ["a"]),
        ([], []),
        (("a", "b"), ["a", "b"]),
        (iter(["a", "b"]), ["a", "b"]),
        ({"text": "a"}, ["a"]),
        ([{"long_text": "long", "text": "short"}], ["long"]),
        ([{"page_content": "a", "metadata": {}}, {"content": "b"}], ["a", "b"]),
        ([SimpleNamespace(long_text="a")], ["a"]),
        (SimpleNamespace(text="a"), ["a"]),
        (dspex.Prediction(passages=["a", "b"]), ["a", "b"]),
        ({"passages": ["a", "b"], "scores": [2, 1]}, ["a", "b"]),
        (dspex.Prediction(passages=[{"text": "a"}, SimpleNamespace(text="b")]), ["a", "b"]),
        ([dspex.Example(long_text="a")], ["a"]),
        (np.array(["a", "b"]), ["a", "b"]),
    ],
)
def test_passages_are_read_in_every_form(given: Any, passages: list[str]) -> None:
    """What retrievers give in practice: texts, dicts, objects, predictions."""
    assert Retriever(lambda query: given)("q").passages == passages


@pytest.mark.parametrize("given", [None, 3, [3], [None], [{"title": "a"}], [b"a"], [["a"]]])
def test_what_holds_no_passage_is_refused(given: Any) -> None:
    """The error names the retriever and what came."""
    with pytest.raises(DataError, match="The retriever `finder` gave a `"):
        Retriever(lambda query: given, name="finder")("q")


def test_what_else_is_known_comes_along() -> None:
    """Scores and places where all have them, the rest as `sources`; numpy's numbers become Python's."""
    rows = [
        {"text": "a", "score": np.float32(2.0), "index": np.int64(7), "title": "A", "object": object()},
        {"text": "b", "score": 1, "index": 3},
    ]
    found = Retriever(lambda query, k: rows[:k], k=2)("q")
    assert found.toDict() == {
        "passages": ["a", "b"], "indices": [7, 3], "scores": [2.0, 1.0], "sources": [{"title": "A"}, {}],
    }  # fmt: skip
    assert [type(score) for score in found.scores] == [float, float]
    one_without = Retriever(lambda query: [{"text": "a", "score": 1.0}, "b"])("q")
    assert list(one_without.keys()) == ["passages"]


def test_a_function_gets_k_where_it_takes_one() -> None:
    """Whoever takes no `k` is cut to it; other words are handed on."""
    seen: list[dict[str, Any]] = []

    def takes(query: str, k: int, **more: Any) -> list[str]:
        seen.append({"k": k, **more})
        return list("abcdef")

    assert Retriever(takes, k=2)("q").passages == ["a", "b"]
    assert Retriever(takes, k=2)("q", k=4, where="here").passages == ["a", "b", "c", "d"]
    assert seen == [{"k": 2}, {"k": 4, "where": "here"}]
    assert Retriever(lambda query: list("abcdef"), k=3)("q").passages == ["a", "b", "c"]


def test_it_is_one_call_of_the_role_retrieval(happened: Happened) -> None:
    """Told from start to end, for nothing; the scope's own role is as before."""
    scope = Scope(span="here")
    with enter(scope):
        BM25(CORPUS)("Norway")
        Retriever(lambda query: CORPUS, name="mine")("Norway")
    told = [event for event in happened() if isinstance(event, (LMStart, LMEnd))]
    assert [(e.model, e.role, e.span) for e in told] == [
        ("bm25", "retrieval", "here"), ("bm25", "retrieval", "here"),
        ("mine", "retrieval", "here"), ("mine", "retrieval", "here"),
    ]  # fmt: skip
    assert [(e.cost, e.priced, e.error) for e in told if isinstance(e, LMEnd)] == [(0.0, True, "")] * 2
    assert scope.tally.calls == 2


def test_an_error_is_the_callers_own(happened: Happened) -> None:
    """It comes as it was raised, and the call is over in the books."""

    def broken(query: str) -> list[str]:
        raise KeyError(query)

    with pytest.raises(KeyError):
        Retriever(broken)("q")
    assert [event.error for event in happened() if isinstance(event, LMEnd)] == ["error"]


def test_a_run_that_was_cancelled_searches_no_more() -> None:
    """Whoever is asked to end starts nothing new."""
    scope, seen = Scope(), []
    scope.cancel.request("cancel")
    with enter(scope), pytest.raises(CancelRequested):
        Retriever(lambda query: seen.append(query) or ["a"])("q")
    assert seen == []


def test_callbacks_are_told_as_of_a_module() -> None:
    """With the retriever and the query, before and after."""
    told: list[Any] = []

    class Tell(BaseCallback):
        def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            told.append((type(instance).__name__, inputs["query"]))

        def on_module_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            told.append(outputs.passages)

    BM25(CORPUS, k=1, callbacks=[Tell()])("fjords")
    assert told == [("BM25", "fjords"), ["Norway has fjords."]]


async def test_coroutine_functions_and_subclasses() -> None:
    """A search may be async; a subclass writes `forward`, as in DSPy."""

    async def search(query: str, k: int) -> list[str]:
        return [query.upper()]

    assert (await Retriever(search).acall("a")).passages == ["A"]
    assert Retriever(search)("a").passages == ["A"]

    class Mine(Retriever):
        def forward(self, query: str, k: int | None = None) -> dspex.Prediction:
            return dspex.Prediction(passages=CORPUS)

    assert Mine(k=2)("q").passages == CORPUS[:2]
    assert (await Mine(k=2).acall("q", k=1)).passages == CORPUS[:1]


async def test_retrieve_asks_what_the_settings_name(happened: Happened) -> None:
    """DSPy's module: texts alone, whoever searches; a retriever of ours is one call, not two."""
    rows = [SimpleNamespace(long_text=text) for text in CORPUS]
    with dspex.context(rm=lambda query, k: rows[:k]):
        assert Retrieve(k=2)("q").toDict() == {"passages": CORPUS[:2]}
        assert (await Retrieve(k=2).acall("q", k=1)).passages == CORPUS[:1]
    before = len(happened())
    with dspex.context(rm=BM25(CORPUS)):
        assert Retrieve(k=1)("fjords").toDict() == {"passages": ["Norway has fjords."]}
    ends = [event for event in happened()[before:] if isinstance(event, LMEnd)]
    assert [(event.model, event.role) for event in ends] == [("bm25", "retrieval")]


def test_retrieve_can_be_subclassed_and_kept() -> None:
    """A subclass's `forward` needs no settings; how many it takes is its state."""

    class Mine(Retrieve):
        def forward(self, query: str, k: int | None = None) -> list[str]:
            return CORPUS[: k or self.k]

    assert Mine(k=2)("q").passages == CORPUS[:2]
    other = Retrieve()
    other.load_state(Mine(k=2).dump_state())
    assert other.k == 2


def test_without_a_retriever_the_settings_say_what_to_write() -> None:
    """One line, before anybody is asked; and what is no retriever is refused where it is set."""
    with pytest.raises(SettingsError, match=r"write `dspex.configure\(rm=dspex.BM25\(corpus\)\)`"):
        Retrieve()("q")
    with pytest.raises(SettingsError, match="`rm` takes a retriever"):
        dspex.configure(rm="bm25")
    with pytest.raises(SettingsError, match="`rm` takes a retriever"):
        dspex.configure(rm=BM25)
    with dspex.context(rm=BM25(CORPUS)):
        assert dspex.settings.rm.k == 5
    assert dspex.settings.rm is None


def test_what_cannot_be_is_refused_at_once() -> None:
    """A wrong word is an error where it is written."""
    with pytest.raises(SettingsError, match="needs a function"):
        Retriever()
    with pytest.raises(SettingsError, match="not `str`"):
        Retriever("bm25")  # type: ignore[arg-type]

    class Empty(Retriever):
        pass

    with pytest.raises(DataError, match="has no `forward`"):
        Empty()("q")


def test_a_program_that_retrieves_and_answers() -> None:
    """Passages go into a predictor, in an evaluation, with hundreds of questions."""
    search = Embeddings(CORPUS, dspex.retrieve.Embedder("practice"), k=1)

    class Rag(dspex.Module):
        def __init__(self) -> None:
            self.answer = dspex.Predict("passages: list[str], question -> answer")

        def forward(self, question: str) -> Any:
            return self.answer(passages=search(question).passages, question=question)

    rows = [dspex.Example(question=f"Where is Rome, {k}?").with_inputs("question") for k in range(40)]
    with dspex.context(lm=dspex.LM("practice")):
        judge = dspex.Evaluate(devset=rows, metric=lambda e, p, t=None: bool(p.answer), num_threads=16)
        assert float(judge(Rag())) == 100.0


def test_texts_and_numbers_of_arrays_are_texts_and_numbers() -> None:
    """A run keeps what was found; no array's own kind of text is in it, nor asked with."""
    texts = np.array(["a", "b"])
    found = {"text": texts[0], "title": texts[1], "page": np.int64(4), "share": np.float64(0.5), "new": True}
    for find in (Retriever(lambda query, k: texts), BM25(texts, k=1), Retriever(lambda query: [found])):
        told = find(texts[0]).toDict()
        assert told["passages"][0] == "a"
        assert {type(value) for value in _values(told)} <= {str, int, float, bool}
    assert told["sources"] == [{"title": "b", "page": 4, "share": 0.5, "new": True}]
    assert Embedder("practice", caching=True)(texts).shape == (2, 256)


def _values(told: Any) -> Iterator[Any]:
    parts = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    for part in parts:
        yield from _values(part) if isinstance(part, (dict, list)) else (part,)
