"""Laws of what a user writes wrongly: refused where it is written, in words, and no secret of it is shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy
import pytest

from dspex.errors import LMAuthError, SettingsError
from dspex.lm.base import BaseLM
from dspex.lm.direct import _joined
from dspex.lm.lm import LM
from dspex.lm.options import read_headers, read_key
from dspex.lm.pool import Pool
from dspex.lm.process import is_secret
from dspex.lm.providers import route
from dspex.lm.secret import Secret, keys_in_url, public_url, redact, shown_url
from dspex.testing import cassette
from dspex.testing.server import Fault, serving

KEY = "sk-canary-0123456789"
FORMLESS = "canary of no known form"


def lm_at(server: Any, **given: Any) -> LM:
    return LM(**{"model": "openai/m", "api_base": server.base_url, "cache": False, "num_retries": 0, **given})


@pytest.mark.parametrize(
    "key", [f"{KEY}\nX-Evil: 1", f"{KEY}\r\nb", f"{KEY}\0b", f"{KEY}\udc80", KEY.encode(), 123]
)
def test_a_key_no_header_can_carry_is_refused_at_once(key: Any):
    """Where it is written, and not quoted; nothing is tried again for it."""
    with pytest.raises(SettingsError, match="api_key=") as caught:
        LM("openai/m", api_key=key)
    assert KEY not in str(caught.value)


def test_a_key_is_taken_without_white_space_and_white_space_is_none():
    """As from a file that ends with a line end."""
    read = read_key("api_key", f" {KEY}\n")
    assert read is not None
    assert read.reveal() == KEY
    assert [read_key("api_key", none) for none in (None, "", " \n", Secret(""))] == [None] * 4


def test_a_key_from_the_environment_that_cannot_be_sent_is_an_error_of_the_key(
    monkeypatch: pytest.MonkeyPatch,
):
    """It is tried once, opens the breaker and says which variable to look at."""
    with serving() as server:
        for wrong in (f"a\nb{KEY}", f"{KEY}\udc80"):
            monkeypatch.setenv("OPENAI_API_KEY", wrong)
            with pytest.raises(LMAuthError, match="OPENAI_API_KEY") as caught:
                lm_at(server, num_retries=3)("hi")
            assert KEY not in str(caught.value)
        assert server.hits == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X\r\nEvil": "1"}, {"X": "a\r\nb"}, {"X": "a\nb"}, {"": "x"}, {"X Y": "z"}, {"X:": "z"}, {5: "z"},
        {"Content-Length": "0"}, {"transfer-encoding": "chunked"}, {"Host": "evil"}, ["a"], "X: y",
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(headers: Any):
    """One of another name, with another line in it, or one by which both ends agree where a request ends."""
    with pytest.raises(SettingsError):
        LM("openai/m", headers=headers)


def test_a_header_of_none_is_left_out_and_a_key_for_a_name_is_not_shown():
    """What is no name may be a key that was written in its place."""
    assert list(read_headers("headers", {"A": None, "B": 5})) == ["B"]
    with pytest.raises(SettingsError) as caught:
        read_headers("headers", {f"{KEY} ": "x"})
    assert KEY not in str(caught.value)


def test_a_header_of_the_users_own_takes_the_place_of_ours():
    """However it is written: two of them would be read one way here and another there."""
    with serving() as server:
        lm_at(
            server, api_key=KEY, headers={"authorization": "Token t", "content-type": "application/json; v=1"}
        )("hi")
    told = [(name.lower(), value) for name, value in server.headers[0].items()]
    assert [value for name, value in told if name == "authorization"] == ["Token t"]
    assert [value for name, value in told if name == "content-type"] == ["application/json; v=1"]


ADDRESSES = [
    ("https://me:p@ss@example.com/v1", "https://example.com/v1"),
    ("https://me:p%40ss@example.com/v1?key=abc#x", "https://example.com/v1"),
    ("https://example.com/v1/@cf/meta", "https://example.com/v1/@cf/meta"),
]


@pytest.mark.parametrize(("address", "shown"), ADDRESSES)
def test_no_part_of_a_password_is_shown(address: str, shown: str):
    """Also of one that holds an `@`."""
    assert public_url(address) == shown
    assert "ss@" not in redact(f"cannot reach {address}")


def test_an_address_that_is_none_is_shown_without_its_password():
    """A slash in it ends the address for a parser, and the password is all that is left to quote."""
    assert shown_url("http://me:pa/ss@h/v1") == "http://***@h/v1"
    with pytest.raises(SettingsError) as caught:
        route("openai/m", "http://me:secret/word@h/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://h/v1\r\nX: y",
        "http://h/v1#frag",
        "http://ex ample/v1",
        "http://h/v1 /x",
        "http://h\t.evil/v1",
        "http://h\0/",
    ],
)
def test_an_address_with_what_no_address_holds_is_refused(address: str):
    """Parsers leave it out in silence, each in its own way."""
    with pytest.raises(SettingsError, match="no address"):
        route("openai/m", address)


@pytest.mark.parametrize("address", [5, b"http://h/v1", ["http://h/v1"]])
def test_an_address_is_text(address: Any):
    """Said in words, and not by an attribute that something lacks."""
    with pytest.raises(SettingsError, match="api_base="):
        LM("openai/m", api_base=address)


def test_what_an_address_asks_with_stays_at_its_end():
    """`/chat/completions` belongs to the path; other questions are other places for the cache."""
    assert _joined("http://h/v1?v=2", "/chat/completions") == "http://h/v1/chat/completions?v=2"
    assert _joined("http://h/v1", "/chat/completions") == "http://h/v1/chat/completions"
    with serving(lambda _: "blue") as server:
        assert lm_at(server, api_base=f"{server.base_url}/?v=2")("hi") == ["blue"]
        first, second = (lm_at(server, api_base=f"{server.base_url}?v={k}", cache=True) for k in (1, 2))
        first("the same")
        second("the same")
    assert server.hits == 3


def test_a_password_in_the_address_is_the_key_and_never_shown(monkeypatch: pytest.MonkeyPatch):
    """No other key goes along; what a server says of it is masked, also in the form it was sent in."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    sent = base64.b64encode(f"me:{KEY}".encode()).decode()
    with serving(always=Fault(status=401, message="you sent {authorization}")) as server:
        lm = lm_at(server, api_base=server.base_url.replace("://", f"://me:{KEY}@"))
        with pytest.raises(LMAuthError) as caught:
            lm("hi")
    assert server.headers[0]["Authorization"] == f"Basic {sent}"
    assert not {KEY, sent} & {
        word for text in (str(caught.value), repr(lm), str(lm.dump_state())) for word in text.split()
    }
    assert sent not in str(caught.value)
    with pytest.raises(SettingsError, match="another key"):
        LM("openai/m", api_base=f"http://me:{KEY}@h/v1", api_key="sk-another")


