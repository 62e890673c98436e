"""Laws of answers as a file: a colleague runs the same without a key, and nothing but answers is in it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dspex
from dspex import _canon, _host
from dspex.errors import DspexError, LMAuthError, SettingsError
from dspex.lm import caching, exchange
from dspex.lm.caching import Cache
from dspex.lm.disk import Disk
from dspex.lm.folder import Folder
from dspex.lm.messages import Choice, Chunk, Message, Request, Response
from dspex.lm.store import Store
from dspex.testing import cassette, serving

SIGNATURE = "question -> answer"
REPLY = "[[ ## answer ## ]]\nblue\n\n[[ ## completed ## ]]"
KEY = "sk-canary-0123456789abcdef"
CANARY_PROMPT = "What is the canary's secret?"


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    yield
    caching.use(None)


def store_with(*texts: str, folder: Folder | None = None) -> Store:
    store = Store(folder)
    for text in texts:
        store.put(_canon.digest(text), Response(choices=(Choice(text=text),)))
    return store


def fresh(place: Path) -> None:
    """Put an empty cache in place, as on another machine."""
    dspex.configure_cache(disk_cache_dir=place)


def test_a_colleague_runs_the_notebook_without_a_key(tmp_path: Path):
    """With the file and neither key nor network every answer is there; without the file it is one line on the key."""
    file = tmp_path / "answers.jsonl"
    fresh(tmp_path / "mine")
    with serving(lambda messages: REPLY) as server:
        base = server.base_url
        dspex.configure(lm=dspex.LM("openai/m", api_base=base, api_key=KEY))
        assert dspex.Predict(SIGNATURE)(question=CANARY_PROMPT).answer == "blue"
        assert dspex.cache.export(file) == 1
    fresh(tmp_path / "theirs")
    dspex.configure(lm=dspex.LM("openai/m", api_base=base, num_retries=0))
    with pytest.raises(DspexError):
        dspex.Predict(SIGNATURE)(question=CANARY_PROMPT)
    assert dspex.cache.load(file) == 1
    assert dspex.Predict(SIGNATURE)(question=CANARY_PROMPT).answer == "blue"
    assert KEY not in file.read_text()
    assert CANARY_PROMPT not in file.read_text()


def test_a_missing_key_does_not_come_before_the_cache(tmp_path: Path):
    """At a provider that needs a key, what is known is answered without one, by a stream too."""
    fresh(tmp_path)
    lm = dspex.LM("openai/gpt-4o-mini", num_retries=0)
    with pytest.raises(LMAuthError):
        lm("hi")
    cached = lm._stack._cached
    assert cached is not None
    request = Request(model="openai/gpt-4o-mini", messages=(Message(role="user", content="hi"),))
    caching.active().store.add(cached.key(request), Response(choices=(Choice(text="hello"),)))
    assert lm("hi") == ["hello"]
    chunks: list[Chunk] = []
    work = lm.acomplete(request.messages, on_chunk=chunks.append)
    assert _host.portal.run(work).text == "".join(chunk.text for chunk in chunks) == "hello"


def test_only_what_was_used_is_written(tmp_path: Path):
    """A big cache gives the few answers of this notebook; others are nobody's business."""
    folder = Folder(tmp_path / "cache")
    store_with("used", "other", folder=folder).flush()
    store = Store(folder)
    store.get(_canon.digest("used"))
    store.get(_canon.digest("never kept"))
    assert exchange.export(store, tmp_path / "x.jsonl", "1") == 1
    assert "other" not in (tmp_path / "x.jsonl").read_text()


def test_the_file_changes_only_where_answers_do(tmp_path: Path):
    """Whatever the order they came in, the lines are the same, and each is JSON."""
    texts = [str(k) for k in range(50)]
    exchange.export(store_with(*texts), tmp_path / "a.jsonl", "1")
    exchange.export(store_with(*reversed(texts)), tmp_path / "b.jsonl", "1")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert len([json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]) == 51
    assert not list(tmp_path.glob("*.part"))


