"""Laws of the test server where it is used wrongly: requests get a provider's 400, faults that cannot be are refused."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from dspex.errors import SettingsError
from dspex.testing.server import Fault, Server, serving


def posted(
    server: Server, body: bytes, path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.base_url.split("//")[1].split("/")[0], timeout=5)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


GOOD = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


@pytest.mark.parametrize(
    "body",
    [b"", b"{x", b"[]", b"5", b'{"messages":[]}', b'{"model":"m"}', b'{"model":"m","messages":5}',
     b'{"model":"m","messages":[]}', b'{"model":"m","messages":[5]}', b'{"a":' + b"[" * 100_000],
)  # fmt: skip
def test_a_request_that_asks_nothing_is_the_clients_fault(body: bytes):
    """A provider says 400 and why; 500 would be tried again."""
    with serving() as server:
        status, said = posted(server, body)
        assert (status, json.loads(said)["error"]["code"]) == (400, "invalid_request_error")
        assert posted(server, GOOD)[0] == 200
    assert server.hits == 2


def test_a_header_is_found_however_it_is_written():
    """Clients write `authorization` in either case."""
    with serving(always=Fault(status=401, message="you sent {authorization}")) as server:
        assert b"you sent Bearer x" in posted(server, GOOD, authorization="Bearer x")[1]


def test_what_an_address_asks_with_is_no_part_of_its_path():
    """Gateways take a version there."""
    with serving() as server:
        assert posted(server, GOOD, "/v1/chat/completions?api-version=2")[0] == 200


def test_an_answer_without_a_body_has_none():
    """Or what follows on the connection is misread."""
    with serving(always=Fault(status=204)) as server:
        connection = http.client.HTTPConnection(server.base_url.split("//")[1].split("/")[0], timeout=5)
        for _ in range(2):
            connection.request("POST", "/v1/chat/completions", GOOD)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (204, b"")
        connection.close()


@pytest.mark.parametrize(
    "given",
    [{"status": 0}, {"status": 100}, {"status": 99999}, {"status": "x"}, {"status": True}, {"latency": -1},
     {"latency": "x"}, {"pause": -1}, {"pause": float("inf")}, {"headers": {"X": "a\r\nb"}}, {"headers": {"X": "€"}}],
)  # fmt: skip
def test_a_fault_that_cannot_be_is_refused(given: dict[str, Any]):
    """Where it is written, and not as a broken answer."""
    with pytest.raises(SettingsError):
        Fault(**given)


@pytest.mark.parametrize(
    "given",
    [{"latency": -1}, {"latency": "x"}, {"pause": -1}, {"first": 5}, {"first": [5]}, {"always": 5}, {"mix": 5},
     {"mix": [5]}, {"mix": [(0.5,)]}, {"mix": [(0.5, 5)]}, {"answer": 5}],
)  # fmt: skip
def test_a_server_that_cannot_be_is_refused(given: dict[str, Any]):
    """Before it begins."""
    with pytest.raises(SettingsError), serving(**given):
        pass
