"""Laws of the vector search: exact, the same as DSPy's, and saved in files that no stranger can turn into code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dspex.errors import DataError, SettingsError
from dspex.events.event import AnyEvent, LMEnd
from dspex.retrieve import Embedder, Embeddings, EmbeddingsWithScores
from dspex.retrieve.index_file import CONFIG, VECTORS, read_index
from dspex.retrieve.ranking import best
from dspex.testing.server import serving

CORPUS = ["Oslo is in Norway.", "Rome is in Italy.", "Norway has fjords.", "Wine grows in Italy."]


def letters(texts: list[str]) -> list[list[float]]:
    """Return how often each of a few letters is in a text."""
    return [[float(text.count(letter)) + 0.1 for letter in "Oaenyrw"] for text in texts]


@given(arrays.arrays(np.float32, st.integers(1, 40), elements=st.sampled_from([0.0, 0.5, 1.0, -1.0])), st.integers(1, 45))  # fmt: skip
def test_the_best_are_those_a_full_sort_finds(scores: np.ndarray, k: int) -> None:
    """The quick choice is the slow one's, with equal scores in the order of the corpus."""
    assert best(scores, k) == sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:k]


def test_it_finds_what_dspy_finds(tmp_path: Path) -> None:
    """Same passages, indices and scores; each reads the other's files."""
    import dspy

    corpus = [f"{word} {other}" for word in "Oslo Rome Norway wine year".split() for other in CORPUS]
    theirs = dspy.retrievers.EmbeddingsWithScores(corpus, lambda texts: np.array(letters(texts)), k=4)
    ours = EmbeddingsWithScores(corpus, letters, k=4)
    for query in ("wine in Rome", "a year in Oslo", "yarn"):
        their, our = theirs(query), ours(query)
        assert our.scores == pytest.approx(their.scores, abs=1e-6)
        assert set(our.passages[:1]) <= set(their.passages)
    theirs.save(str(tmp_path / "theirs"))
    ours.save(tmp_path / "ours")
    read = EmbeddingsWithScores.from_saved(tmp_path / "theirs", letters)
    assert read("wine").indices == ours("wine").indices
    back = dspy.retrievers.Embeddings.from_saved(str(tmp_path / "ours"), lambda t: np.array(letters(t)))
    assert back("wine").passages[0] == ours("wine").passages[0]


def test_scores_are_told_where_asked_for() -> None:
    """`Embeddings` gives passages and indices, `EmbeddingsWithScores` how near each is too."""
    plain, scored = Embeddings(CORPUS, letters, k=2), EmbeddingsWithScores(CORPUS, letters, k=2)
    assert list(plain("Norway").keys()) == ["passages", "indices"]
    assert list(scored("Norway").keys()) == ["passages", "indices", "scores"]
    assert scored(CORPUS[1]).scores[0] == pytest.approx(1.0)
    assert (len(plain), repr(plain)) == (4, "Embeddings(4 passages, k=2)")


def test_length_counts_only_where_asked_for() -> None:
    """Without `normalize` the dot product decides, and a long vector wins."""
    vectors = {"short": [1.0, 0.0], "long": [3.0, 3.0], "q": [1.0, 0.0]}

    def embed(texts: list[str]) -> list[list[float]]:
        return [vectors[text] for text in texts]

    assert Embeddings(["short", "long"], embed, k=1)("q").passages == ["short"]
    assert Embeddings(["short", "long"], embed, k=1, normalize=False)("q").passages == ["long"]


async def test_a_query_is_two_calls_and_one_of_them_free(happened: Callable[[], list[AnyEvent]]) -> None:
    """The search and the query's vector are told apart; the same query again asks nobody."""
    with serving() as server:
        embedder = Embedder("openai/text-embedding-3-small", api_base=server.base_url)
        find = Embeddings(CORPUS, embedder, k=1)
        assert (await find.acall("fjords")).passages == ["Norway has fjords."]
        assert find("fjords").passages == ["Norway has fjords."]
        assert server.hits == 2
    ends = [(event.role, event.cached) for event in happened() if isinstance(event, LMEnd)]
    assert ends == [
        ("embedding", False), ("embedding", False), ("retrieval", False), ("embedding", True), ("retrieval", False),
    ]  # fmt: skip


