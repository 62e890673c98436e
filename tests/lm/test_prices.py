"""Laws of prices: the table is read without its library, and an unknown price is None."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import SettingsError
from dspex.lm.messages import AudioPart, FilePart, ImagePart, Message, Request, ToolSpec, Usage
from dspex.lm.prices import Price, capabilities_of, most_tokens, per_million, price_of


def test_the_table_is_read_without_importing_litellm():
    """A fresh process that asks for a price has not run litellm."""
    code = (
        "import sys; from dspex.lm.prices import price_of; p = price_of('openai/gpt-4o-mini');"
        "assert p is not None and p.input > 0; assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_known_models_have_prices_of_their_provider():
    """The short name is taken from its own provider only."""
    mini = price_of("openai/gpt-4o-mini")
    assert mini is not None
    assert 0 < mini.input < mini.output
    assert price_of("groq/gpt-4o-mini") is None
    assert price_of("together/x") is price_of("together_ai/x")
    assert price_of("openai/ft:gpt-4o-mini-2024-07-18:me::id") is not None


def test_an_unknown_price_is_none_never_zero():
    """Nobody reads $0.00 where nothing is known."""
    assert price_of("openai/my-own-model") is None
    assert price_of("practice") is None


def test_a_price_of_ones_own_is_per_million():
    """The unit of the providers' price lists."""
    assert per_million((2.5, 10)).of(Usage(prompt_tokens=1000, completion_tokens=100)) == pytest.approx(
        0.0035
    )


@pytest.mark.parametrize("price", [(1,), (1, 2, 3), ("a", "b"), 5, (-1, 2), (float("nan"), 1), None])
def test_what_is_no_price_is_refused(price: object):
    """The error shows the form to write."""
    with pytest.raises(SettingsError, match=r"price=\(2\.5, 10\.0\)"):
        per_million(price)  # type: ignore[arg-type]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_the_estimate_covers_a_token_for_every_three_bytes(texts: list[str]):
    """What is set aside before a call is above what a tokenizer counts."""
    messages = tuple(Message(role="user", content=text) for text in texts)
    most = most_tokens(Request(model="m", messages=messages, n=2), 100)
    assert most.prompt_tokens >= sum(len(text.encode()) for text in texts) / 3 + len(texts)
    assert most.completion_tokens == 200


def test_a_price_is_linear():
    """Ten times the tokens cost ten times as much."""
    price = Price(1e-6, 4e-6)
    assert price.of(Usage(prompt_tokens=10, completion_tokens=10)) == pytest.approx(5e-5)


@pytest.mark.parametrize(
    ("model", "can"),
    [
        ("openai/gpt-4o-mini", (True, False, True)),
        ("openai/o3-mini", (True, True, True)),
        ("anthropic/claude-haiku-4-5", (True, True, True)),
        ("openai/a-model-of-my-own", (False, False, False)),
        ("practice", (False, False, False)),
    ],
)
def test_what_a_model_can_do_is_in_the_table(model: str, can: tuple[bool, bool, bool]):
    """And a model nobody knows can do nothing but write text."""
    found = capabilities_of(model)
    assert (found.function_calling, found.reasoning, found.response_schema) == can
    assert ("tools" in found.params, "reasoning_effort" in found.params) == can[:2]


def test_who_speaks_openai_s_language_takes_a_response_format():
    """If only for plain JSON; others only where the table says so."""
    assert "response_format" in capabilities_of("ollama/llama3").params
    assert "response_format" not in capabilities_of("replicate/some-model").params


@pytest.mark.parametrize("part", [ImagePart("data:x"), AudioPart("A" * 9000, "wav"), FilePart("A" * 9000)])
def test_what_is_no_text_is_set_money_aside_for_too(part: object):
    """More than its words would cost, less than its bytes would."""
    request = Request(model="m", messages=(Message(role="user", content=(part,)),))  # type: ignore[arg-type]
    assert 1000 < most_tokens(request, 0).prompt_tokens < 9000 / 3


def test_tools_are_part_of_the_prompt():
    """Their schemas are read by the model and paid for."""
    plain = Request(model="m", messages=(Message(role="user", content="hi"),))
    tool = ToolSpec(name="f", parameters=msgspec.Raw(b'{"type":"object","title":"' + b"x" * 300 + b'"}'))
    most = most_tokens(msgspec.structs.replace(plain, tools=(tool,)), 0).prompt_tokens
    assert most > most_tokens(plain, 0).prompt_tokens + 100
