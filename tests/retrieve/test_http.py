"""Laws of retrieval over HTTP, with real sockets: asked like a model, whatever the service says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import dspex
from dspex import _host
from dspex.errors import (
    LMAuthError,
    LMError,
    LMInvalidRequestError,
    LMServerError,
    LMTransportError,
    LMUnavailableError,
    LMUnexpectedError,
    SettingsError,
)
from dspex.events.event import AnyEvent, LMEnd, LMRetry
from dspex.lm import caching
from dspex.lm.pool import Pool
from dspex.retrieve import ColBERTv2, HTTPRetriever, Retrieve
from dspex.testing import cassette
from dspex.testing.server.sockets import Asked, Sockets
from tests.retrieve.service import searching

TOPK = json.dumps({"topk": [{"text": "a", "pid": 7, "score": 2.5}, {"text": "b", "pid": 8, "score": 1.5}]})


@pytest.mark.parametrize(
    ("answer", "passages"),
    [
        ('["a", "b", "c"]', ["a", "b"]),
        (TOPK, ["a", "b"]),
        ('{"passages": ["a"], "scores": [1.0]}', ["a"]),
        ('{"results": [{"content": "a"}]}', ["a"]),
        ('{"hits": {"hits": [{"text": "a"}]}}', ["a"]),
        ('{"documents": []}', []),
        ('{"text": "a"}', ["a"]),
    ],
)
def test_the_forms_in_use_are_read(answer: str, passages: list[str]) -> None:
    """A list of passages, or an object that has one, cut to `k`."""
    with searching(answer) as service:
        assert HTTPRetriever(service.url, k=2)("q").passages == passages
        assert (service.methods, service.asked) == (["POST"], [{"query": "q", "k": 2}])


def test_a_form_of_ones_own() -> None:
    """`read` finds the passages in any answer."""
    with searching('{"answer": {"found": ["a", "b"]}}') as service:
        found = HTTPRetriever(service.url, read=lambda answer: answer["answer"]["found"])("q", where="here")
        assert found.passages == ["a", "b"]
        assert service.asked == [{"query": "q", "k": 3, "where": "here"}]


def test_what_was_asked_before_is_free(happened: Callable[[], list[AnyEvent]]) -> None:
    """A second call asks nobody; another address, number or option does."""
    with searching(TOPK) as service:
        first = HTTPRetriever(service.url)("q")
        assert HTTPRetriever(service.url)("q") == first
        assert len(service.asked) == 1
        HTTPRetriever(service.url)("q", k=1)
        HTTPRetriever(service.url + "?index=other")("q")
        HTTPRetriever(service.url, cache=False)("q")
        assert len(service.asked) == 4
    ends = [event for event in happened() if isinstance(event, LMEnd)]
    assert [(e.role, e.cached, e.cost, e.priced) for e in ends[:2]] == [
        ("retrieval", False, 0.0, True), ("retrieval", True, 0.0, True),
    ]  # fmt: skip
    assert first.toDict() == {
        "passages": ["a", "b"], "scores": [2.5, 1.5], "sources": [{"pid": 7}, {"pid": 8}],
    }  # fmt: skip


def test_that_nothing_was_found_is_kept_too(tmp_path: Path) -> None:
    """On disk and in the file for others, as any other answer: no passages, and nobody is asked."""
    with searching("[]") as service:
        assert HTTPRetriever(service.url)("q").toDict() == {"passages": []}
        dspex.cache.flush()
        dspex.cache.reset_memory_cache()
        assert HTTPRetriever(service.url)("q").toDict() == {"passages": []}
        assert dspex.cache.export(tmp_path / "answers.jsonl") >= 1
        dspex.configure_cache(disk_cache_dir=tmp_path / "elsewhere")
        try:
            dspex.cache.load(tmp_path / "answers.jsonl")
            assert HTTPRetriever(service.url)("q").toDict() == {"passages": []}
        finally:
            caching.use(None)
        assert len(service.asked) == 1


def test_what_may_pass_is_asked_again(waits: list[float], happened: Callable[[], list[AnyEvent]]) -> None:
    """A failing service is asked again, as often as said."""
    with searching((503, "down"), (429, "slow"), '["a"]') as service:
        assert HTTPRetriever(service.url)("q").passages == ["a"]
        assert len(service.asked) == 3
    assert [event.error for event in happened() if isinstance(event, LMRetry)] == ["server", "rate_limit"]
    with searching((500, "no")) as service:
        with pytest.raises(LMServerError):
            HTTPRetriever(service.url, num_retries=0)("q")
        assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error", "what"),
    [
        ((401, "who are you"), LMAuthError, "pass api_key= or headers="),
        ((404, "nothing here"), LMInvalidRequestError, r"has no such address \(404\): nothing here"),
        ((400, '{"error": "k is too large"}'), LMInvalidRequestError, "k is too large"),
        ('{"error": true, "message": "index not loaded"}', LMServerError, "index not loaded"),
        ('{"total": 0}', LMUnexpectedError, "pass read= to find"),
        ("[3]", LMUnexpectedError, "holds no passage"),
        ("<html>", LMUnexpectedError, "unreadable"),
        ((302, ""), LMUnexpectedError, "status 302"),
    ],
)
def test_what_is_no_answer_is_one_error(
    answer: str | tuple[int, str], error: type[LMError], what: str
) -> None:
    """The error says who, what and what to do, and is not kept; a refused key is not sent a second time."""
    with searching(answer) as service:
        for _ in range(2):
            with pytest.raises(error, match=what):
                HTTPRetriever(service.url, num_retries=0)("q")
        assert len(service.asked) == (1 if error is LMAuthError else 2)


def test_no_cookie_of_one_key_goes_along_with_another() -> None:
    """Whoever sets one would take the next call for the same person's."""
    cookies: list[str] = []

    async def handle(asked: Asked) -> None:
        cookies.append(asked.header("cookie"))
        asked.reply(200, b"[]", {"Set-Cookie": "session=of-the-first; Path=/"})

    sockets = Sockets(handle)
    _host.portal.run(sockets.listen())
    try:
        for key in ("first", "second"):
            HTTPRetriever(f"http://localhost:{sockets.port}/search", api_key=key, cache=False)("q")
    finally:
        _host.portal.run(_stopped(sockets))
    assert cookies == ["", ""]


