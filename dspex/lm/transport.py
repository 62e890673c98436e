"""The one interface at the edge: whatever answers a Request is a Transport.

Providers, caches, meters, pools and fakes have this shape, so each wraps another without knowing which.
"""

from __future__ import annotations

from typing import Protocol

from dspex.lm.messages import Request, Response


class Transport(Protocol):
    """Answers a Request with a Response or raises an `LMError`."""

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        ...
