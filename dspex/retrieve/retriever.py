"""Retriever: any function that finds passages, asked as a model is: metered, told, cut when the run ends.

The base of the other retrievers too: they say how they search, everything around it is here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec.structs import replace

from dspex import _canon, _host
from dspex.data.example import Prediction
from dspex.errors import DataError, SettingsError
from dspex.events.event import LMRole
from dspex.lm.forms import plain_text
from dspex.lm.messages import Message, Request, Response
from dspex.lm.meter import Meter
from dspex.retrieve.found import Found, found_in, prediction_of, response_of_found
from dspex.scope.callbacks import with_callbacks
from dspex.scope.scope import current, enter


class Retriever:
    """Find passages with any function, or subclass it and write `forward`.

    What is found is told to listeners as a call with the role `retrieval`; it costs nothing.

    Args:
        search: from a query, and `k` where it takes one, to passages: texts, dicts with a `text` (and a `score`,
            an `index`, whatever else), a Prediction with `passages`. A coroutine function will do.
        k: how many passages.
        name: what events call it; the function's name by default.
        callbacks: who is told of its calls, besides those of the settings.

    Raises:
        SettingsError: `search` cannot be called, or `k` is no whole number of at least 1.

    Example:
        >>> capitals = Retriever(lambda query, k: ["Oslo is in Norway.", "Rome is in Italy."][:k], k=1)
        >>> capitals("Where is Oslo?").passages
        ['Oslo is in Norway.']
    """

    _tells_scores = True

    def __init__(
        self,
        search: Callable[..., Any] | None = None,
        k: int = 3,
        *,
        name: str = "",
        callbacks: Iterable[Any] | None = None,
    ) -> None:
        if search is not None and not callable(search):
            raise SettingsError(
                f"`search` takes a function from a query to passages, not `{type(search).__name__}`."
            )
        if search is None and type(self) is Retriever:
            raise SettingsError(
                "A `Retriever` needs a function that searches, or a subclass with a `forward`."
            )
        self.k = whole("k", k)
        self.name = name or name_of(search if search is not None else type(self))
        self.callbacks = list(callbacks or ())
        self._function = search

    @with_callbacks
    def __call__(self, query: str, k: int | None = None, **options: Any) -> Prediction:
        """Return the passages that fit the query, the best first.

        Args:
            query: what to look for.
            k: how many; the retriever's own number by default.
            **options: handed on to the function or service that searches.

        Raises:
            DataError: the query is no text, or what came holds no passages.
        """
        return _host.drive(self._retrieve(query, k, options), f"`{type(self).__name__}`")

    @with_callbacks
    async def acall(self, query: str, k: int | None = None, **options: Any) -> Prediction:
        """Return the passages as a call does, for async code."""
        return await self._retrieve(query, k, options)

    def forward(self, query: str, k: int | None = None, **options: Any) -> Any:
        """Return passages for the query; what a subclass writes."""
        return _host.drive(self._retrieve(query, k, options), f"`{type(self).__name__}`")

    async def _retrieve(self, query: str, k: int | None, options: Mapping[str, Any]) -> Prediction:
        if not isinstance(query, str):
            raise DataError(f"A query is a text, not a `{type(query).__name__}`.")
        wanted = self.k if k is None else whole("k", k)
        request = Request(
            model=self.name,
            messages=(Message(role="user", content=plain_text(query)),),
            options={name: _json(value) for name, value in sorted({**options, "k": wanted}.items())},
        )
        with in_role("retrieval"):
            response = await self._answer(request, query, wanted, options)
        return prediction_of(response, scores=self._tells_scores)

    async def _answer(self, request: Request, query: str, k: int, options: Mapping[str, Any]) -> Response:
        async def answer() -> Response:
            found = await self._search(query, k, options)
            return response_of_found(found[:k], self.name)

        return await Meter(Own(answer), self.name).send(request)

    async def _search(self, query: str, k: int, options: Mapping[str, Any]) -> list[Found]:
        """Find passages; waits for nothing but `hop` and `in_worker`."""
        search = self._function
        if search is None:
            if type(self).forward is Retriever.forward:
                raise DataError(
                    f"`{type(self).__name__}` has no `forward` method; write how it searches there."
                )
            search = self.forward
        given = {"k": k, **options} if takes(search, "k") else dict(options)
        return found_in(await called(search, query, **given), self.name)

    def __deepcopy__(self, memo: object) -> Retriever:
        # A program is copied many times while it is optimized; what it searches is one and the same.
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, k={self.k})"


class Own:
    """Work in this process as a Transport: asked in the caller's own thread, cut where its run is cancelled."""

    waits = False

    def __init__(self, answer: Callable[[], Awaitable[Response]]) -> None:
        self._work = answer

    async def send(self, request: Request) -> Response:
        """Answer the one request it was made for."""
        work = self._work()
        # On the host loop a cancel cuts the wait; what a thread of the user's does cannot be cut.
        return await (current().cancel.guard(work) if _host.on_host() else work)  # type: ignore[arg-type]


@contextmanager
def in_role(role: LMRole) -> Iterator[None]:
    """Have the calls in the `with` block told under this role."""
    with enter(replace(current(), role=role)):
        yield


async def called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a user's function where it may block, or await it where it is a coroutine function."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return await _host.native(function(*args, **kwargs))
    return await _host.in_worker(lambda: function(*args, **kwargs))


def takes(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function takes an argument of this name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        p.kind is p.VAR_KEYWORD or (p.name == name and p.kind is not p.VAR_POSITIONAL) for p in parameters
    )


def name_of(function: Any) -> str:
    """Return what events call a function or an object that is called."""
    return str(getattr(function, "__qualname__", "") or type(function).__name__).rpartition("<locals>.")[2]


def whole(name: str, value: object, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    Raises:
        SettingsError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"`{name}` takes a whole number of at least {least}, not `{value!r}`.")
    return value


def _json(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(_canon.canonical(value).encode())
    except DataError:  # an object of the user's own, told by its kind: the function gets it as it is
        return msgspec.Raw(msgspec.json.encode(f"<{type(value).__name__}>"))
