"""Retrieve: passages from whatever the settings name as `rm`; DSPy's module of that name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dspex.data.example import Prediction
from dspex.errors import SettingsError
from dspex.retrieve.found import Found, found_in
from dspex.retrieve.retriever import Retriever, called, takes
from dspex.scope.ambient import ambient


class Retrieve(Retriever):
    """Ask the retriever that `dspex.configure(rm=...)` set, or subclass it and write `forward(query, k=None)`.

    Args:
        k: how many passages.
        callbacks: who is told of its calls, besides those of the settings.

    Raises:
        SettingsError: when called, where no `rm` is set.

    Example:
        >>> import dspex
        >>> with dspex.context(rm=lambda query, k: ["Oslo is in Norway.", "Rome is in Italy."][:k]):
        ...     Retrieve(k=1)("Where is Oslo?").passages
        ['Oslo is in Norway.']
    """

    input_variable = "query"
    desc = "takes a search query and returns one or more potentially relevant passages from a corpus"

    def __init__(self, k: int = 3, callbacks: Iterable[Any] | None = None) -> None:
        super().__init__(None, k, callbacks=callbacks)

    def reset(self) -> None:
        """Do nothing: there is nothing learned to forget."""

    def dump_state(self) -> dict[str, Any]:
        """Return how many passages it takes, as JSON-able values."""
        return {"k": self.k}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a dumped state."""
        self.k = int(state["k"])

    async def _retrieve(self, query: str, k: int | None, options: Mapping[str, Any]) -> Prediction:
        rm = getattr(ambient().rm, "retriever", ambient().rm)  # `ColBERTv2` has one
        if isinstance(rm, Retriever) and rm is not self and self._by_settings:
            # It tells, meters and keeps its calls itself: a second call around it would count it twice.
            found = await rm._retrieve(query, self.k if k is None else k, options)
            return Prediction(passages=list(found["passages"]))
        return await super()._retrieve(query, k, options)

    async def _search(self, query: str, k: int, options: Mapping[str, Any]) -> list[Found]:
        if not self._by_settings:
            return await super()._search(query, k, options)
        rm = ambient().rm
        if rm is None:
            raise SettingsError(
                "No retriever is set: write `dspex.configure(rm=dspex.BM25(corpus))`, or any function from a query "
                "and `k` to passages."
            )
        given = {"k": k, **options} if takes(rm, "k") else dict(options)
        found = found_in(await called(rm, query, **given), type(rm).__name__)
        return [Found(text=one.text) for one in found]

    @property
    def _by_settings(self) -> bool:
        """Whether the settings say who searches, and not a subclass's own `forward`."""
        return type(self).forward is Retriever.forward
