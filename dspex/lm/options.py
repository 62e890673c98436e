"""What a user may write into `LM(...)`: checked at once, and cut into what is shown, sent and kept secret.

Apart so that a wrong value is an error where it is written, in one line, and never a provider's answer later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dspex.errors import SettingsError
from dspex.lm.pool import Pool
from dspex.lm.secret import Secret, is_credential, public_url
from dspex.lm.wire import is_reasoning

_HEADERS = ("headers", "extra_headers")


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
    api_base: str | None = None
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
    if model_type != "chat":
        raise SettingsError(f"Unknown model_type `{model_type}`; `chat` is the one there is.")
    _number("temperature", temperature, least=0.0, none=True)
    _number("max_tokens", max_tokens, least=1, none=True, whole=True)
    _number("num_retries", num_retries, least=0, whole=True)
    _number("timeout", timeout, least=0.001)
    _number("latency", latency, least=0.0, none=True)
    if latency is not None and model != "practice":
        raise SettingsError(f"latency= is for the practice model; `{model}` takes the time it takes.")
    further = dict(kwargs)
    api_base = further.pop("base_url", None) or api_base
    headers: dict[str, Secret] = {}
    for word in _HEADERS:
        headers |= {str(name): _secret(value) for name, value in (further.pop(word, None) or {}).items()}
    credentials = {name: _secret(further.pop(name)) for name in list(further) if is_credential(name)}
    parameters = {"temperature": temperature, **_limit(model, max_tokens, further), **further}
    return Options(
        parameters=parameters,
        api_key=_secret(api_key) if api_key else None,
        api_base=api_base,
        headers=headers,
        credentials=credentials,
    )


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


def _secret(value: object) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value).strip())


def _number(name: str, value: object, *, least: float, none: bool = False, whole: bool = False) -> None:
    if value is None and none:
        return
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= least:
        raise SettingsError(
            f"{name}={value!r} cannot be; give {'a whole' if whole else 'a'} number of at least {least:g}"
            f"{', or None' if none else ''}."
        )
