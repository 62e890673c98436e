"""Laws of services and settings nobody should have: one error of ours each, and a bound on what is read."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

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


@pytest.mark.parametrize(
    "given",
    [
        {"headers": ["a"]}, {"headers": {"A": "b\r\nc"}}, {"api_key": 5}, {"api_key": "sk-secret-1\nb"}, {"read": 5},
        {"pool": 5}, {"timeout": True}, {"url": "http://me:sec/ret@h/x"},
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
