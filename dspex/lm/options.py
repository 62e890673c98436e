"""What a user may write into `LM(...)`: checked at once, and cut into what is shown, sent and kept secret.

Apart so that a wrong value is an error where it is written, in one line, and never a provider's answer later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dspex.errors import SettingsError
from dspex.lm.pool import Pool
from dspex.lm.secret import Secret, is_credential, public_url, redact
from dspex.lm.wire import is_reasoning

_HEADERS = ("headers", "extra_headers")
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "host", "accept-encoding"})
"""Headers by which both ends agree where a request ends; a second one could hide another request in it."""
_NOT_IN_A_CALL = {
    "model": "model", "num_retries": "num_retries", "max_retries": "num_retries", "retry_policy": "num_retries",
}  # fmt: skip
"""Prices and keys are a model's; and a library below would take a wish for retries at its word, and retry beside us."""
_UNSENDABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of an LM, sorted by who may see them.

    Attributes:
        parameters: what goes to the provider with each call, and may be shown and saved.
        api_key, headers, credentials: what goes along and never shows.
        api_base: the user's own address.
    """

    parameters: dict[str, Any]
    api_key: Secret | None = None
    api_base: str | None = field(default=None, repr=False)
    headers: dict[str, Secret] = field(default_factory=dict)
    credentials: dict[str, Secret] = field(default_factory=dict)

    @property
    def secrets(self) -> dict[str, Any]:
        """What `LM(...)` takes to have the same headers and credentials."""
        return {**self.credentials, **({"headers": self.headers} if self.headers else {})}


def read_options(
    kwargs: Mapping[str, Any],
    *,
    model: object,
    model_type: object,
    temperature: object,
    max_tokens: object,
    num_retries: object,
    timeout: object,
    latency: object,
    api_key: str | Secret | None,
    api_base: str | None,
) -> Options:
    """Check the arguments of `LM(...)` and sort them.

    Raises:
        SettingsError: a value cannot be.
    """
    if not isinstance(model, str):
        raise SettingsError(
            f"The model is a text such as `openai/gpt-4o-mini`, not a `{type(model).__name__}`."
        )
    if _HALF.search(model):
        raise SettingsError(f"The model {model[:80]!r} holds half a character (a lone surrogate).")
    if model_type != "chat":
        raise SettingsError(f"Unknown model_type `{model_type}`; `chat` is the one there is.")
    _number("temperature", temperature, least=0.0, none=True)
    if temperature == math.inf:
        raise SettingsError("temperature=inf cannot be sent; give a number such as 1.0, or None.")
    _number("max_tokens", max_tokens, least=1, none=True, whole=True)
    _number("num_retries", num_retries, least=0, whole=True)
    _number("timeout", timeout, least=0.001)
    _number("latency", latency, least=0.0, none=True)
    if latency is not None and model != "practice":
        raise SettingsError(f"latency= is for the practice model; `{model}` takes the time it takes.")
    further = dict(kwargs)
    api_base = further.pop("base_url", None) or api_base
    if api_base is not None and not isinstance(api_base, str):
        raise SettingsError(
            f"api_base= is a text such as `http://localhost:8000/v1`, not a `{type(api_base).__name__}`."
        )
    headers: dict[str, Secret] = {}
    for word in _HEADERS:
        headers |= read_headers(word, further.pop(word, None))
    credentials = {
        name: key
        for name in list(further)
        if is_credential(name) and (key := read_key(name, further.pop(name)))
    }
    key = read_key("api_key", api_key)
    if key is not None and api_base is not None and "@" in api_base.partition("://")[2].partition("/")[0]:
        raise SettingsError(
            "`api_base` holds a user and a password, and api_key= another key; give one of them."
        )
    _check_further(further)
    parameters = {"temperature": temperature, **_limit(model, max_tokens, further), **further}
    return Options(
        parameters=parameters,
        api_key=key,
        api_base=api_base,
        headers=headers,
        credentials=credentials,
    )


def check_call(options: Mapping[str, Any]) -> None:
    """Refuse what no call of an `LM` can say.

    Raises:
        SettingsError: it says so.
    """
    for name, word in _NOT_IN_A_CALL.items():
        if name in options:
            raise SettingsError(
                f"`{name}` cannot be said in a call: `lm.copy({word}=...)` makes a model that does."
            )
    _check_further(options)


def check_state(state: Mapping[str, Any], *, trusted: bool) -> dict[str, Any]:
    """Return a saved LM's arguments for `LM(...)`.

    Raises:
        SettingsError: it holds a key, an object or an address that a stranger may have put there.
    """
    if not isinstance(state.get("model"), str):
        raise SettingsError("This is no saved LM: it names no `model`.")
    forbidden = [
        name for name in state if is_credential(name) or name in {*_HEADERS, "transport", "base_url"}
    ]
    if forbidden:
        raise SettingsError(f"A saved LM never holds `{forbidden[0]}`; take it out of the file.")
    for base in _addresses(state):
        if not trusted and not _on_this_machine(base):
            raise SettingsError(
                f"The saved LM calls `{public_url(base)}`, where your prompts and key would go. If you know it, "
                "pass allow_unsafe_lm_state=True."
            )
    pool = state.get("pool")
    return dict(state) if pool is None else {**state, "pool": _pool(pool)}


def _check_further(options: Mapping[str, Any]) -> None:
    for name in ("max_retries", "retry_policy"):
        if name in options:
            raise SettingsError(
                f"`{name}` is no parameter of a model's: num_retries= says how often is asked again."
            )
    extra = options.get("extra_body")
    if extra is not None and not isinstance(extra, Mapping):
        raise SettingsError(f'extra_body= is a dict such as {{"top_k": 5}}, not a `{type(extra).__name__}`.')


def _addresses(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield every address that a saved LM names."""
    if state.get("api_base") is not None:
        yield str(state["api_base"])
    pool = state.get("pool")
    endpoints = pool.get("endpoints") if isinstance(pool, Mapping) else None
    for place in [*(endpoints or ()), *(state.get("fallbacks") or ())]:
        if isinstance(place, Mapping):
            if "api_key" in place:
                raise SettingsError("A saved LM never holds `api_key`; take it out of the file.")
            if place.get("api_base"):
                yield str(place["api_base"])
        elif "://" in str(place):
            yield str(place)


