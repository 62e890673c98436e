"""Laws of BM25: the formula, to the last passage, and what a person expects of a search by words."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dspex
from dspex.errors import DataError, SettingsError
from dspex.retrieve import BM25
from dspex.retrieve.bm25 import words_of

WORDS = st.lists(st.sampled_from("oslo rome fjord city river snow wine".split()), max_size=12).map(" ".join)
CORPUS = st.lists(WORDS, min_size=1, max_size=12)


def by_the_formula(corpus: list[str], query: str, k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Score every passage as the formula is printed, one at a time."""
    rows = [Counter(text.split()) for text in corpus]
    mean = sum(sum(row.values()) for row in rows) / len(rows) or 1.0
    scores = []
    for row in rows:
        score = 0.0
        for word in query.split():
            holding = sum(word in other for other in rows)
            rarity = math.log(1 + (len(rows) - holding + 0.5) / (holding + 0.5))
            long = 1 - b + b * sum(row.values()) / mean
            score += rarity * row[word] * (k1 + 1) / (row[word] + k1 * long) if row[word] else 0.0
        scores.append(score)
    return scores


@given(CORPUS, WORDS)
def test_the_scores_are_the_formulas(corpus: list[str], query: str) -> None:
    """The index gives what the formula gives, passage by passage."""
    assert BM25(corpus).scores(query).tolist() == pytest.approx(by_the_formula(corpus, query), abs=1e-5)


@given(CORPUS, st.integers(0, 30), WORDS)
def test_who_holds_a_unique_word_comes_first(corpus: list[str], place: int, text: str) -> None:
    """A passage with the one word of the query that no other has is found first."""
    place %= len(corpus) + 1
    corpus = [*corpus[:place], f"{text} unheard", *corpus[place:]]
    found = BM25(corpus, k=3)("unheard")
    assert found.indices == [place]
    assert found.passages == [corpus[place]]


@given(CORPUS, WORDS, st.integers(1, 15))
def test_the_best_come_first_and_equals_keep_their_order(corpus: list[str], query: str, k: int) -> None:
    """As many as asked for, by falling score, those without a shared word left out."""
    search = BM25(corpus, k=k)
    scores = search.scores(query)
    order = sorted((p for p in range(len(corpus)) if scores[p] > 0), key=lambda p: (-scores[p], p))
    found = search(query)
    assert found.passages == [corpus[p] for p in order[:k]]
    assert found.get("indices", []) == order[:k]


def test_a_known_ranking() -> None:
    """Rare words beat common ones, short passages long ones, and repetition helps, but less and less."""
    corpus = [
        "The fox is quick.",
        "The dog is lazy.",
        "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
        "Fox, fox, fox!",
    ]
    search = BM25(corpus, k=4)
    assert search("fox").indices == [3, 0, 2]
    assert search("lazy dog").indices == [1, 2]
    assert search("jumps the").indices[0] == 2
    assert search("FOX?", k=1).passages == ["Fox, fox, fox!"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Straße, STRASSE", ["strasse", "strasse"]),
        ("don't e-mail snake_case", ["don", "t", "e", "mail", "snake", "case"]),
        ("東京タワー 2026", ["東", "京", "タ", "ワ", "ー", "2026"]),
        ("naïve Ωmega", ["naïve", "ωmega"]),
        ("\ud83d !?", []),
        ("", []),
    ],
)
def test_words_are_cut_the_same_in_every_script(text: str, words: list[str]) -> None:
    """Case and marks make no difference; where no space parts words, each sign is one."""
    assert words_of(text) == words


def test_a_cutter_of_ones_own() -> None:
    """`tokenize` decides what a word is, for passages and queries alike."""
    search = BM25(["a-b", "b-c"], k=1, tokenize=lambda text: text.split("-"))
    assert search("c").passages == ["b-c"]


def test_nothing_shared_is_nothing_found() -> None:
    """No passage is better than a wrong one."""
    assert BM25(["a", "b"])("c").passages == []
    assert BM25(["!", "?"])("a").passages == []


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: BM25([]), DataError, "empty"),
        (lambda: BM25("a text"), DataError, "a list of texts, not a `str`"),
        (lambda: BM25(["a", 3]), DataError, "Passage 1 of the corpus is a `int`"),
        (lambda: BM25(["a"], k=0), SettingsError, "`k` takes a whole number"),
        (lambda: BM25(["a"], b=2), SettingsError, "between 0 and 1"),
        (lambda: BM25(["a"])("a", k=True), SettingsError, "`k` takes a whole number"),
        (lambda: BM25(["a"])(["a"]), DataError, "A query is a text"),
    ],
)
def test_what_cannot_be_is_refused_at_once(make: Any, error: type[Exception], what: str) -> None:
    """A wrong word is one line."""
    with pytest.raises(error, match=what):
        make()


async def test_it_is_asked_as_a_coroutine_too() -> None:
    """The same passages, and copies of a program share the one index."""
    search = BM25(["Oslo fjord", "Rome"], k=1)
    assert (await search.acall("fjord")).passages == ["Oslo fjord"]

    class Program(dspex.Module):
        def __init__(self) -> None:
            self.search = search

        def forward(self, question: str) -> Any:
            return self.search(question)

    copy = Program().deepcopy()
    assert copy.search is search
    assert copy(question="fjord").passages == ["Oslo fjord"]
    assert (len(search), repr(search)) == (2, "BM25(2 passages, k=1)")
