"""KNN: the training examples most like an input, by the vectors of their texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dspex.data.example import Example
from dspex.errors import DataError, SettingsError

Vectorizer = Callable[[list[str]], Any]


class KNN:
    """Find the `k` training examples nearest to an input.

    Args:
        k: how many.
        trainset: examples that say which of their fields are inputs.
        vectorizer: makes vectors of texts: any function from a list of texts to as many vectors, such as a
            `dspex.Embedder`. Nearness is the vectors' dot product.

    Attributes:
        trainset_vectors: one row for each training example.

    Raises:
        DataError: there are no examples, or one does not say which of its fields are inputs.
        SettingsError: the vectorizer returns something else than one vector for each text.

    Example:
        >>> rows = [Example(word=word).with_inputs("word") for word in ("pear", "saw", "peach")]
        >>> nearest = KNN(k=2, trainset=rows, vectorizer=lambda texts: [[t.count("e"), t.count("w")] for t in texts])
        >>> [row.word for row in nearest(word="here")]
        ['pear', 'peach']
    """

    def __init__(self, k: int, trainset: Sequence[Example], vectorizer: Vectorizer) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise SettingsError(f"`k` takes a whole number of at least 1, not `{k!r}`.")
        self.k = k
        self.trainset = list(trainset)
        if not self.trainset:
            raise DataError("`trainset` is empty: there is nothing to be near to.")
        self.embedding = vectorizer
        self.trainset_vectors = _vectors(vectorizer, [_text(row.inputs().items()) for row in self.trainset])

    def __call__(self, **inputs: Any) -> list[Example]:
        """Return the nearest examples, the nearest first; of equally near ones the earlier first."""
        vector = _vectors(self.embedding, [_text(inputs.items())])[0]
        if len(vector) != self.trainset_vectors.shape[1]:
            raise SettingsError(
                f"The vectorizer made a vector of {len(vector)} numbers; those of the trainset have "
                f"{self.trainset_vectors.shape[1]}."
            )
        scores = self.trainset_vectors @ vector
        order = (-scores).argsort(kind="stable")[: self.k]
        return [self.trainset[int(index)] for index in order]

    def __deepcopy__(self, memo: object) -> KNN:
        # Never changed once made; a program that holds it is copied many times while it is optimized.
        return self


def _text(fields: Any) -> str:
    return " | ".join(
        f"{name}: {value}" for name, value in (fields.items() if isinstance(fields, Mapping) else fields)
    )


def _vectors(vectorizer: Vectorizer, texts: list[str]) -> Any:
    import numpy as np  # comes with pandas, and takes a while to load

    try:
        vectors = np.asarray(vectorizer(texts), dtype=np.float32)
    except (TypeError, ValueError) as exc:
        raise SettingsError(f"The vectorizer must return numbers, one vector for each text: {exc}") from exc
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise SettingsError(
            f"The vectorizer must return one vector for each text; for {len(texts)} it returned the shape {vectors.shape}."
        )
    return vectors
