"""Answer again what was answered before, and ask once what is asked many times at once.

A hit is found in the caller's own thread; only a miss goes on to the host loop. Errors, truncated and filtered
answers are never kept: asking again may do better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dspex import _canon, _host
from dspex.lm.messages import Request, Response
from dspex.lm.store import Store, default_store
from dspex.lm.stream import Delivery
from dspex.lm.transport import OnChunk, Transport, ask, piece_of
from dspex.scope.scope import current

if TYPE_CHECKING:
    import hashlib

VERSION = "1"
"""Part of every key; raised when the meaning of a request or the form of an answer changes."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class Cached:
    """A Transport that remembers another one's answers.

    Args:
        transport: who answers what is not known.
        store: where answers are kept; None for the process's own, opened at first use.
        place: what besides the request decides the answer: the endpoint's address.
    """

    def __init__(self, transport: Transport, store: Store | None = None, *, place: str = "") -> None:
        self._transport = transport
        self._store = store
        self._place = place
        self._begun: hashlib._Hash | None = None
        self._last: tuple[Request | None, str] = (None, "")

    def key(self, request: Request) -> str:
        """Return the request's key: version, place and request, never a secret."""
        return self._key(request, self._kept())

    def peek(self, request: Request) -> Response | None:
        """Return the answer kept for this request, cached and free; None where there is none."""
        store = self._kept()
        return store.get(self._key(request, store))

    async def send(self, request: Request) -> Response:
        """Answer from what is kept, or ask."""
        return self.peek(request) or await self.fetch(request)

    async def stream(self, request: Request, on_chunk: OnChunk) -> Response:
        """Answer as `send` does; what is kept is handed over as one piece."""
        kept = self.peek(request)
        if kept is None:
            return await self.fetch(request, on_chunk)
        on_chunk(piece_of(kept))
        return kept

    async def fetch(self, request: Request, on_chunk: OnChunk | None = None) -> Response:
        """Ask, together with whoever asks the same right now, and keep the answer; after a `peek` in vain."""
        store = self._kept()
        key = self._key(request, store)
        # The flight goes on for others when this caller has left, who must then get nothing more.
        delivery = None if on_chunk is None else Delivery(on_chunk)
        # A run's call may wait for its provider where a person's own hears at once: they share what is kept alone.
        flight = f"{key} in a run" if current().patient else key
        try:
            response, shared = await _host.hop(
                store.flights.join(flight, lambda: self._ask(key, request, store, delivery))
            )
        finally:
            if delivery is not None:
                delivery.close()
        if on_chunk is not None and delivery is not None and not delivery.any:
            on_chunk(piece_of(response))
        return msgspec.structs.replace(response, cost=0.0, cached=True) if shared else response

    async def _ask(
        self, key: str, request: Request, store: Store, on_chunk: OnChunk | None = None
    ) -> Response:
        # Between a caller's look and its turn on the loop, another's flight may have landed.
        known = store.memory.get(key)
        if known is not None:
            return known
        response = await ask(self._transport, request, on_chunk)
        whole = all(choice.finish in ("stop", "tool_calls") for choice in response.choices)
        if whole and not response.by:  # a fallback's answer is not this model's
            crowded = store.put(key, response)
            if crowded and store.folder is not None:
                # The disk is slower than the models: nothing may pile up without end.
                await _host.in_worker(store.folder.flush)
        return response

    def _key(self, request: Request, store: Store) -> str:
        if store.keyer is not None:
            return _canon.digest([VERSION, self._place, store.keyer(request)])
        last, key = self._last
        if last is request:  # whoever looked in vain asks with the same object
            return key
        key = self._digest(request)
        self._last = (request, key)
        return key

    def _digest(self, request: Request) -> str:
        """Return `_canon.digest([VERSION, place, request])` for half its price: what never changes is hashed once."""
        if self._begun is None:
            import hashlib  # four milliseconds that `import dspex` need not take

            self._begun = hashlib.sha256(_canon.canonical([VERSION, self._place]).encode()[:-1])
        try:
            text = _encode(request)
        except UnicodeEncodeError:
            return _canon.digest([VERSION, self._place, request])
        digest = self._begun.copy()
        digest.update(b",%b]" % text)
        return digest.hexdigest()

    def _kept(self) -> Store:
        return self._store if self._store is not None else default_store()