def test_saved_and_read_again_nothing_is_embedded(tmp_path: Path) -> None:
    """The passages' vectors come from the file; a second save replaces the first."""
    asked: list[int] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.append(len(texts))
        return letters(texts)

    Embeddings(CORPUS[:2], embed).save(tmp_path)
    find = EmbeddingsWithScores(CORPUS, embed, k=3, normalize=False)
    find.save(tmp_path)
    del asked[:]
    read = EmbeddingsWithScores.from_saved(tmp_path, embed)
    assert asked == []
    assert (read.k, read.normalize, read.corpus) == (3, False, CORPUS)
    assert read("wine") == find("wine")
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG, VECTORS]
    assert Embeddings(["x"], embed).load(tmp_path, embed).corpus == CORPUS


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (self.place,)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def saved(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


GOOD = {"k": 1, "normalize": True, "corpus": ["a", "b"]}
VECTORS_OF_GOOD = saved(np.ones((2, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("config", "vectors"),
    [
        ({**GOOD, "k": 0}, VECTORS_OF_GOOD),
        ({**GOOD, "k": "1"}, VECTORS_OF_GOOD),
        ({**GOOD, "corpus": ["a"]}, VECTORS_OF_GOOD),
        ({**GOOD, "corpus": ["a", 3]}, VECTORS_OF_GOOD),
        ({"k": 1}, VECTORS_OF_GOOD),
        ([], VECTORS_OF_GOOD),
        (GOOD, b""),
        (GOOD, b"not numbers"),
        (GOOD, VECTORS_OF_GOOD[:-4]),
        (GOOD, saved(np.ones(2, dtype=np.float32))),
        (GOOD, saved(np.ones((2, 3), dtype=np.int64))),
        (GOOD, saved(np.full((2, 3), np.nan, dtype=np.float32))),
        (GOOD, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 999999999999)}")),
        (GOOD, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}", b"0" * 24)),
        (GOOD, npy("__import__('os').mkdir('/tmp/never')", b"0" * 24)),
        (GOOD, npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3)}", b"0" * 24)),
        (GOOD, npy("(" * 5000)),
    ],
)
def test_a_file_that_is_no_index_is_one_error(tmp_path: Path, config: Any, vectors: bytes) -> None:
    """Wrong, cut, overlarge or forged: nothing is taken over, and the message says which file."""
    (tmp_path / CONFIG).write_text(json.dumps(config))
    (tmp_path / VECTORS).write_bytes(vectors)
    find = Embeddings(["kept"], letters)
    with pytest.raises(DataError, match=r"index|numbers"):
        find.load(tmp_path, letters)
    assert find("kept").passages == ["kept"]


@pytest.mark.parametrize("form", ["pickle", "objects", "zip"])
def test_nothing_in_a_file_runs(tmp_path: Path, form: str) -> None:
    """A pickle under any of its cloaks is refused unread."""
    trap = _Trap(str(tmp_path / "sprung"))
    if form == "pickle":
        content = pickle.dumps(trap)
    elif form == "objects":
        content = saved(np.array([[trap]], dtype=object), allow_pickle=True)
    else:
        file = io.BytesIO()
        np.savez(file, a=np.array([trap], dtype=object))
        content = file.getvalue()
    (tmp_path / CONFIG).write_text(json.dumps({**GOOD, "corpus": ["a"]}))
    (tmp_path / VECTORS).write_bytes(content)
    with pytest.raises(DataError):
        Embeddings.from_saved(tmp_path, letters)
    assert not (tmp_path / "sprung").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@given(st.binary(max_size=300), st.integers(0, 150))
def test_no_bytes_break_the_reader(folder: Path, noise: bytes, at: int) -> None:
    """Whatever is written over a good file, it is read or refused."""
    (folder / CONFIG).write_text(json.dumps(GOOD))
    (folder / VECTORS).write_bytes(VECTORS_OF_GOOD[:at] + noise + VECTORS_OF_GOOD[at + len(noise) :])
    with contextlib.suppress(DataError):
        assert read_index(folder).vectors.shape[0] == 2


@given(arrays.arrays(st.sampled_from([np.float16, np.float32, np.float64]), st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-10, 10, width=16)), st.booleans())  # fmt: skip
def test_every_matrix_that_numpy_writes_is_read(folder: Path, matrix: np.ndarray, fortran: bool) -> None:
    """Any size of float, rows first or columns first, comes back as it was."""
    (folder / CONFIG).write_text(json.dumps({**GOOD, "corpus": ["x"] * len(matrix)}))
    (folder / VECTORS).write_bytes(saved(np.asfortranarray(matrix) if fortran else matrix))
    assert np.array_equal(read_index(folder).vectors, matrix)


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    """A folder without an index, and no folder at all."""
    with pytest.raises(DataError, match=r"is no saved index: there is no file `config.json`"):
        Embeddings.from_saved(tmp_path / "nowhere", letters)


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: Embeddings([], letters), DataError, "empty"),
        (lambda: Embeddings("text", letters), DataError, "a list of texts"),
        (lambda: Embeddings(["a"], "openai/x"), SettingsError, r"Write `dspex.Embedder\('openai/x'\)`"),
        (lambda: Embeddings(["a"], letters, cache=True), SettingsError, "the embedder keeps"),
        (lambda: Embeddings(["a", "b"], lambda texts: [[1.0]]), SettingsError, "for 2 it returned"),
        (lambda: Embeddings(["a"], lambda texts: [[float("inf")]]), SettingsError, "finite"),
        (lambda: Embeddings(["a"], lambda t: [[1.0] * len(t[0])])("bb"), SettingsError, "Use the embedder that made"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make: Callable[[], Any], error: type[Exception], what: str) -> None:
    """A wrong word is one line that says what to do."""
    with pytest.raises(error, match=what):
        make()