def _pool(state: object) -> Pool:
    try:
        return Pool(**state)  # type: ignore[arg-type]  # what it is not, it says itself
    except TypeError as exc:
        raise SettingsError(f"The saved LM's `pool` is none: {exc}") from None


def _limit(model: str, max_tokens: object, further: dict[str, Any]) -> dict[str, Any]:
    """Return the limit on an answer under the name that the model's family has for it."""
    other = further.pop("max_completion_tokens", None)
    limit = other if max_tokens is None else max_tokens
    return {"max_completion_tokens" if is_reasoning(model) else "max_tokens": limit}


def _on_this_machine(base: str) -> bool:
    import ipaddress

    try:
        host = urlsplit(base).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_key(name: str, given: object) -> Secret | None:
    """Return a key as the user wrote it, without the white space around it; None where there is none.

    Raises:
        SettingsError: it is no text, or holds what no header can carry. It is not quoted.
    """
    if given is None or isinstance(given, Secret):
        return given or None
    if not isinstance(given, str):
        raise SettingsError(f"{name}= is a text, not a `{type(given).__name__}`.")
    if _UNSENDABLE.search(given.strip()):
        raise SettingsError(f"{name}= holds a line end or another sign that no key has; copy it again.")
    return Secret(given.strip()) if given.strip() else None


def read_headers(name: str, given: object) -> dict[str, Secret]:
    """Return further headers as the user wrote them; one that is None is left out.

    Raises:
        SettingsError: they are no dict of headers, or one cannot be sent. Values are not quoted.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise SettingsError(
            f'{name}= is a dict such as {{"X-Team": "research"}}, not a `{type(given).__name__}`.'
        )
    headers: dict[str, Secret] = {}
    for word, value in given.items():
        if not isinstance(word, str) or not _HEADER.fullmatch(word):
            raise SettingsError(
                f"{name}= has {redact(str(word), limit=80)!r} in it, which is no name of a header."
            )
        if word.lower() in _OURS:
            raise SettingsError(f"{name}= cannot set `{word}`: it follows from the request itself.")
        text = value.reveal() if isinstance(value, Secret) else "" if value is None else str(value).strip()
        if _UNSENDABLE.search(text):
            raise SettingsError(f"The header `{word}` holds a line end or another sign that none can carry.")
        if value is not None:
            headers[word] = Secret(text)
    return headers


def _number(name: str, value: object, *, least: float, none: bool = False, whole: bool = False) -> None:
    if value is None and none:
        return
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= least:
        raise SettingsError(
            f"{name}={value!r} cannot be; give {'a whole' if whole else 'a'} number of at least {least:g}"
            f"{', or None' if none else ''}."
        )
