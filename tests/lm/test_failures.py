"""Laws of the error table: one status, one error of ours."""

from __future__ import annotations

import email.utils
import json

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex import _clock
from dspex.errors import LMError
from dspex.lm.failures import Caller, failure, read_error, retry_after_seconds

CALLER = Caller(model="openai/m", provider="openai")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (300, "unexpected", False),
        (400, "invalid", False),
        (401, "auth", False),
        (402, "quota", False),
        (403, "auth", False),
        (404, "invalid", False),
        (408, "timeout", True),
        (409, "server", True),
        (413, "invalid", False),
        (418, "invalid", False),
        (422, "invalid", False),
        (429, "rate_limit", True),
        (500, "server", True),
        (502, "server", True),
        (503, "server", True),
        (504, "timeout", True),
        (529, "server", True),
    ],
)
def test_status_decides(status: int, kind: str, retryable: bool):
    """Each status has its kind, and the kind says whether to try again."""
    error = failure(CALLER, status, "words")
    assert (error.kind, error.retryable, error.status) == (kind, retryable, status)
    assert (error.model, error.provider) == ("openai/m", "openai")


@pytest.mark.parametrize(
    "body",
    [
        '{"error":{"message":"x","code":"context_length_exceeded"}}',
        '{"message":"This model\'s maximum context length is 4096 tokens.","code":400}',
        '{"error":"prompt is too long: 9000 tokens"}',
    ],
)
def test_a_prompt_too_long_is_told_apart(body: str):
    """Endpoints that answer 400 for a long prompt are understood by code or words."""
    assert failure(CALLER, 400, body).kind == "context_window"
    assert failure(CALLER, 500, body).kind == "server"


def test_no_credit_is_not_slow_down():
    """A 429 for lack of credit must not be tried again."""
    error = failure(CALLER, 429, '{"error":{"message":"x","type":"insufficient_quota","code":null}}')
    assert (error.kind, error.retryable) == ("quota", False)


def test_an_unknown_model_is_named():
    """A 404 says which model and where."""
    assert "unknown model `openai/m` at `openai`" in str(failure(CALLER, 404, "{}"))


@given(st.integers(300, 599), st.text(max_size=3000))
def test_any_answer_becomes_one_short_error(status: int, body: str):
    """No body, however strange, breaks the mapping or makes a long error."""
    error = failure(CALLER, status, body)
    assert isinstance(error, LMError)
    assert len(str(error)) < 620


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@hypothesis.settings(max_examples=50)
@given(JSON)
def test_any_json_error_body_is_read(value: object):
    """Every JSON body yields words, whatever its shape."""
    said, code = read_error(json.dumps({"error": value}))
    assert isinstance(said, str)
    assert isinstance(code, str)


def test_retry_after_as_seconds_and_as_date():
    """Both forms of the header are seconds from now; a past date is no wait."""
    assert retry_after_seconds("2") == 2.0
    assert retry_after_seconds("0.25") == 0.25
    future = email.utils.formatdate(_clock.now() + 30, usegmt=True)
    assert 25 < retry_after_seconds(future) <= 31
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@given(st.none() | st.text())
def test_any_retry_after_is_a_finite_wait(value: str | None):
    """Nonsense in the header is no wait, never an error or for ever."""
    assert 0.0 <= retry_after_seconds(value) < float("inf")