async def _stopped(sockets: Sockets) -> None:
    sockets.stop()


async def test_a_key_goes_along_and_never_shows() -> None:
    """Neither in the object nor in an error that quotes it, wherever it was written."""
    with searching((403, "bad token canary-123456"), (403, "bad key=canary-query")) as service:
        bearer = HTTPRetriever(service.url, api_key="canary-123456", headers={"X-Me": "me"})
        basic = HTTPRetriever(service.url.replace("://", "://user:canary-pass@") + "?key=canary-query")
        for find in (bearer, basic):
            with pytest.raises(LMAuthError) as caught:
                await find.acall("q")
            error = caught.value
            told = f"{error} {vars(error)} {find!r} {vars(find)} {error.__cause__!r} {error.__context__!r}"
            assert "canary" not in told
            assert "bad" in told
        assert service.headers[0]["Authorization"] == "Bearer canary-123456"
        assert service.headers[0]["X-Me"] == "me"
        assert service.headers[1]["Authorization"].startswith("Basic ")
        assert service.asked[1]["key"] == "canary-query"


def test_a_cassette_plays_the_service(tmp_path: Path) -> None:
    """Recorded once, a search needs no service any more."""
    with searching(TOPK) as service, cassette(tmp_path / "search.jsonl"):
        found = HTTPRetriever(service.url, name="search")("q")
    with cassette(tmp_path / "search.jsonl", mode="replay"):
        assert HTTPRetriever("http://127.0.0.1:1/gone", name="search", num_retries=0)("q") == found


def test_a_service_that_keeps_failing_is_left_alone() -> None:
    """Its breaker opens: a person's call fails at once, until somebody says that it works again."""
    with searching(*[(500, "down")] * 6, '["a"]') as service:
        find = HTTPRetriever(service.url, num_retries=0)
        for _ in range(5):
            with pytest.raises(LMServerError):
                find("q")
        with pytest.raises(LMUnavailableError, match="5 of the last 5 calls failed"):
            HTTPRetriever(service.url, num_retries=0)("another question")
        assert len(service.asked) == 5
        assert "open" in repr(find.pool)
        find.pool.reset()
        with pytest.raises(LMServerError):
            find("q")
        find.pool.reset()
        assert find("q").passages == ["a"]


async def test_no_more_at_once_than_the_pool_says() -> None:
    """A fixed number is kept to."""
    with searching('["a"]', latency=0.01) as service:
        find = HTTPRetriever(service.url, pool=Pool(concurrency=2))
        await asyncio.gather(*(find.acall(str(k)) for k in range(10)))
        assert service.peak == 2


def test_nobody_there_is_an_error() -> None:
    """A connection that cannot be made says so."""
    with searching("[]") as service:
        url = service.url
    with pytest.raises(LMTransportError, match="failed"):
        HTTPRetriever(url, num_retries=0)("q")


def test_colbert_as_in_dspy(happened: Callable[[], list[AnyEvent]]) -> None:
    """Rows with `long_text`, texts with `simplify`, and one call where it is the settings' retriever."""
    with searching(TOPK) as service:
        search = ColBERTv2(service.url)
        rows = search("q", k=2)
        assert [(row.long_text, row.text, row.pid, row["score"]) for row in rows] == [
            ("a", "a", 7, 2.5), ("b", "b", 8, 1.5),
        ]  # fmt: skip
        assert search("q", k=2, simplify=True) == ["a", "b"]
        assert (service.methods, service.asked) == (["GET"], [{"query": "q", "k": "2"}])
        with dspex.context(rm=search):
            assert Retrieve(k=2)("q").passages == ["a", "b"]
        assert len(service.asked) == 1
    assert len([event for event in happened() if isinstance(event, LMEnd)]) == 3


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"url": "localhost:1"}, "is no address"),
        ({"url": "http://h:99999"}, "is no address"),
        ({"url": 3}, "is no address"),
        ({"method": "PUT"}, "`GET` or `POST`"),
        ({"timeout": 0}, "`timeout` takes"),
        ({"num_retries": -1}, "at least 0"),
        ({"pool": Pool(["http://h"])}, "has no endpoints"),
        ({"url": "http://me:word@h/x", "api_key": "k"}, "give one of them"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, object], what: str) -> None:
    """A wrong word is an error where it is written."""
    with pytest.raises(SettingsError, match=what):
        HTTPRetriever(**{"url": "http://localhost/x", **options})  # type: ignore[arg-type]
