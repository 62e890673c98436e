"""What a call costs and what a model can do, from litellm's table of models, read as a file.

litellm takes seconds to import; its table takes milliseconds to read. A price nobody knows is None, never zero; a
model nobody knows can do nothing but write text.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from dspex.errors import SettingsError
from dspex.lm.messages import (
    AudioPart,
    FilePart,
    ImagePart,
    OtherPart,
    Part,
    Request,
    TextPart,
    Usage,
)
from dspex.lm.providers import ALIASES, DIRECT
from dspex.lm.transport import Capabilities

TABLE = "model_prices_and_context_window_backup.json"
BYTES_PER_TOKEN = 3
"""Few enough that a prompt's estimate is rarely below its true count: English has about four, Chinese three."""
TOKENS_PER_MESSAGE = 8
TOKENS_PER_IMAGE = 1600
"""About what the largest image costs at the providers that scale images down."""
BYTES_PER_MEDIA_TOKEN = 200
"""Sound and documents: base64 bytes for one token, on the low side."""
USUAL_PARAMS = frozenset(
    "temperature top_p n stop max_tokens max_completion_tokens frequency_penalty presence_penalty seed user logprobs"
    " top_logprobs logit_bias stream stream_options".split()
)
TOOL_PARAMS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per token, for what goes in and what comes out.

    Example:
        >>> Price(2.5e-6, 1e-5).of(Usage(prompt_tokens=1000, completion_tokens=100))
        0.0035
    """

    input: float
    output: float

    def of(self, usage: Usage) -> float:
        """Return what this many tokens cost."""
        return usage.prompt_tokens * self.input + usage.completion_tokens * self.output


class _Entry(msgspec.Struct, gc=False):
    litellm_provider: object = None
    mode: object = None
    input_cost_per_token: object = None
    output_cost_per_token: object = None
    supports_function_calling: object = None
    supports_reasoning: object = None
    supports_response_schema: object = None


def per_million(price: Sequence[float] | object) -> Price:
    """Return the price the user gave as dollars per million tokens, in and out.

    Raises:
        SettingsError: not two numbers of at least zero.
    """
    try:
        dollars_in, dollars_out = (
            float(part) for part in (price if isinstance(price, (list, tuple)) else ())
        )
    except (TypeError, ValueError):
        dollars_in = dollars_out = -1.0
    if not (0 <= dollars_in < float("inf") and 0 <= dollars_out < float("inf")):
        raise SettingsError(
            f"`{price!r}` is no price; write price=(2.5, 10.0), dollars per million tokens in and out."
        )
    return Price(dollars_in / 1e6, dollars_out / 1e6)


@lru_cache(maxsize=256)
def price_of(model: str) -> Price | None:
    """Return the price of `provider/model`, or None where the table does not know it.

    Example:
        >>> price_of("openai/a-model-of-my-own") is None
        True
    """
    entry = _entry(model)
    if entry is None:
        return None
    dollars_in, dollars_out = entry.input_cost_per_token, entry.output_cost_per_token
    if entry.mode == "embedding" and dollars_out is None:
        dollars_out = 0.0  # it writes nothing
    if isinstance(dollars_in, (int, float)) and isinstance(dollars_out, (int, float)):
        return Price(dollars_in, dollars_out)
    return None


@lru_cache(maxsize=256)
def capabilities_of(model: str) -> Capabilities:
    """Return what `provider/model` can do; nothing but writing text where the table does not know it.

    Example:
        >>> capabilities_of("openai/a-model-of-my-own").function_calling
        False
    """
    entry = _entry(model) or _Entry()
    provider = model.partition("/")[0]
    tools, schema = entry.supports_function_calling is True, entry.supports_response_schema is True
    reasons = entry.supports_reasoning is True
    # Who speaks OpenAI's language takes its `response_format`, if only for plain JSON.
    formats = schema or ALIASES.get(provider, provider) in DIRECT
    params = (
        USUAL_PARAMS
        | (TOOL_PARAMS if tools else frozenset())
        | (frozenset({"response_format"}) if formats else frozenset())
        | (frozenset({"reasoning_effort", "thinking"}) if reasons else frozenset())
    )
    return Capabilities(function_calling=tools, reasoning=reasons, response_schema=schema, params=params)


def most_tokens(request: Request, max_tokens: int) -> Usage:
    """Return the most tokens a call may use, before it is made."""
    size = 0
    for message in request.messages:
        content = message.content
        size += _bytes(content) if isinstance(content, str) else sum(map(_part_size, content))
        for call in message.calls:
            size += len(call.name) + _bytes(call.arguments)
    for tool in request.tools:
        size += len(tool.name) + len(tool.description) + len(bytes(tool.parameters))
    size += 0 if request.response_format is None else len(bytes(request.response_format))
    texts = len(request.messages)
    if request.inputs:
        size += sum(map(_bytes, request.inputs))
        texts, max_tokens = len(request.inputs), 0
    prompt = -(-size // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * texts
    return Usage(prompt_tokens=prompt, completion_tokens=max_tokens * request.n)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _part_size(part: Part) -> int:
    held = 0
    match part:
        case TextPart(text=text):
            return _bytes(text)
        case ImagePart():
            return TOKENS_PER_IMAGE * BYTES_PER_TOKEN
        case FilePart(data=data):
            held = len(data or "")
        case AudioPart(data=sound):
            held = len(sound)
        case OtherPart(body=body):
            held = len(bytes(body))
    return (TOKENS_PER_IMAGE + held // BYTES_PER_MEDIA_TOKEN) * BYTES_PER_TOKEN


def _entry(model: str) -> _Entry | None:
    word, _, rest = model.partition("/")
    provider = ALIASES.get(word, word)
    table = _table()
    for name in (model, f"{provider}/{rest}"):
        if name in table:
            return table[name]
    # A fine-tuned model, `ft:gpt-4o-mini:my-org::id`, is what its base is in that form.
    found = table.get(":".join(rest.split(":")[:2]) if rest.startswith("ft:") else rest)
    return found if found is not None and str(found.litellm_provider).startswith(provider) else None


@cache
def _table() -> dict[str, _Entry]:
    path = _table_path()
    if path is None:
        return {}
    entries = msgspec.json.decode(path.read_bytes(), type=dict[str, _Entry])
    return {name: entry for name, entry in entries.items() if name != "sample_spec"}


def _table_path() -> Path | None:
    # Finding a top-level package does not run it.
    spec = importlib.util.find_spec("litellm")
    places = spec.submodule_search_locations if spec is not None else None
    paths = [Path(place, TABLE) for place in places or ()]
    return next((path for path in paths if path.is_file()), None)
