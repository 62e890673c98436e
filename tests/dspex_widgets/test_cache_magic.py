"""Laws of `%dspex cache`: what it tells, what it removes, what it hands on, and one line for what cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dspex
from dspex import _clock
from dspex.lm import caching
from dspex.lm.messages import Choice, Response
from dspex.testing import FakeClock
from dspex_widgets.completion import complete
from tests.dspex_widgets.shells import Shell, a_shell


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with a_shell() as shell:
        yield shell


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path) -> Iterator[None]:
    dspex.configure_cache(disk_cache_dir=tmp_path / "cache")
    yield
    caching.use(None)


def keep(*keys: str) -> None:
    for key in keys:
        dspex.cache.store.put(key, Response(choices=(Choice(text=key * 100),)))


def test_it_says_where_and_how_many(shell: Shell, tmp_path: Path):
    """Where the answers are, how many, what they take, and how often they helped here."""
    keep("a", "b")
    dspex.cache.store.get("a")
    table = shell.value("%dspex cache")
    (folder, entries, size), (_, in_memory, _) = table.rows
    assert (folder, entries, in_memory) == (str(tmp_path / "cache" / "lm"), "2", "2")
    assert size.endswith("KB")
    assert table.note == "In this kernel: 1 found, 0 asked."


def test_where_nothing_is_kept_it_says_so(shell: Shell):
    """Both tiers off is no error."""
    dspex.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    assert "No answers are kept." in repr(shell.value("%dspex cache"))


def test_prune_removes_and_says_what(shell: Shell):
    """By age, by size or both; what is left is told."""
    clock = FakeClock()
    before = _clock.use(clock)
    try:
        keep("a", "b")
        dspex.cache.flush()
        clock.advance(40 * 86_400)
        keep("c")
        assert repr(shell.value("%dspex cache prune --keep 1GB --older 30d")).startswith("2 answers (")
        assert repr(shell.value("%dspex cache prune --older 30d")).startswith("Nothing was removed; 1 (")
        assert "; 0 (" in repr(shell.value("%dspex cache prune --keep 0"))
    finally:
        _clock.use(before)


def test_answers_go_to_a_colleague(shell: Shell, tmp_path: Path):
    """Export here, import there; the page says what to type next."""
    keep("a", "b")
    shell.ip.user_ns["path"] = str(tmp_path / "answers.jsonl")
    page = shell.value("%dspex cache export {path}")
    assert "holds the 2 answers" in repr(page)
    dspex.configure_cache(disk_cache_dir=tmp_path / "theirs")
    assert "%dspex cache import" in repr(page)
    assert repr(shell.value("%dspex cache import {path}")).startswith("2 answers of")
    assert repr(shell.value("%dspex cache import {path}")).startswith("0 answers of")
    assert dspex.cache.get({"any": 1}) is None
    assert dspex.cache.store.get("a") is not None


def test_an_export_of_nothing_is_said(shell: Shell, tmp_path: Path):
    """An empty file is written, and nobody is left to wonder."""
    shell.ip.user_ns["path"] = str(tmp_path / "answers.jsonl")
    assert "nothing was asked in this kernel yet" in repr(shell.value("%dspex cache export {path}"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("cache --code", "dspex.cache.info()"),
        (
            "cache prune --keep 1GB --older 30d --code",
            "dspex.cache.prune(keep_bytes='1GB', older_than='30d')",
        ),
        ("cache export x.jsonl --code", "dspex.cache.export('x.jsonl')"),
        ("cache import x.jsonl --code", "dspex.cache.load('x.jsonl')"),
    ],
)
def test_code_is_the_same_as_python(line: str, code: str, shell: Shell):
    """What is shown does what the line does, and nothing is done."""
    assert shell.value(f"%dspex {line}") == code
    assert not Path("x.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cache prun", "has no `prun`. Did you mean `prune`? It has: prune, export, import."),
        ("cache prune", "Say what to keep"),
        ("cache prune x.jsonl --keep 1GB", "takes no file, such as `x.jsonl`"),
        ("cache prune --keep much", "`much` cannot be read: a size is a number of bytes"),
        ("cache prune --older 3x", "`3x` cannot be read: an age is"),
        ("cache export", "needs a file: `%dspex cache export answers.jsonl`"),
        ("cache export x.jsonl --keep 1GB", "`--keep` belongs to `%dspex cache prune`"),
        ("cache --older 3d", "`--older` belongs to `%dspex cache prune`"),
        ("cache export x.pkl", "use `x.jsonl`"),
        ("cache import none.jsonl", "`none.jsonl` cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_is_one_line(line: str, words: str, shell: Shell):
    """What is wrong and what to type instead, and no answer is lost."""
    keep("a")
    assert words in shell.error(f"%dspex {line}")
    assert dspex.cache.store.get("a") is not None


def test_tab_offers_what_there_is(shell: Shell):
    """The acts after the subcommand, the options after a dash."""
    assert complete(shell.ip, " cache ")[:3] == ["prune", "export", "import"]
    assert complete(shell.ip, " cache prune --k") == ["--keep"]