def test_the_secrets_of_an_address_are_known_in_each_form():
    """For texts from outside that quote one of them."""
    assert keys_in_url("http://h/v1") == ()
    assert {key.reveal() for key in keys_in_url("http://h/v1?api_key=abcdef&q=1")} == {"abcdef"}


def test_a_server_nobody_vouches_for_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    """And the next call looks at proxies and certificates anew."""
    from dspex.lm import http

    base = "http://127.0.0.1:9/v1"
    assert http.proxy_for(base) is None
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "SSL_CERT_FILE" in http.why(OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"))
    assert http.proxy_for(base) == "http://127.0.0.1:1"
    http.why(OSError("broken"))


@pytest.mark.parametrize(
    "given",
    [
        {"n": 0}, {"n": -1}, {"n": "x"}, {"n": True}, {"n": 10**30}, {"max_tokens": -1}, {"max_tokens": "x"},
        {"temperature": "hot"}, {"temperature": float("inf")}, {"temperature": -1}, {"stop": 5}, {"stop": [5]}, {"tools": 5},
        {"stream": True}, {"extra_body": 5}, {"extra_headers": {"X": KEY}}, {"headers": {"X": KEY}}, {"api_base": "http://h"},
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_is_refused_before_anything_is_sent(given: dict[str, Any]):
    """In one line where the call is written; below, a worker could not even read it."""
    with serving() as server:
        with pytest.raises(SettingsError) as caught:
            lm_at(server)("hi", **given)
        assert server.hits == 0
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": float("inf")}, {"price": "12"}, {"price": 5}, {"callbacks": 5}, {"transport": 5}, {"model": "openai/\ud800"},
        {"pool": {"workers": 1}}, {"max_retries": 3}, {"retry_policy": {}},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused(given: dict[str, Any]):
    """When the model is made, and not at its first call."""
    with pytest.raises(SettingsError):
        LM(**{"model": "openai/m", **given})


@pytest.mark.parametrize("name", ["apikey", "token", "key", "API_KEY", "secret", "authorization"])
def test_a_key_under_another_name_is_a_key_all_the_same(name: str):
    """Who takes one key says its name; who takes several is given it, and it shows nowhere."""
    with pytest.raises(SettingsError, match="pass api_key= in place of") as caught:
        LM("openai/m", **{name: FORMLESS})
    assert FORMLESS not in str(caught.value)
    lm = LM("watsonx/ibm/granite", **{name: FORMLESS})
    assert FORMLESS not in f"{lm!r} {lm.dump_state()} {lm.kwargs}"


def test_a_key_deep_in_a_parameter_is_sent_and_shown_nowhere(tmp_path: Path):
    """As some providers want those of further services: not in the model's line, its state, a history or a cassette."""
    further = {"data_sources": [{"index": "docs", "api_key": FORMLESS}]}
    with serving() as server, cassette(tmp_path / "tape.jsonl"):
        lm = lm_at(server, extra_body=further, train_kwargs={"api_key": FORMLESS})
        lm("hi")
        assert server.requests[0]["data_sources"] == further["data_sources"]
    assert FORMLESS not in f"{lm!r} {lm.dump_state()} {lm.history} {(tmp_path / 'tape.jsonl').read_text()}"
    assert "docs" in repr(lm)


def test_a_key_of_a_users_own_model_is_in_no_state_and_no_history():
    """Whatever its name is."""

    class Own(BaseLM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            return [f"asked with {len(self.kwargs['auth_token'])} letters"]

    lm = Own("own", auth_token=FORMLESS, api_key=FORMLESS, top_k=5)
    assert lm("hi") == [f"asked with {len(FORMLESS)} letters"]
    assert FORMLESS not in f"{lm!r} {lm.dump_state()} {lm.history}"
    assert (lm.dump_state()["top_k"], lm.history[0]["kwargs"]["top_k"]) == (5, 5)


def test_a_copy_takes_no_key_to_another_provider():
    """It belongs to the one it is of, or to the address that was named beside it."""
    lm = LM("openai/m", api_key=FORMLESS, headers={"X-Key": FORMLESS})
    other, same, named = (
        lm.copy(model="groq/m"),
        lm.copy(model="openai/n"),
        lm.copy(model="groq/m", api_key=KEY),
    )
    assert (other._options.api_key, other._options.headers) == (None, {})
    assert (same._options.api_key, same._options.headers.keys()) == (lm._options.api_key, {"X-Key"})
    assert named._options.api_key is not None
    assert named._options.api_key.reveal() == KEY
    there = LM("openai/m", api_key=FORMLESS, api_base="http://127.0.0.1:9/v1")
    assert there.copy(model="groq/m")._options.api_key is there._options.api_key


@pytest.mark.parametrize(
    "endpoint", [{"model": 5}, {"api_base": 5}, {"api_base": "http://h/v1", "api_key": 5}, {"model": ["m"]}]
)
def test_an_endpoint_of_a_pool_is_made_of_texts(endpoint: Any):
    """Said where it is written."""
    with pytest.raises(SettingsError, match=r"endpoints="):
        Pool([endpoint])


@pytest.mark.parametrize("model", ["openai/m", "custom_openai/m"])
@pytest.mark.parametrize(
    "given", [{"num_retries": 2}, {"max_retries": 2}, {"retry_policy": {}}, {"model": "x"}]
)
def test_no_call_says_how_often_is_asked_again_or_whom_it_asks(model: str, given: dict[str, Any]):
    """There is one layer that tries again, and one price: a library below would take these words at their own."""
    with serving(always=Fault(status=500)) as server:
        with pytest.raises(SettingsError):
            lm_at(server, model=model)("hi", **given)
        assert server.hits == 0


@pytest.mark.parametrize("rollout", ["a", 0.5, object()])
def test_a_rollout_has_a_whole_number(rollout: Any):
    """Of whichever library."""
    lm = LM("practice")
    with pytest.raises(SettingsError, match="`rollout_id` is a whole number"):
        lm("hi", rollout_id=rollout)
    assert len({*lm("hi", rollout_id=numpy.int64(3)), *lm("hi", rollout_id=3)}) == 1


def test_texts_and_numbers_of_other_libraries_are_texts_and_numbers():
    """As whoever goes through an array of them has them in hand."""
    word, number = numpy.str_("hi"), numpy.linspace(0.0, 0.5, 2)[1]
    part = {"type": "text", "text": word}
    with serving() as server:
        lm = lm_at(server, cache=True, temperature=number)
        for content in (word, [part], [word]):
            assert lm(messages=[{"role": "user", "content": content}], stop=[word], temperature=number) == [
                "hi"
            ]
        assert lm("hi", temperature=numpy.float32(0.5)) == lm("hi") == ["hi"]
        assert {request["temperature"] for request in server.requests} == {0.5}


def test_half_a_character_in_a_prompt_is_sent_as_its_escape():
    """No provider can read it, and one example's broken emoji must not be an error of ours."""
    with serving() as server:
        assert lm_at(server)("half \ud83d") == ["half \\ud83d"]
        assert lm_at(server, cache=True)("half \ud83d!") == ["half \\ud83d!"]


def test_a_password_in_any_variable_goes_by_the_pipe_alone():
    """As in the address of a proxy."""
    assert is_secret("HTTPS_PROXY", "http://me:secret@proxy:3128")
    assert not is_secret("HTTPS_PROXY", "http://proxy:3128")
    assert not is_secret("EMAIL", "me@example.com")


def test_a_pool_shows_no_part_of_a_password():
    """Its line is in every notebook that shows the model."""
    assert "ss" not in repr(Pool(["http://me:p@ss@h/v1"]))
