"""Splitting what stands after `%dspex`: Python expressions survive it, whatever brackets and quotes they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import UsageError
from dspex_widgets.tokens import scan, split, unquote

LITERALS = st.recursive(
    st.integers() | st.booleans() | st.none() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers(), min_size=1).map(set)
    ),
    max_leaves=6,
)
BLANKS = st.text(alphabet=" \t", min_size=1, max_size=3) | st.just(" \\\n ") | st.just("\n")
COMMENTS = st.just("") | st.text(alphabet=st.characters(exclude_characters="\n")).map(
    lambda text: f" # {text}"
)


@given(words=st.lists(LITERALS.map(repr), max_size=5), blank=BLANKS, comment=COMMENTS)
def test_literals_come_back_word_by_word(words: list[str], blank: str, comment: str):
    """Python literals, parted by any white space and followed by any comment, are the words they were."""
    assert split(blank.join(words) + comment) == (words, False)


@given(words=st.lists(LITERALS.map(repr), min_size=1, max_size=4), comment=COMMENTS)
def test_semicolon_at_the_end_asks_for_silence_and_is_no_part_of_a_word(words: list[str], comment: str):
    """A trailing `;`, glued on or apart, with or without a comment, is taken off; one inside quotes stays."""
    assert split(" ".join(words) + ";" + comment) == (words, True)
    assert split(" ".join(words) + " ;" + comment) == (words, True)


@given(text=st.text() | st.text(alphabet="ab'\"([{}])#;\\\n -="))
def test_whatever_is_typed_is_split_or_refused_in_one_line(text: str):
    """Any text gives words that split again to themselves, or one error that says what is open."""
    found = scan(text)
    if found.open or found.stray:
        with pytest.raises(UsageError) as caught:
            split(text)
        assert "\n" not in str(caught.value)
        return
    words, silent = split(text)
    assert (words, silent) == (list(found.words), found.silent)
    assert all(words)
    assert split(" ".join(words)) == (words, False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            'eval program --metric exact("a team")  # it\'s late',
            ["eval", "program", "--metric", 'exact("a team")'],
        ),
        ("--data train[: 50]", ["--data", "train[: 50]"]),
        ("--metric (lambda e, p: e.x == p.x)", ["--metric", "(lambda e, p: e.x == p.x)"]),
        ('-o note="a b"', ["-o", 'note="a b"']),
        ("--name run#3", ["--name", "run#3"]),
        ("--html C:\\new\\x.html", ["--html", "C:\\new\\x.html"]),
        ("f(1, # first\n 2)", ["f(1,   2)"]),
        ('"""a\n"b"""', ['"""a\n"b"""']),
        ("", []),
        (" # nothing", []),
    ],
)
def test_words_are_what_a_person_means(line: str, words: list[str]):
    """White space parts words outside of brackets and quotes only; comments and continuations vanish."""
    assert split(line) == (words, False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lm it's", "The quote `'` is never closed in `lm it's`."),
        ("eval p --data val[", "The bracket `[` is never closed in `eval p --data val[`."),
        ("eval p) --data val", "The bracket `)` closes nothing in `eval p) --data val`."),
        ("eval f(a]", "The bracket `(` is never closed in `eval f(a]`."),
    ],
)
def test_open_ends_are_named(line: str, message: str):
    """What is not closed, or closes nothing, is told in one line."""
    with pytest.raises(UsageError) as caught:
        split(line)
    assert str(caught.value) == message


@given(text=st.text())
def test_a_quoted_word_says_its_text(text: str):
    """Quotes round a file's or a run's name are taken off, all else stays."""
    assert unquote(repr(text)) == text
    assert unquote(f"x{text}") == f"x{text}"
