"""BM25: passages by the words they share with a query, rare words first; nothing to download and nobody to ask."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dspex import _host
from dspex.errors import DataError, SettingsError
from dspex.retrieve.found import Found
from dspex.retrieve.ranking import Numbers, best
from dspex.retrieve.retriever import Retriever

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]+"
)
"""A word; in scripts that put no space between words, each sign."""


def words_of(text: str) -> list[str]:
    """Cut a text into words, without case and marks.

    Example:
        >>> words_of("Oslo, the fjord-city; 東京")
        ['oslo', 'the', 'fjord', 'city', '東', '京']
    """
    return _WORD.findall(text.casefold())


class BM25(Retriever):
    """Find the passages that share the rarest words with a query.

    Passages that share none are left out, so there may be fewer than `k`. The index is made once, in memory: about
    a second for ten thousand pages.

    Args:
        corpus: the passages.
        k: how many to find.
        k1: how much more a passage counts that has a word again and again.
        b: how much less a long passage counts: 0 not at all, 1 in proportion.
        tokenize: cuts a text into words; lower-case words without marks by default.
        name: what events call it.
        callbacks: who is told of its calls, besides those of the settings.

    Attributes:
        corpus: the passages.

    Raises:
        DataError: the corpus is empty or holds something else than texts.
        SettingsError: a number cannot be.

    Example:
        >>> find = BM25(["Oslo is in Norway.", "Rome is in Italy.", "Norway has fjords."], k=2)
        >>> find("fjords of Norway").passages
        ['Norway has fjords.', 'Oslo is in Norway.']
    """

    def __init__(
        self,
        corpus: Iterable[str],
        k: int = 5,
        *,
        k1: float = 1.5,
        b: float = 0.75,
        tokenize: Callable[[str], Sequence[str]] = words_of,
        name: str = "bm25",
        callbacks: Iterable[Any] | None = None,
    ) -> None:
        super().__init__(None, k, name=name, callbacks=callbacks)
        numbers = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in (k1, b))
        if not (numbers and 0 <= k1 < math.inf and 0 <= b <= 1):
            raise SettingsError(f"`k1` is at least 0 and `b` between 0 and 1, not {k1!r} and {b!r}.")
        if not callable(tokenize):
            raise SettingsError(
                f"`tokenize` is a function from a text to words, not a `{type(tokenize).__name__}`."
            )
        self.corpus = corpus_of(corpus)
        self._tokenize = tokenize
        self._index(k1, b)

    def _index(self, k1: float, b: float) -> None:
        """Write down what each word adds to the score of each passage that has it."""
        import numpy

        known: dict[str, int] = {}
        words, passages, counts, lengths = array("i"), array("i"), array("f"), array("f")
        for place, text in enumerate(self.corpus):
            has = Counter(self._tokenize(text))
            for word, count in has.items():
                words.append(known.setdefault(word, len(known)))
                passages.append(place)
                counts.append(count)
            lengths.append(sum(has.values()))
        of, holders = numpy.asarray(words), numpy.asarray(passages)
        often, length = (
            numpy.asarray(counts, dtype=numpy.float64),
            numpy.asarray(lengths, dtype=numpy.float64),
        )
        order = numpy.argsort(of, kind="stable")
        of, holders, often = of[order], holders[order], often[order]
        holding = numpy.bincount(of, minlength=len(known)) if len(of) else numpy.zeros(0)
        rarity = numpy.log1p((len(self.corpus) - holding + 0.5) / (holding + 0.5))
        long = 1 - b + b * length / (length.mean() or 1.0)
        self._words = known
        self._starts = numpy.concatenate([[0], numpy.cumsum(holding)]).astype(numpy.int64)
        self._holders = holders
        self._adds = (rarity[of] * often * (k1 + 1) / (often + k1 * long[holders])).astype(numpy.float32)

    def scores(self, query: str) -> Numbers:
        """Return the score of every passage of the corpus; 0 where it shares no word.

        Example:
            >>> [round(float(score), 2) for score in BM25(["a fjord", "a city"]).scores("fjord")]
            [0.69, 0.0]
        """
        import numpy

        scores = numpy.zeros(len(self.corpus))
        for word, times in Counter(self._tokenize(query)).items():
            place = self._words.get(word)
            if place is not None:
                among = slice(self._starts[place], self._starts[place + 1])
                scores[self._holders[among]] += times * self._adds[among]
        return scores

    async def _search(self, query: str, k: int, options: Mapping[str, Any]) -> list[Found]:
        return await _host.in_worker(self._rank, query, k)

    def _rank(self, query: str, k: int) -> list[Found]:
        scores = self.scores(query)
        places = [place for place in best(scores, k) if scores[place] > 0]
        return [Found(text=self.corpus[p], index=p, score=float(scores[p])) for p in places]

    def __len__(self) -> int:
        return len(self.corpus)

    def __repr__(self) -> str:
        return f"BM25({len(self.corpus)} passages, k={self.k})"


def corpus_of(given: Iterable[str]) -> list[str]:
    """Return passages as a list.

    Raises:
        DataError: there are none, or one is no text.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise DataError(f"A corpus is a list of texts, not a `{type(given).__name__}`.")
    corpus = list(given)
    wrong = next((place for place, text in enumerate(corpus) if not isinstance(text, str)), None)
    if wrong is not None:
        raise DataError(f"Passage {wrong} of the corpus is a `{type(corpus[wrong]).__name__}`, not a text.")
    if not corpus:
        raise DataError("The corpus is empty: there is nothing to find.")
    return corpus
