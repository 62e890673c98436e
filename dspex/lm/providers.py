"""Where a model lives: `provider/model` -> wire, address and names of the key's environment variables.

A table and a rule, no code of any provider. OpenAI-compatible endpoints are spoken to directly; every other
known provider goes through litellm.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from dspex.errors import SettingsError, nearest
from dspex.lm.secret import shown_url

Wire = Literal["direct", "litellm", "practice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenAI-compatible provider.

    Attributes:
        base: default address, up to what stands before `/chat/completions`.
        keys: environment variables that may hold the key, best first; empty where none is needed.
        bases: environment variables that may hold another address.
        local: runs on the user's own machine or network: a key is optional, `/v1` is added to a bare address.
        prefix: what the provider wants before a model's short name.
    """

    base: str
    keys: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    local: bool = False
    prefix: str = ""


def _local(port: int, word: str) -> Provider:
    return Provider(
        base=f"http://localhost:{port}/v1", keys=(f"{word}_API_KEY",), bases=(f"{word}_API_BASE",), local=True
    )


DIRECT: dict[str, Provider] = {
    "openai": Provider(
        base="https://api.openai.com/v1", keys=("OPENAI_API_KEY",), bases=("OPENAI_BASE_URL", "OPENAI_API_BASE")
    ),
    "openrouter": Provider(base="https://openrouter.ai/api/v1", keys=("OPENROUTER_API_KEY", "OR_API_KEY")),
    "groq": Provider(base="https://api.groq.com/openai/v1", keys=("GROQ_API_KEY",)),
    "together_ai": Provider(
        base="https://api.together.xyz/v1", keys=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY")
    ),
    "deepseek": Provider(base="https://api.deepseek.com/v1", keys=("DEEPSEEK_API_KEY",)),
    "mistral": Provider(base="https://api.mistral.ai/v1", keys=("MISTRAL_API_KEY",)),
    "fireworks_ai": Provider(
        base="https://api.fireworks.ai/inference/v1", keys=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        prefix="accounts/fireworks/models/",
    ),
    "xai": Provider(base="https://api.x.ai/v1", keys=("XAI_API_KEY",)),
    "perplexity": Provider(base="https://api.perplexity.ai", keys=("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY")),
    "cerebras": Provider(base="https://api.cerebras.ai/v1", keys=("CEREBRAS_API_KEY",)),
    "sambanova": Provider(base="https://api.sambanova.ai/v1", keys=("SAMBANOVA_API_KEY",)),
    "nvidia_nim": Provider(
        base="https://integrate.api.nvidia.com/v1", keys=("NVIDIA_NIM_API_KEY", "NVIDIA_API_KEY")
    ),
    "deepinfra": Provider(base="https://api.deepinfra.com/v1/openai", keys=("DEEPINFRA_API_KEY",)),
    "moonshot": Provider(base="https://api.moonshot.ai/v1", keys=("MOONSHOT_API_KEY",)),
    "hyperbolic": Provider(base="https://api.hyperbolic.xyz/v1", keys=("HYPERBOLIC_API_KEY",)),
    "ollama": Provider(
        base="http://localhost:11434/v1", keys=("OLLAMA_API_KEY",), bases=("OLLAMA_API_BASE",), local=True
    ),
    "hosted_vllm": _local(8000, "HOSTED_VLLM"),
    "lm_studio": _local(1234, "LM_STUDIO"),
    "llamafile": _local(8080, "LLAMAFILE"),
}  # fmt: skip
ALIASES = {
    "ollama_chat": "ollama",
    "vllm": "hosted_vllm",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
}

LITELLM = (
    frozenset(
        """ai21 ai21_chat aiml aleph_alpha amazon_nova anthropic anthropic_text anyscale azure azure_ai azure_text baseten
    bedrock bedrock_converse bedrock_mantle bytez cerebras chutes clarifai cloudflare codestral cohere cohere_chat
    cometapi compactifai custom_openai dashscope databricks datarobot docker_model_runner edenai empower
    featherless_ai friendliai galadriel gdc gemini gigachat github github_copilot gradient_ai heroku huggingface
    inception infinity lambda_ai langgraph lemonade libertai litellm_proxy maritalk meta_llama minimax modelscope
    morph nadir nano-gpt nebius nlp_cloud novita nscale nvidia_riva oci oobabooga ovhcloud palm parasail petals poe
    predibase publicai qwencloud ragflow reka replicate sagemaker sagemaker_chat sagemaker_nova sap scaleway snowflake
    synthetic tencent text-completion-codestral text-completion-openai triton v0 vercel_ai_gateway vertex_ai
    vertex_ai_beta volcengine wandb watsonx watsonx_text xiaomi_mimo xinference zai""".split()
    )
    - DIRECT.keys()
)
"""Providers litellm knows and that speak another language than OpenAI's, or have rules of their own."""

