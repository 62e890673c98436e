"""One layer tries again, and no SDK below it: what arrives upstream for each call that fails, by status class."""

from __future__ import annotations

import pytest

from dspex import LM
from dspex.errors import LMError
from dspex.lm import endpoint
from dspex.testing.server import Fault, serving
from tests.chaos.running import ask

NEVER = [
    Fault(status=400),
    Fault(status=400, code="context_length_exceeded"),
    Fault(status=400, code="content_policy_violation"),
    Fault(status=401),
    Fault(status=402),
    Fault(status=403),
    Fault(status=404),
    Fault(status=413),
    Fault(status=422),
    Fault(status=429, code="insufficient_quota", message="You exceeded your current quota."),
]
"""What is asked once, however many tries there may be: it would fail again."""
AGAIN = [
    Fault(status=408),
    Fault(status=409),
    Fault(status=429),
    Fault(status=429, retry_after=0.01),
    Fault(status=500),
    Fault(status=502),
    Fault(status=503),
    Fault(status=504),
    Fault(status=529),
    Fault(drop=True),
    Fault(cut=True),
    Fault(garbage=True),
    Fault(body="<html>"),
    Fault(hang=True),
]
"""What may pass: asked once and as often again as `num_retries` says."""
ALL = [(fault, False) for fault in NEVER] + [(fault, True) for fault in AGAIN]
WAYS = ["openai", "custom_openai", "nscale"]
"""Our own client, litellm over OpenAI's SDK, litellm over its own client."""


def begun(fault: Fault, way: str) -> bool:
    """Tell whether a piece was handed over before the stream failed; litellm makes one of a page that is none."""
    return fault.cut or (fault.body is not None and way != "openai")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Take litellm's seconds of import once, outside of any test's time limit."""
    with serving() as server:
        assert LM("nscale/m", api_base=server.base_url, api_key="sk-x", timeout=60, cache=False)("hi") == [
            "hi"
        ]


@pytest.mark.usefixtures("flying")
@pytest.mark.parametrize("flying", [1000.0], indirect=True)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("num_retries", [0, 2])
@pytest.mark.timeout(60)  # the first to come takes litellm's seconds of import
def test_a_call_that_fails_hits_the_provider_as_often_as_said(way: str, num_retries: int) -> None:
    """Once, and again `num_retries` times where that may help; of a stream only where no piece was there yet."""
    seen: dict[str, int] = {}
    said: dict[str, int] = {}
    for fault, again in ALL:
        for streamed in (False, True):
            endpoint.registry.forget()
            with serving(always=fault) as server:
                lm = LM(
                    f"{way}/m", api_base=server.base_url, api_key="sk-chaos-0123456", cache=False,
                    num_retries=num_retries, timeout=0.15 if fault.hang else 10.0,
                )  # fmt: skip
                with pytest.raises(LMError) as caught:
                    ask(lm, streamed)
            name = f"{fault} streamed" if streamed else str(fault)
            seen[name] = server.hits
            said[name] = 1 if streamed and begun(fault, way) else 1 + num_retries * again
            assert caught.value.retryable is again, name
    assert seen == said
