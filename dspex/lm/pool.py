"""`dspex.Pool`: how an LM reaches its provider: through which endpoints, how many calls at once, how patiently.

What the user writes, checked where it is written; `pooled.py` makes the transport of it. Nothing of it is a secret
but the keys that endpoints may have of their own, and those never show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from types import NoneType
from typing import Any, Literal

import msgspec

from dspex import _host
from dspex.errors import SettingsError, nearest
from dspex.lm.endpoint import registry
from dspex.lm.secret import Secret, public_url

PATIENCE = 3600.0
_NAMES = ("model", "api_base", "api_key")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint as the user wrote it; what is None is the LM's own."""

    model: str | None = None
    api_base: str | None = None
    api_key: Secret | None = None

    def __repr__(self) -> str:
        return f"Place({self.shown()!r})"

    def shown(self) -> str | dict[str, str]:
        """Return it as it may be shown and saved: without its key."""
        base = None if self.api_base is None else public_url(self.api_base)
        if self.model is None or base is None:
            return self.model or base or ""
        return {"model": self.model, "api_base": base}


@dataclass(frozen=True, slots=True, repr=False)
class Pool:
    """How calls reach a provider. Endpoints that several models share are bounded together, across all runs.

    Args:
        endpoints: where the model is: addresses such as `http://localhost:8000/v1`, other models' names, or dicts of
            `model`, `api_base` and `api_key`. Calls go where there is most room, and on to the next where one fails.
            None for the model's own.
        concurrency: calls at once at each endpoint: a number, or `auto` to find what the provider takes.
        rpm, tpm: requests and tokens a minute at each endpoint; None for no known limit: where the provider has one
            all the same, its 429s teach the pace it takes, and calls keep to that and try a little more now and then.
        workers: processes for litellm, which reaches the providers that are not OpenAI-compatible; 0 to run it in
            this one.
        patience: seconds for which a run's call waits while no endpoint can be asked.

    Raises:
        SettingsError: a value cannot be.

    Example:
        >>> Pool(["http://a:8000/v1", "http://b:8000/v1"], concurrency=64)
        Pool(['http://a:8000/v1', 'http://b:8000/v1'], concurrency=64)
    """

    endpoints: Sequence[str | Mapping[str, Any]] | None = None
    _: KW_ONLY
    concurrency: int | Literal["auto"] = "auto"
    rpm: float | None = None
    tpm: float | None = None
    workers: int = 1
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        """Refuse what cannot be, where it is written."""
        if self.endpoints is not None:
            places = read_places(self.endpoints, "endpoints")
            if not places:
                raise SettingsError(
                    "A pool without endpoints answers nothing; name one, or leave endpoints= out."
                )
            object.__setattr__(self, "endpoints", places)
        if self.concurrency != "auto":
            _number("concurrency", self.concurrency, least=1, whole=True, other=' or "auto"')
        for name in ("rpm", "tpm"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), least=1, other=" or None")
        _number("workers", self.workers, least=0, whole=True)
        _number("patience", self.patience, least=0)

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self.state().items() if name != "endpoints"]
        first = [] if self.endpoints is None else [repr([place.shown() for place in self.places])]
        return f"Pool({', '.join(first + parts)})"

    @property
    def places(self) -> tuple[Place, ...]:
        """The endpoints, read; none where they are the model's own."""
        return self.endpoints or ()  # type: ignore[return-value]  # `__post_init__` read them

    @property
    def fixed(self) -> int | None:
        """The number of calls at once; None to find it."""
        return None if self.concurrency == "auto" else self.concurrency

    def state(self) -> dict[str, Any]:
        """Return what is not the usual as plain JSON values; without keys."""
        shown: dict[str, Any] = {
            "endpoints": [place.shown() for place in self.places] or None, "concurrency": self.concurrency,
            "rpm": self.rpm, "tpm": self.tpm, "workers": self.workers, "patience": self.patience,
        }  # fmt: skip
        return {name: value for name, value in shown.items() if value != _USUAL[name]}


_USUAL: dict[str, Any] = {
    "endpoints": None, "concurrency": "auto", "rpm": None, "tpm": None, "workers": 1, "patience": PATIENCE,
}  # fmt: skip


def read_places(given: object, name: str) -> tuple[Place, ...]:
    """Return the endpoints that a user wrote.

    Raises:
        SettingsError: one cannot be read.
    """
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise SettingsError(
            f'{name}= is a list, such as ["http://localhost:8000/v1"] or ["openai/gpt-4o-mini"].'
        )
    return tuple(_place(one, name) for one in given)


def reset(model: str = "") -> list[str]:
    """Have endpoints that are not asked now be asked at once: a person knows that they work again.

    Args:
        model: whose endpoints, as its LM was named; "" for all.

    Returns:
        the models whose endpoints were open or held back.

    Example:
        >>> reset("openai/never-asked")
        []
    """
    shut = [
        e for e in registry.all(model) if e.breaker.state != "closed" or e.gate.limit.frozen or e.gate.pace
    ]
    for endpoint in shut:
        _host.loop().call_soon_threadsafe(endpoint.reset)
    return list(dict.fromkeys(endpoint.model for endpoint in shut))


def _place(one: object, name: str) -> Place:
    if isinstance(one, Place):
        return one
    if isinstance(one, str):
        return Place(api_base=one) if "://" in one else Place(model=one)
    if not isinstance(one, Mapping):
        raise SettingsError(
            f"An entry of {name}= is an address, a model's name or a dict, not `{type(one).__name__}`."
        )
    for word in one:
        if word not in _NAMES:
            raise SettingsError(
                f"An entry of {name}= has no `{word}`; it takes {', '.join(_NAMES)}.{nearest(str(word), _NAMES)}"
            )
    if not one.get("model") and not one.get("api_base"):
        raise SettingsError(f"An entry of {name}= names neither a `model` nor an `api_base`.")
    for word, said in one.items():
        if not isinstance(said, (str, NoneType) if word != "api_key" else (str, NoneType, Secret)):
            raise SettingsError(f"`{word}` in an entry of {name}= is a text, not a `{type(said).__name__}`.")
    key = one.get("api_key")
    return Place(
        model=one.get("model"),
        api_base=one.get("api_base"),
        api_key=key if key is None or isinstance(key, Secret) else Secret(key.strip()),
    )


def _number(name: str, value: object, *, least: float, whole: bool = False, other: str = "") -> None:
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= least:
        raise SettingsError(
            f"{name}={value!r} cannot be; give {'a whole' if whole else 'a'} number of at least {least:g}{other}."
        )
