"""From what the user wrote to the ways a call may go: a transport for each, and the shared endpoint behind it.

Apart from the pool, which chooses among them and need not know providers, keys or addresses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from dspex.errors import SettingsError
from dspex.lm.endpoint import Endpoint, Key, registry
from dspex.lm.options import Options
from dspex.lm.pool import Place, Pool, read_places
from dspex.lm.providers import Route, route
from dspex.lm.secret import Secret, public_url
from dspex.lm.transport import Transport


class Door:
    """One way a call may go; which endpoint is behind it depends on the key, and so may change.

    Args:
        model: what it reaches, as the user wrote it.
        transport: who carries the call.
        find: returns the endpoint's key in the registry for a provider's key; None for an endpoint of its own.
        provider, address: for a person.
        keys: environment variables that may hold the key; none where it is given.
        pool: the limits to set, where the user named any.
    """

    def __init__(
        self, model: str, transport: Transport, find: Callable[[str], Key] | None = None, *, provider: str = "",
        address: str = "", keys: Sequence[str] = (), pool: Pool | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.transport = transport
        self._find = find
        self._provider = provider or model.partition("/")[0]
        self._address = address
        self._keys = keys
        self._pool = pool
        self._seen: tuple[int, int] | None = None
        self._endpoint: Endpoint | None = None

    def __repr__(self) -> str:
        return f"<Door to {self.model}{' at ' + self._address if self._address else ''}>"

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint behind it now."""
        key = ""
        for name in self._keys:
            if key := os.environ.get(name, ""):
                break
        seen = (hash(key), registry.era)  # the key itself is kept nowhere
        if self._endpoint is None or seen != self._seen:
            self._seen, self._endpoint = seen, self._behind(key)
        return self._endpoint

    def _behind(self, key: str) -> Endpoint:
        def made() -> Endpoint:
            return Endpoint(self.model, self._provider, self._address)

        endpoint = made() if self._find is None else registry.at(self._find(key.strip()), made)
        if self._pool is not None:
            endpoint.bound(self._pool.fixed, self._pool.rpm, self._pool.tpm)
        return endpoint


def tiers_of(
    model: str, options: Options, pool: Pool | None, fallbacks: Sequence[Place], timeout: float
) -> list[list[Door]]:
    """Return the ways to a model: its endpoints, then each fallback.

    Args:
        model: as the user wrote it.
        options: its keys and address.
        pool: how it is reached; None for the usual.
        fallbacks: what is asked where the model cannot be.
        timeout: seconds for one try.

    Raises:
        SettingsError: an endpoint cannot be reached by anyone.
    """
    own = pool.places if pool is not None and pool.places else (Place(),)
    if pool is not None and pool.places and options.api_base is not None:
        raise SettingsError(
            "api_base= and the pool's endpoints both say where the model is; put the address among the endpoints."
        )
    workers = 1 if pool is None else pool.workers
    tiers = [[_door(place, model, options, timeout, workers, pool) for place in own]]
    # The limits that the user knows are those of the model, not of what stands in for it.
    return [*tiers, *([_door(place, model, options, timeout, workers)] for place in fallbacks)]


def read_reach(pool: object, fallbacks: object, *, transport: bool) -> tuple[Place, ...]:
    """Check what `LM(...)` was told about how to reach its model, and return the fallbacks.

    Raises:
        SettingsError: it cannot be.
    """
    if pool is not None and not isinstance(pool, Pool):
        raise SettingsError(f"pool= takes a `dspex.Pool(...)`, not `{type(pool).__name__}`.")
    places = read_places(fallbacks, "fallbacks") if fallbacks else ()
    if transport and (places or (pool is not None and pool.places)):
        raise SettingsError(
            "transport= answers in place of every endpoint; leave out endpoints and fallbacks=."
        )
    return places


def first_of(pool: Pool | None) -> Place:
    """Return the endpoint that stands for the model where its address matters; what is empty is the model's own."""
    return pool.places[0] if pool is not None and pool.places else Place()


def transport_to(
    way: Route, options: Options, timeout: float, *, workers: int = 1, latency: float = 0.0
) -> Transport:
    """Return who carries calls that way."""
    # Whoever never speaks to a provider, or to one kind only, need not wait for the other's code.
    if way.wire == "practice":
        from dspex.lm.practice import PracticeTransport

        return PracticeTransport(latency)
    common: Any = {"api_key": options.api_key, "timeout": timeout, "headers": options.headers}
    if way.wire == "litellm":
        from dspex.lm.litellm import LiteLLMTransport

        return LiteLLMTransport(way, credentials=options.credentials, workers=workers, **common)
    if options.credentials:
        names = ", ".join(f"`{name}`" for name in options.credentials)
        raise SettingsError(f"`{way.provider}` takes one key: pass api_key= in place of {names}.")
    from dspex.lm.direct import DirectTransport

    return DirectTransport(way, **common)


def way_to(place: Place, model: str, options: Options) -> Route:
    """Return the route to an endpoint of a model."""
    base = place.api_base or (options.api_base if place.model in (None, model) else None)
    return route(place.model or model, base)


def _door(
    place: Place, model: str, options: Options, timeout: float, workers: int, pool: Pool | None = None
) -> Door:
    way = way_to(place, model, options)
    # A key goes to the provider it is of, and to the addresses that its owner named beside it.
    ours = place.model in (None, model) or way.provider == route(model, options.api_base).provider
    held = Options(
        parameters={},
        api_key=place.api_key or (options.api_key if ours else None),
        headers=options.headers if ours else {},
        credentials=options.credentials if ours else {},
    )
    address = urlsplit(public_url(way.base)).netloc
    fixed = [held.api_key, *held.headers.values(), *held.credentials.values()]
    if public_url(way.base) != way.base:
        fixed.append(Secret(way.base))  # a key may be in it
    names = way.keys or (f"{way.provider.upper()}_API_KEY",)
    return Door(
        place.model or model,
        transport_to(way, held, timeout, workers=workers),
        lambda key: (f"{way.wire} {public_url(way.base)}", way.model, _digest([*fixed, Secret(key)])),
        provider=way.provider,
        address=address,
        keys=() if held.api_key is not None else names,
        pool=pool,
    )


def _digest(secrets: Sequence[Secret | None]) -> str:
    import hashlib  # four milliseconds that `import dspex` need not take

    text = hashlib.sha256()
    for secret in secrets:
        part = b"" if secret is None else secret.reveal().encode("utf-8", "surrogatepass")
        text.update(b"%d:%b" % (len(part), part))
    return text.hexdigest()
