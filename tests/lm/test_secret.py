"""Laws of keys: a holder that masks, a filter for foreign texts."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import SettingsError
from dspex.lm.secret import MASK, Secret, is_credential, public_url, redact, without_credentials


def test_a_secret_shows_nothing_and_has_no_stored_form():
    """Text forms and copies mask the key; pickling is refused."""
    key = Secret("sk-canary-123456")
    assert "canary" not in f"{key!r} {key} {copy.deepcopy([key])}"
    assert key.reveal() == "sk-canary-123456"
    with pytest.raises(SettingsError, match="not stored"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijkl.",
        "Authorization: Bearer abcdef.ghi-jkl",
        "GET https://host/v1?key=abcdefghijkl&x=1",
        "https://me:hunter22@host/v1",
        "gsk_abcdefghijkl is wrong",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_looks_like_a_key_is_masked(text: str):
    """Keys of the usual forms are found without knowing them."""
    clean = redact(text)
    assert MASK in clean
    assert not any(part in clean for part in ("abcdef", "hunter22", "IOSFODNN"))


def test_a_proxys_password_is_masked(monkeypatch: pytest.MonkeyPatch):
    """It is in no option of ours: the environment has it, and a proxy may quote it in either form."""
    monkeypatch.setenv("https_proxy", "http://me:hunter22@proxy:3128")
    clean = redact("Proxy-Authorization: Basic bWU6aHVudGVyMjI= is wrong, and so is hunter22")
    assert not any(part in clean for part in ("bWU6aHVudGVyMjI=", "hunter22"))
    assert redact("Authorization: Basic c29tZWJvZHk6ZWxzZQ== is wrong") == f"{MASK} is wrong"


def test_a_key_in_the_environment_is_masked(monkeypatch: pytest.MonkeyPatch):
    """A key of any form is masked where the environment holds it."""
    monkeypatch.setenv("SOME_API_KEY", "plainwords")
    assert redact("it said plainwords again") == f"it said {MASK} again"


@given(st.text(max_size=200), st.text(max_size=200), st.text("abcdefXYZ019_-", min_size=8, max_size=40))
def test_a_known_key_never_survives(before: str, after: str, key: str):
    """Wherever a known key stands in a text, it is gone; and no text grows past the limit."""
    clean = redact(f"{before}{key}{after}", [Secret(key)])
    assert key not in clean
    assert len(clean) <= 500


def test_ordinary_words_stay():
    """Our own and a provider's plain words are not touched."""
    text = "check OPENAI_API_KEY or pass api_key=: the task was risk-free, max_tokens is 5"
    assert redact(text) == text


def test_credentials_are_told_by_name():
    """Secrets of providers are known by their names; ordinary parameters are not taken for them."""
    assert all(
        map(is_credential, ["aws_session_token", "aws_access_key_id", "vertex_credentials", "azure_ad_token"])
    )
    assert all(
        map(is_credential, ["apikey", "token", "secret", "API_KEY", "api-key", "Authorization", "key"])
    )
    assert not any(map(is_credential, ["max_tokens", "prompt_cache_key", "top_k", "logit_bias", "seed"]))


def test_a_key_deep_in_a_parameter_is_masked():
    """Whatever else stands beside it stays as it is."""
    given = {"extra_body": {"apikey": "canary", "top_k": 5, "sources": [{"token": "canary", "index": None}]}}
    assert without_credentials(given) == {
        "extra_body": {"apikey": MASK, "top_k": 5, "sources": [{"token": MASK, "index": None}]}
    }
    assert given["extra_body"]["apikey"] == "canary"


def test_a_shown_url_has_no_user_and_no_query():
    """What identifies an endpoint is shown, what opens it is not."""
    assert public_url("https://me:pw@host:81/v1?key=abc") == "https://host:81/v1"
