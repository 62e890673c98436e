"""Laws of routes: every model has one way, or a one-line error that says what to write."""

from __future__ import annotations

import pytest

from dspex.errors import SettingsError
from dspex.lm.providers import ALIASES, DIRECT, LITELLM, route


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_openai_compatible_providers_are_spoken_to_directly(name: str):
    """Each has an address of its own and knows its key's name."""
    way = route(f"{name}/some-model")
    assert (way.wire, way.provider) == ("direct", name)
    assert way.base.startswith("http")
    assert way.keys
    assert way.needs_key is not DIRECT[name].local


def test_other_known_providers_go_through_litellm():
    """The name stays as the user wrote it: litellm reads it again."""
    way = route("anthropic/claude-haiku")
    assert (way.wire, way.model, way.needs_key) == ("litellm", "anthropic/claude-haiku", True)
    assert route("bedrock/x").needs_key is False


def test_no_provider_has_two_ways():
    """The two tables and the aliases do not overlap."""
    assert not DIRECT.keys() & LITELLM
    assert not ALIASES.keys() & (DIRECT.keys() | LITELLM)


def test_an_address_of_ones_own_takes_any_model():
    """A name with an unknown prefix goes over the wire whole, a known prefix is cut."""
    assert route("meta-llama/Llama-3.1-8B", "http://h:8000/v1").model == "meta-llama/Llama-3.1-8B"
    assert route("hosted_vllm/meta-llama/L", "http://h:8000").model == "meta-llama/L"
    assert route("hosted_vllm/m", "http://h:8000").base == "http://h:8000/v1"
    assert route("openai/m", "https://h/v1/chat/completions/").base == "https://h/v1"
    assert route("openai/m", "https://h/v1").needs_key is False


def test_a_known_foreign_provider_keeps_its_wire_with_an_address():
    """An Azure address is no OpenAI-compatible one."""
    way = route("azure/gpt", "https://me.openai.azure.com")
    assert (way.wire, way.base) == ("litellm", "https://me.openai.azure.com")


def test_the_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    """The variables of the providers' own libraries are read."""
    monkeypatch.setenv("OLLAMA_API_BASE", "http://box:11434")
    assert route("ollama_chat/llama3").base == "http://box:11434/v1"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("opena/gpt-4o", "Unknown provider `opena` in `opena/gpt-4o`. Did you mean `openai`?"),
        ("Anthropic/claude", "Did you mean `anthropic`?"),
        ("gpt-4o", "No provider in `gpt-4o`. Did you mean `openai/gpt-4o`?"),
        ("practise", "Did you mean `practice`?"),
        ("openai/", "No provider in `openai/`"),
        ("", "The model is empty"),
    ],
)
def test_an_unknown_provider_is_one_line_with_the_nearest(model: str, words: str):
    """The error names the place and the nearest word."""
    with pytest.raises(SettingsError) as caught:
        route(model)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "base", ["localhost:8000", "ftp://h/v1", "http://", "http://h:port/v1", "http://[::1/v1"]
)
def test_an_address_that_is_none_is_refused_at_once(base: str):
    """A typo in api_base= is an error where it is written."""
    with pytest.raises(SettingsError, match="no address"):
        route("openai/m", base)
