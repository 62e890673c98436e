"""Laws of services and settings nobody should have: one error of ours each, and a bound on what is read."""

from __future__ import annotations

import gzip
import traceback
from typing import Any

import pytest

import dspex
from dspex.errors import DataError, LMUnexpectedError, SettingsError
from dspex.lm import http
from dspex.retrieve.bm25 import BM25
from dspex.retrieve.found import found_in
from dspex.retrieve.http import HTTPRetriever
from dspex.testing.server.sockets import Asked, Sockets
from tests.retrieve.service import searching

DEEP = "[" * 100_000


def asking(url: str, **given: Any) -> HTTPRetriever:
    return HTTPRetriever(url, **{"cache": False, "num_retries": 0, **given})


@pytest.mark.parametrize(
    "body",
    [DEEP, '{"data":' * 100_000, f'{{"error":{{"message":{DEEP}', '{"passages":null}', '{"passages":5}'],
)
def test_an_answer_without_passages_is_unreadable(body: str):
    """However deep it is, and whatever stands in place of a list."""
    with searching(body) as service, pytest.raises(LMUnexpectedError):
        asking(service.url)("q")


def test_an_unreadable_answer_that_quotes_the_key_is_in_no_frame():
    """A traceback may show the values of each line it goes through."""
    with searching('{"you sent": "canary-of-no-known-form"}') as service:
        find = asking(service.url, headers={"X-Key": "canary-of-no-known-form"})
        with pytest.raises(LMUnexpectedError) as caught:
            find("q")
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][
        1:
    ]  # but for the test's own
    assert len(frames) > 5
    assert "canary" not in repr([frame.f_locals for frame in frames])


def test_a_redirect_names_the_other_address():
    """It is not followed, and what to write is said."""
    with searching((302, "{}")) as service, pytest.raises(LMUnexpectedError, match="url="):
        asking(service.url)("q")


def test_a_zipped_answer_is_read_up_to_its_bound(monkeypatch: pytest.MonkeyPatch):
    """The client below unzips by itself, without an end."""
    from dspex import _host

    monkeypatch.setattr(http, "LONGEST_UNZIPPED", 1 << 20)
    body = gzip.compress(b"[" + bytes(b" " * (8 << 20)) + b"]")

    async def handle(asked: Asked) -> None:
        asked.reply(200, body, {"Content-Encoding": "gzip", "Content-Type": "application/json"})

    sockets = Sockets(handle)
    _host.portal.run(sockets.listen())
    try:
        with pytest.raises(Exception, match="too long"):
            asking(f"http://127.0.0.1:{sockets.port}/search")("q")
    finally:
        _host.portal.run(_stop(sockets))


async def _stop(sockets: Sockets) -> None:
    sockets.stop()


@pytest.mark.parametrize("told", ['"index": 1e300', '"index": -1.5', f'"page": {10**30}'])
def test_a_number_of_any_size_ends_no_run(told: str):
    """It is not the place of a passage; whatever else it is, the passage beside it is there and is kept."""

    class Finding(dspex.Module):
        def forward(self, question: str) -> dspex.Prediction:
            return dspex.Prediction(answer=find(question).passages[0])

    rows = [dspex.Example(question="q", answer="a").with_inputs("question")]
    with searching(f'[{{"text": "a", {told}}}]') as service, dspex.context(lm=dspex.LM("practice")):
        find = asking(service.url)
        assert "indices" not in find("q").toDict()
        run = dspex.Evaluate(devset=rows, metric=dspex.exact("answer")).start(Finding())
        assert run.result(timeout=20).score == 100.0


@pytest.mark.parametrize(
    "given",
    [
        {"headers": ["a"]}, {"headers": {"A": "b\r\nc"}}, {"api_key": 5}, {"api_key": "sk-secret-1\nb"}, {"read": 5},
        {"pool": 5}, {"timeout": True}, {"timeout": float("inf")}, {"url": "http://me:sec/ret@h/x"},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused(given: dict[str, Any]):
    """Where it is written, and no secret is quoted."""
    with pytest.raises(SettingsError) as caught:
        HTTPRetriever(**{"url": "http://127.0.0.1:9/x", **given})
    assert not {"sec/ret", "sk-secret-1"} & set(str(caught.value).replace("@", " ").replace(":", " ").split())


@pytest.mark.parametrize(
    "given", [{"k1": float("inf")}, {"k1": "x"}, {"b": None}, {"b": True}, {"tokenize": 5}]
)
def test_bm25_takes_numbers(given: dict[str, Any]):
    """An endless weight would make every score none."""
    with pytest.raises(SettingsError):
        BM25(["a b"], **given)


def test_a_generator_that_yields_no_passages_is_named():
    """It can be gone through once only."""
    with pytest.raises(DataError, match="holds no passage"):
        found_in((one for one in ["a", 5]), "mine")
