"""KNN: the nearest training examples, whatever makes the vectors."""

from __future__ import annotations

import numpy as np
import pytest

import dspex
from dspex.errors import DataError, SettingsError

ROWS = [dspex.Example(word=word, kind="x").with_inputs("word") for word in ("aaa", "b", "aab", "bb")]


def counts(texts: list[str]) -> list[list[int]]:
    """Return how many a and b each text has, without its field names."""
    return [[text.partition(": ")[2].count("a"), text.partition(": ")[2].count("b")] for text in texts]


def test_the_nearest_come_first_and_ties_keep_their_order() -> None:
    """Nearness is the dot product."""
    knn = dspex.KNN(k=2, trainset=ROWS, vectorizer=counts)
    assert [row.word for row in knn(word="a")] == ["aaa", "aab"]
    assert [row.word for row in dspex.KNN(3, ROWS, counts)(word="c")] == ["aaa", "b", "aab"]
    assert (knn.k, knn.trainset_vectors.shape) == (2, (4, 2))


def test_the_vectorizer_sees_inputs_alone() -> None:
    """Labels would not be there when the program is asked."""
    seen: list[str] = []

    def vectorizer(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.ones((len(texts), 2))

    two = dspex.Example(q="x", n=1, a="y").with_inputs("q", "n")
    dspex.KNN(1, [two], vectorizer)(q="z", n=2)
    assert seen == ["q: x | n: 1", "q: z | n: 2"]


@pytest.mark.parametrize(
    ("k", "rows", "vectorizer", "error"),
    [
        (0, ROWS, counts, SettingsError),
        (1, [], counts, DataError),
        (1, [dspex.Example(word="x")], counts, DataError),
        (1, ROWS, lambda texts: [1.0], SettingsError),
        (1, ROWS, lambda texts: [["x"] for _ in texts], SettingsError),
    ],
)
def test_what_cannot_be_is_refused_at_once(k, rows, vectorizer, error) -> None:
    """A wrong vectorizer is an error where it is written."""
    with pytest.raises(error):
        dspex.KNN(k, rows, vectorizer)


def test_vectors_of_another_length_are_refused() -> None:
    """A vectorizer that changes its mind is no vectorizer."""
    lengths = iter([2, 3])
    knn = dspex.KNN(1, ROWS, lambda texts: [[0.0] * n for n in [next(lengths)] for _ in texts])
    with pytest.raises(SettingsError, match="a vector of 3 numbers"):
        knn(word="a")