def test_a_key_in_an_answer_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A model that was told a key may say it again; the file does not."""
    monkeypatch.setenv("PROVIDER_API_KEY", "quite-unusual-value")
    exchange.export(store_with(f"it is {KEY} or quite-unusual-value"), tmp_path / "x.jsonl", "1")
    text = (tmp_path / "x.jsonl").read_text()
    assert "it is *** or ***" in text
    assert KEY not in text


def test_what_is_here_stays(tmp_path: Path):
    """A file replaces no answer that was paid for here, and loading it twice is harmless."""
    exchange.export(store_with("a", "b"), tmp_path / "x.jsonl", "1")
    key = _canon.digest("a")
    store = Store(Folder(tmp_path / "cache"))
    store.put(key, Response(choices=(Choice(text="mine"),)))
    assert [exchange.load(store, tmp_path / "x.jsonl", "1") for _ in range(2)] == [1, 0]
    found = store.get(key)
    assert found is not None
    assert found.text == "mine"
    assert Store(Folder(tmp_path / "cache")).get(_canon.digest("b")) is not None


@given(
    texts=st.dictionaries(
        st.text(max_size=8), st.text(st.characters(codec="utf-8"), max_size=30), max_size=6
    ),
    vectors=st.lists(st.binary(max_size=40), max_size=3),
)
def test_what_is_written_is_read_back(
    texts: dict[str, str], vectors: list[bytes], tmp_path_factory: pytest.TempPathFactory
):
    """Words and vectors come through unchanged, whatever they hold."""
    place = tmp_path_factory.mktemp("exchange") / "x.jsonl"
    answers = {_canon.digest(name): Response(choices=(Choice(text=text),)) for name, text in texts.items()}
    answers |= {_canon.digest(["v", v.hex()]): Response(choices=(), vectors=(v, v)) for v in vectors}
    mine, theirs = Store(), Store()
    for key, response in answers.items():
        mine.put(key, response)
    assert exchange.export(mine, place, "1") == len(answers)
    assert exchange.load(theirs, place, "1") == len(answers)
    for key, response in answers.items():
        found = theirs.get(key)
        assert found is not None
        assert (found.choices, found.vectors, found.cached) == (response.choices, response.vectors, True)


def lines_of(path: Path) -> list[bytes]:
    exchange.export(store_with("a", "b"), path, "1")
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [], "is no file of answers"),
        (lambda lines: lines[1:], "is no file of answers"),
        (lambda lines: [b"[" * 10**6], "is no file of answers"),
        (lambda lines: [lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]], "another|otherwise"),
        (lambda lines: [lines[0].replace(b'"keys":"1"', b'"keys":"0"'), *lines[1:]], "another|otherwise"),
        (lambda lines: [*lines[:2], lines[2][:-20]], "line 3, is no answer"),
        (
            lambda lines: [*lines, b'{"key":"a b","response":{"choices":[{"text":"x"}]}}'],
            "line 4, holds no whole",
        ),
        (lambda lines: [*lines, b'{"key":"k","response":{"choices":[]}}'], "line 4, holds no whole"),
        (
            lambda lines: [*lines, b'{"key":"k","response":{"choices":[{"finish":"length"}]}}'],
            "holds no whole",
        ),
        (lambda lines: [*lines, b"\xff\n"], "line 4, is no answer"),
        (lambda lines: [*lines, b"\x80\x04\x95pickle"], "line 4, is no answer"),
    ],
)
def test_a_file_that_is_none_adds_nothing(
    spoil: Callable[[list[bytes]], list[bytes]], words: str, tmp_path: Path
):
    """The line that is wrong is named, and not even the good ones are taken."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(spoil(lines_of(path))))
    store = Store()
    with pytest.raises(SettingsError, match=words):
        exchange.load(store, path, "1")
    assert len(store.memory) == 0


def test_where_the_folder_cannot_be_used_memory_takes_the_answers(tmp_path: Path):
    """As in a container whose home is read-only: what was said to be loaded is there."""
    exchange.export(store_with("a", "b"), tmp_path / "x.jsonl", "1")
    (tmp_path / "file").write_text("no folder")
    store = Store(Folder(tmp_path / "file"))
    assert [exchange.load(store, tmp_path / "x.jsonl", "1") for _ in range(2)] == [2, 0]
    assert store.get(_canon.digest("a")) is not None


def test_a_disk_that_fills_up_meanwhile_loses_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Memory takes them here, too."""
    exchange.export(store_with("a", "b"), tmp_path / "x.jsonl", "1")
    store = Store(Folder(tmp_path / "cache"))

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Disk, "write", full)
    assert exchange.load(store, tmp_path / "x.jsonl", "1") == 2
    assert store.get(_canon.digest("a")) is not None
    assert store.get(_canon.digest("b")) is not None


def test_places_that_cannot_be_are_named(tmp_path: Path):
    """A missing file, a missing folder, a pickle: one line each that names it."""
    store = store_with("a")
    with pytest.raises(SettingsError, match=r"none\.jsonl` cannot be read: No such file"):
        exchange.load(store, tmp_path / "none.jsonl", "1")
    with pytest.raises(SettingsError, match=r"cannot be written to .*x\.jsonl"):
        exchange.export(store, tmp_path / "no" / "x.jsonl", "1")
    for act in (exchange.export, exchange.load):
        with pytest.raises(SettingsError, match=r"use `x\.jsonl`"):
            act(store, tmp_path / "x.pkl", "1")


def test_the_file_holds_no_more_than_it_says(tmp_path: Path):
    """Key and answer, and of the answer neither cost nor that it was kept."""
    lines = lines_of(tmp_path / "x.jsonl")
    entry = msgspec.json.decode(lines[1])
    assert set(entry) == {"key", "response"}
    assert (entry["response"]["cost"], entry["response"]["cached"]) == (None, False)


@pytest.mark.parametrize("write", [lambda p: Cache(enable_disk_cache=False).export(p), lambda p: _record(p)])
def test_nothing_is_written_in_the_place_of_what_is_no_file(write: Callable[[Path], object], tmp_path: Path):
    """A pipe or a device stays what it is: a file put in the place of one harms the whole machine."""
    place = tmp_path / "pipe"
    os.mkfifo(place)
    with pytest.raises(SettingsError, match="no plain file"):
        write(place)
    assert stat.S_ISFIFO(place.stat().st_mode)


def _record(place: Path) -> None:
    with cassette(place, mode="record"):
        pass


@pytest.mark.parametrize("name", ["", "~nobody-has-this-name/x.jsonl", "a\0b.jsonl"])
def test_a_name_that_is_none_is_refused(name: str):
    """In our words, before anything is opened."""
    with pytest.raises(SettingsError):
        Cache(enable_disk_cache=False).export(name)
