"""Embeddings: passages whose vectors lie nearest to the query's; exact at any size, and saved as JSON and numbers.

A saved index is two files, the same as DSPy's: `config.json` and `corpus_embeddings.npy`. Nothing in them can run:
the numbers are read as numbers, never unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from dspex import _host
from dspex.errors import SettingsError
from dspex.retrieve.bm25 import corpus_of
from dspex.retrieve.embedder import numbers_of
from dspex.retrieve.found import Found
from dspex.retrieve.index_file import read_index, write_index
from dspex.retrieve.ranking import Numbers, best
from dspex.retrieve.retriever import Retriever, called, name_of

AT_ONCE = 10_000
"""Passages handed to the embedder in one go, so that a large corpus is not in memory as numbers twice."""


class Embeddings(Retriever):
    """Find the passages whose vectors lie nearest to the query's.

    Args:
        corpus: the passages.
        embedder: makes vectors of texts: a `dspex.Embedder`, or any function from a list of texts to as many vectors.
        k: how many to find.
        callbacks: who is told of its calls, besides those of the settings.
        cache: accepted as in DSPy, which takes no other value than False: the embedder keeps its own answers.
        brute_force_threshold: accepted as in DSPy; the search is exact at any size, and needs no FAISS.
        normalize: whether only the direction of vectors counts (cosine) and not their length (dot product).

    Attributes:
        corpus, corpus_embeddings: the passages, and one row of numbers for each.

    Raises:
        DataError: the corpus is empty or holds something else than texts.
        SettingsError: the embedder makes something else than one vector for each text.

    Example:
        >>> from dspex.retrieve.embedder import Embedder
        >>> find = Embeddings(["Oslo is in Norway.", "Rome is in Italy."], Embedder("practice"), k=1)
        >>> find("Which country is Rome in?")
        Prediction(
            passages=['Rome is in Italy.'],
            indices=[1]
        )
    """

    _tells_scores = False

    def __init__(
        self,
        corpus: Iterable[str],
        embedder: Callable[..., Any],
        k: int = 5,
        callbacks: Iterable[Any] | None = None,
        cache: bool = False,
        brute_force_threshold: int = 20_000,
        normalize: bool = True,
        *,
        name: str = "",
    ) -> None:
        super().__init__(None, k, name=name or _name(type(self), embedder), callbacks=callbacks)
        if cache:
            raise SettingsError("`cache=True` is no choice here: the embedder keeps its own answers.")
        self.embedder = _checked(embedder)
        self.corpus = corpus_of(corpus)
        self.normalize = bool(normalize)
        self.corpus_embeddings = self._scaled(self._embedded(self.corpus))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write passages and vectors into a folder; DSPy reads it too.

        Args:
            path: the folder; it is made where it is not there, and what an index of this name held is replaced.

        Example:
            >>> import tempfile
            >>> find = Embeddings(["a", "b"], lambda texts: [[1.0, float(t == "a")] for t in texts], k=1)
            >>> folder = tempfile.mkdtemp()
            >>> find.save(folder)
            >>> Embeddings.from_saved(folder, find.embedder)("a").passages
            ['a']
        """
        write_index(Path(path), self.corpus, self.corpus_embeddings, k=self.k, normalize=self.normalize)

    def load(self, path: str | os.PathLike[str], embedder: Callable[..., Any]) -> Self:
        """Take over a saved index, all of it or, on error, nothing.

        Args:
            path: the folder that `save` wrote, ours or DSPy's.
            embedder: makes vectors of queries; the one that made those of the passages.

        Raises:
            DataError: there is none, or it is no index.
        """
        found = read_index(Path(path))
        self.embedder = _checked(embedder)
        self.k, self.normalize = found.k, found.normalize
        self.corpus, self.corpus_embeddings = found.corpus, found.vectors
        return self

    @classmethod
    def from_saved(cls, path: str | os.PathLike[str], embedder: Callable[..., Any]) -> Self:
        """Return the index that `save` wrote, without embedding the passages again; see `load`."""
        made = cls.__new__(cls)
        Retriever.__init__(made, None, 1, name=_name(cls, embedder))
        return made.load(path, embedder)

    async def _search(self, query: str, k: int, options: Mapping[str, Any]) -> list[Found]:
        ask = getattr(self.embedder, "acall", None)
        # What waits for the network must do so without a thread of its own where it can.
        rows = await (ask([query]) if ask is not None else called(self.embedder, [query]))
        vector = numbers_of(rows, 1, name_of(self.embedder))
        return await _host.in_worker(self._nearest, vector, k)

    def _nearest(self, query: Numbers, k: int) -> list[Found]:
        length = self.corpus_embeddings.shape[1]
        if query.shape[1] != length:
            raise SettingsError(
                f"The embedder made a vector of {query.shape[1]} numbers; those of the corpus have {length}. Use the "
                "embedder that made them."
            )
        scores = self.corpus_embeddings @ self._scaled(query)[0]
        return [Found(text=self.corpus[p], index=p, score=float(scores[p])) for p in best(scores, k)]

    def _embedded(self, texts: Sequence[str]) -> Numbers:
        import numpy

        parts: list[Numbers] = []
        for start in range(0, len(texts), AT_ONCE):
            part = list(texts[start : start + AT_ONCE])
            made = _host.drive(called(self.embedder, part), f"`{type(self).__name__}`")
            rows = numbers_of(made, len(part), name_of(self.embedder))
            if parts and rows.shape[1] != parts[0].shape[1]:
                raise SettingsError("The embedder made vectors of different lengths.")
            parts.append(rows)
        return numpy.concatenate(parts)

    def _scaled(self, vectors: Numbers) -> Numbers:
        import numpy

        if not self.normalize:
            return vectors
        lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: Numbers = vectors / numpy.maximum(lengths, 1e-10)
        return scaled

    def __len__(self) -> int:
        return len(self.corpus)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.corpus)} passages, k={self.k})"


class EmbeddingsWithScores(Embeddings):
    """Find passages as `Embeddings` does, and tell how near each is, as `scores`.

    Example:
        >>> find = EmbeddingsWithScores(["a", "b"], lambda texts: [[float(t == "a"), 1.0] for t in texts], k=1)
        >>> [round(score, 3) for score in find("a").scores]
        [1.0]
    """

    _tells_scores = True


def _checked(embedder: Any) -> Callable[..., Any]:
    if isinstance(embedder, str) or not callable(embedder):
        hint = f" Write `dspex.Embedder({embedder!r})`." if isinstance(embedder, str) else ""
        raise SettingsError(f"`embedder` takes a `dspex.Embedder` or a function from texts to vectors.{hint}")
    return embedder  # type: ignore[no-any-return]  # it can be called


def _name(kind: type, embedder: Any) -> str:
    model = getattr(embedder, "model", None)
    return f"{kind.__name__}({model})" if isinstance(model, str) else kind.__name__