LITELLM_KEYS: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY"),
    "replicate": ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),
}
"""Where a key can come from nowhere else, so that its lack is known before litellm's seconds of import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How to reach one model.

    Attributes:
        wire: which transport carries the call.
        provider: the name errors use.
        model: the name the endpoint knows the model by.
        base: address for `direct`, or the user's own for `litellm`; "" for none.
        keys: environment variables that may hold the key.
        needs_key: whether a call without one is refused before any network.
    """

    wire: Wire
    provider: str
    model: str
    base: str = field(default="", repr=False)  # a password may be in it
    keys: tuple[str, ...] = ()
    needs_key: bool = False


_STRANGE = re.compile(r"[\x00-\x20\x7f#\ud800-\udfff]")
"""What no address holds; some parsers leave it out in silence, and then it leads here to one host and there to another."""


def route(model: str, api_base: str | None = None) -> Route:
    """Find the way to a model.

    Args:
        model: `provider/model` as the user wrote it, or `practice`.
        api_base: an OpenAI-compatible address; with it any provider name will do.

    Raises:
        SettingsError: no provider, an unknown one, or an address that is none.

    Example:
        >>> route("groq/llama-3.1-8b-instant").base
        'https://api.groq.com/openai/v1'
    """
    if model == "practice":
        return Route(wire="practice", provider="practice", model=model)
    word, slash, rest = model.partition("/")
    name = ALIASES.get(word, word)
    if slash and rest and name in DIRECT:
        return _direct(name, rest, api_base)
    if slash and rest and name in LITELLM:
        keys = LITELLM_KEYS.get(name, ())
        return Route(
            wire="litellm", provider=name, model=model, base=api_base or "", keys=keys, needs_key=bool(keys)
        )
    if api_base and model:
        # A name such as `meta-llama/Llama-3.1-8B` belongs to the endpoint: all of it goes over the wire.
        base = _address(api_base, local=False)
        return Route(wire="direct", provider=urlsplit(base).netloc.rpartition("@")[2], model=model, base=base)
    raise SettingsError(_unknown(model, word, slash, rest))


def _direct(name: str, rest: str, api_base: str | None) -> Route:
    spec = DIRECT[name]
    base = api_base or next((os.environ[env] for env in spec.bases if os.environ.get(env)), "") or spec.base
    if spec.prefix and "/" not in rest and "#" not in rest:
        rest = spec.prefix + rest
    return Route(
        wire="direct", provider=name, model=rest, base=_address(base, local=spec.local), keys=spec.keys,
        needs_key=not spec.local and api_base is None,
    )  # fmt: skip


def _address(text: str, *, local: bool) -> str:
    given = text.strip()
    base, mark, query = given.partition("?")
    base = base.rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(base)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if good and not _STRANGE.search(given):
            return (base + "/v1" if local and parts.path in {"", "/"} else base) + mark + query
    except ValueError:
        # A port or a bracket that is none; the words below say what to write.
        base = ""
    raise SettingsError(
        f"`{_STRANGE.sub('?', shown_url(text.strip()))}` is no address for api_base=; write one such as "
        "`http://localhost:8000/v1`, without white space and `#`."
    )


def _unknown(model: str, word: str, slash: str, rest: str) -> str:
    if not model.strip():
        return "The model is empty; write `provider/model`, such as `openai/gpt-4o-mini`, or `practice`."
    if not slash or not rest:
        hint = (
            f" Did you mean `openai/{word}`?"
            if word.startswith(("gpt-", "o1", "o3", "o4", "chatgpt"))
            else ""
        )
        hint = hint or (f" Did you mean `anthropic/{word}`?" if word.startswith("claude") else "")
        hint = hint or nearest(word, ["practice"])
        return (
            f"No provider in `{model}`.{hint} Write `provider/model`, such as `openai/gpt-4o-mini`, "
            "or `practice` for the built-in one."
        )
    hint = nearest(word.lower(), [*DIRECT, *LITELLM, *ALIASES])
    return (
        f"Unknown provider `{word}` in `{model}`.{hint} For an OpenAI-compatible endpoint of your own pass "
        "`api_base=`."
    )
