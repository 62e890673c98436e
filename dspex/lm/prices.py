"""What a call costs: dollars per token by model, from litellm's price table, read as a file.

litellm takes seconds to import; its table takes milliseconds to read. A price nobody knows is None, never zero.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from dspex.errors import SettingsError
from dspex.lm.messages import Message, Usage
from dspex.lm.providers import ALIASES

TABLE = "model_prices_and_context_window_backup.json"
BYTES_PER_TOKEN = 3
"""Few enough that a prompt's estimate is rarely below its true count: English has about four, Chinese three."""
TOKENS_PER_MESSAGE = 8


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
    input_cost_per_token: object = None
    output_cost_per_token: object = None


def per_million(price: Sequence[float]) -> Price:
    """Return the price the user gave as dollars per million tokens, in and out.

    Raises:
        SettingsError: not two numbers of at least zero.
    """
    try:
        dollars_in, dollars_out = (float(part) for part in price)
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
    word, _, rest = model.partition("/")
    provider = ALIASES.get(word, word)
    table = _table()
    for name in (model, f"{provider}/{rest}"):
        if name in table:
            return table[name][1]
    # A fine-tuned model, `ft:gpt-4o-mini:my-org::id`, costs what its base costs in that form.
    found = table.get(":".join(rest.split(":")[:2]) if rest.startswith("ft:") else rest)
    return found[1] if found is not None and found[0].startswith(provider) else None


def most_tokens(messages: Sequence[Message], max_tokens: int, n: int) -> Usage:
    """Return the most tokens a call may use, before it is made."""
    size = sum(len(message.content.encode()) for message in messages)
    prompt = -(-size // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * len(messages)
    return Usage(prompt_tokens=prompt, completion_tokens=max_tokens * n)


@cache
def _table() -> dict[str, tuple[str, Price]]:
    path = _table_path()
    if path is None:
        return {}
    entries = msgspec.json.decode(path.read_bytes(), type=dict[str, _Entry])
    return {
        name: (str(entry.litellm_provider), Price(entry.input_cost_per_token, entry.output_cost_per_token))
        for name, entry in entries.items()
        if isinstance(entry.input_cost_per_token, (int, float))
        and isinstance(entry.output_cost_per_token, (int, float))
        and name != "sample_spec"
    }


def _table_path() -> Path | None:
    # Finding a top-level package does not run it.
    spec = importlib.util.find_spec("litellm")
    places = spec.submodule_search_locations if spec is not None else None
    paths = [Path(place, TABLE) for place in places or ()]
    return next((path for path in paths if path.is_file()), None)
