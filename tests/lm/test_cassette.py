"""Laws of cassettes: what was answered once is played again, by whoever asks, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import dspex
from dspex import _host
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    SettingsError,
    UsageError,
)
from dspex.lm import store as stores
from dspex.lm.cassette import active, around
from dspex.lm.messages import Call, Choice, Chunk, Message, Request, Response
from dspex.lm.store import Store
from dspex.testing import Scripted, cassette, serving

KEY = "sk-canary-0123456789abcdef"


def asking(text: str = "hi", **parts: object) -> Request:
    return Request(model="openai/m", messages=(Message(role="user", content=text),), **parts)  # type: ignore[arg-type]


def nobody() -> Scripted:
    """Return a transport that fails the test when it is asked."""
    return Scripted()


async def said(*lines: object, texts: tuple[str, ...] = ("hi",)) -> list[str]:
    """Return what a taped transport with this script answers to these questions, in order."""
    taped = around(Scripted(*lines))  # type: ignore[arg-type]
    return [(await taped.send(asking(text))).text for text in texts]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_what_was_recorded_is_played(tmp_path: Path):
    """The second time nobody is asked, and the answer is the same to the last part."""
    whole = Response(
        choices=(Choice(text="blue", reasoning="sky", calls=(Call(id="1", name="f"),)),), model="m", cost=0.25
    )
    vectors = Response(choices=(), vectors=(b"\x00\xff\x80\x3f",))
    path = tmp_path / "x.jsonl"
    with cassette(path) as tape:
        taped = around(Scripted(whole, vectors))
        await taped.send(asking())
        await taped.send(asking(inputs=("a",)))
        assert repr(tape) == "<Cassette x.jsonl: 0 played, 2 recorded>"
    with cassette(path, mode="replay") as tape:
        taped = around(nobody())
        assert [await taped.send(asking()), await taped.send(asking(inputs=("a",)))] == [whole, vectors]
        assert repr(tape) == "<Cassette x.jsonl: 2 played, 0 recorded>"


async def test_without_a_cassette_a_taped_transport_is_itself(tmp_path: Path):
    """Before and after the block everything goes to the provider, and `waits` is told as it is."""
    assert active() is None
    script = Scripted("a", "b", "c")
    taped = around(script)
    await taped.send(asking())
    with cassette(tmp_path / "x.jsonl"):
        await taped.send(asking())
    await taped.send(asking())
    assert len(script.requests) == 3
    assert active() is None
    assert taped.waits is script.waits is False


async def test_auto_records_only_what_is_new(tmp_path: Path):
    """A test that grows asks for the new part alone; the old lines stay as they are."""
    path = tmp_path / "x.jsonl"
    with cassette(path):
        assert await said("1", texts=("a",)) == ["1"]
    before = path.read_bytes()
    with cassette(path):
        assert await said("2", texts=("a", "b", "a")[:2]) == ["1", "2"]
    assert path.read_bytes().startswith(before)
    with cassette(path, mode="replay"):
        assert await said(texts=("b", "a")) == ["2", "1"]


async def test_an_equal_request_gets_its_answers_in_order(tmp_path: Path):
    """Asked three times, recorded three times; played in that order, and the last one again after it."""
    path = tmp_path / "x.jsonl"
    with cassette(path):
        assert await said("1", "2", "3", texts=("a",) * 3) == ["1", "2", "3"]
    with cassette(path, mode="replay"):
        assert await said(texts=("a",) * 4) == ["1", "2", "3", "3"]
    with cassette(path):
        assert await said("4", texts=("a",) * 4) == ["1", "2", "3", "4"]


async def test_replay_never_asks_and_says_what_is_missing(tmp_path: Path):
    """One line: which file, what was asked, where it differs from what is there, and what to do."""
    path = tmp_path / "x.jsonl"
    with cassette(path):
        await around(Scripted("1")).send(asking("Which colour?", temperature=0.5))
    with cassette(path, mode="replay"), pytest.raises(UsageError) as caught:
        await around(nobody()).send(asking("Which colour?", temperature=0.7))
    text = str(caught.value)
    assert "`x.jsonl` holds no answer of `openai/m` to 'Which colour?'." in text
    assert "differs in `temperature`." in text
    assert 'mode="auto"' in text


async def test_record_begins_anew_where_the_block_ends_well(tmp_path: Path):
    """A recording that breaks off leaves the old one; a whole one takes its place, also an empty one."""
    path = tmp_path / "x.jsonl"
    with cassette(path):
        await said("old")
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), cassette(path, mode="record"):
        await said(ZeroDivisionError())
    assert path.read_bytes() == before
    with cassette(path, mode="record"):
        assert await said("new", "newer", texts=("hi", "hi")) == ["new", "newer"]
    with cassette(path, mode="replay"):
        assert await said() == ["new"]
    with cassette(path, mode="record"):
        pass
    with cassette(path, mode="replay"), pytest.raises(UsageError, match="no answer"):
        await said()
    assert names(tmp_path) == ["x.jsonl"]


@pytest.mark.parametrize("kind", [LMInvalidRequestError, ContextWindowExceededError])
async def test_a_refusal_of_the_request_is_played_too(kind: type[LMInvalidRequestError], tmp_path: Path):
    """Programs go another way on a refusal; so they do when it is played."""
    path = tmp_path / "x.jsonl"
    error = kind("too long for us", model="openai/m", provider="openai", status=400)
    with cassette(path), pytest.raises(kind):
        await said(error)
    with cassette(path, mode="replay"), pytest.raises(kind) as caught:
        await said()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.status, caught.value.provider, caught.value.model) == (
        "too long for us", 400, "openai", "openai/m",
    )  # fmt: skip


@pytest.mark.parametrize("error", [LMRateLimitError("slow"), LMServerError("down"), LMAuthError("no key")])
async def test_the_weather_is_not_recorded(error: Exception, tmp_path: Path):
    """That a provider was busy, or my key wrong, says nothing about the request."""
    path = tmp_path / "x.jsonl"
    with cassette(path) as tape:
        taped = around(Scripted(error, "fine"))  # type: ignore[arg-type]
        with pytest.raises(type(error)):
            await taped.send(asking())
        assert (await taped.send(asking())).text == "fine"
        assert tape.recorded == 1
    with cassette(path, mode="replay"):
        assert await said() == ["fine"]


async def test_a_stream_is_played_in_pieces(tmp_path: Path):
    """Whoever shows words as they come sees them come, whether it was recorded as a stream or not."""
    path = tmp_path / "x.jsonl"
    choice = Choice(text="blue as the sky ", reasoning="I think", finish="stop")
    with cassette(path):
        recorded: list[Chunk] = []
        await around(Scripted(choice)).stream(asking(), recorded.append)
    with cassette(path, mode="replay"):
        played: list[Chunk] = []
        response = await around(nobody()).stream(asking(), played.append)
    for chunks in (recorded, played):
        assert "".join(chunk.text for chunk in chunks) == choice.text == response.text
        assert "".join(chunk.reasoning for chunk in chunks) == choice.reasoning
    assert len(played) > 3
    assert played[-1].finish == "stop"


async def test_no_key_is_in_the_file(tmp_path: Path):
    """Neither from a question nor from an answer; the question is known again all the same."""
    path = tmp_path / "x.jsonl"
    with cassette(path):
        await said(f"yours is {KEY}", texts=(f"my key is {KEY}",))
    assert KEY not in path.read_text()
    with cassette(path, mode="replay"):
        assert await said(texts=(f"my key is {KEY}",)) == ["yours is ***"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_program_is_recorded_and_played_without_a_provider(stream: bool, tmp_path: Path):
    """The whole stack over a real socket; then the server is gone and the key with it, and all is as it was."""
    path = tmp_path / "x.jsonl"
    pieces: list[list[Chunk]] = []

    def run(lm: dspex.LM) -> str:
        pieces.append([])
        taker = pieces[-1].append if stream else None
        messages = (Message(role="user", content="Which colour?"),)
        return _host.portal.run(lm.acomplete(messages, on_chunk=taker)).text

    with serving(lambda messages: "blue as the sky") as server:
        base = server.base_url
        with cassette(path) as tape:
            assert run(dspex.LM("openai/m", api_base=base, api_key=KEY)) == "blue as the sky"
            assert (tape.recorded, len(server.headers)) == (1, 1)
    with cassette(path, mode="replay") as tape:
        assert run(dspex.LM("openai/m", api_base=base, num_retries=0)) == "blue as the sky"
        assert repr(tape) == "<Cassette x.jsonl: 1 played, 0 recorded>"
    assert KEY not in path.read_text()
    if stream:
        assert all("".join(chunk.text for chunk in told) == "blue as the sky" for told in pieces)
        assert len(pieces[1]) > 2


def test_the_cache_is_set_aside(tmp_path: Path):
    """What the cache knows is recorded all the same, and nothing of the block stays in it."""
    path = tmp_path / "x.jsonl"
    script = Scripted("1", "2")
    lm = dspex.LM("openai/m", transport=script, cache=True)
    assert lm("a test of cassettes") == ["1"]
    usual = stores.default_store()
    with cassette(path) as tape:
        assert [lm("a test of cassettes"), lm("a test of cassettes")] == [["2"], ["2"]]
        assert tape.recorded == 1
        assert stores.default_store() is not usual
    assert stores.default_store() is usual
    assert lm("a test of cassettes") == ["1"]


def test_a_cache_configured_inside_stays(tmp_path: Path):
    """What a user puts in place in the block is not taken away at its end."""
    mine = Store()
    before = stores.replaced
    with cassette(tmp_path / "x.jsonl"):
        stores.replaced = mine
    assert stores.replaced is mine
    stores.replaced = before


async def test_the_innermost_cassette_is_asked(tmp_path: Path):
    """A fixture's cassette and a test's own do not mix."""
    with cassette(tmp_path / "outer.jsonl") as outer:
        with cassette(tmp_path / "inner.jsonl") as inner:
            await said("1")
        assert (outer.recorded, inner.recorded) == (0, 1)
        await said("2")
        assert outer.recorded == 1


async def test_a_line_cut_off_by_a_crash_is_written_over(tmp_path: Path):
    """Whoever was killed while recording goes on where it was; a missing last line end is mended."""
    path = tmp_path / "x.jsonl"
    with cassette(path):
        await said("1", "2", texts=("a", "b"))
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 30):
        path.write_bytes(whole[:cut])
        with cassette(path) as tape:
            assert await said("2", texts=("a", "b")) == ["1", "2"]
            await said("3", texts=("c",))
            assert tape.recorded == (1 if cut == len(whole) - 1 else 2)
        assert [json.loads(line)["response"]["choices"][0]["text"] for line in path.read_text().splitlines()[1:]] == [
            "1", "2", "3",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda path: path.write_text("{}\n"), "line 1, is no line of a cassette"),
        (
            lambda path: path.write_text('{"format":"dspex cassette","version":9}\n'),
            'record it anew with mode="record"',
        ),
        (
            lambda path: path.write_text('{"format":"dspex cassette","version":1}\n{"a":\n'),
            "line 2, is no line",
        ),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_named(act: Callable[[Path], object], words: str, tmp_path: Path):
    """The file, its line and what to do, before anything is asked."""
    path = tmp_path / "x.jsonl"
    act(path)
    with pytest.raises(SettingsError, match=words), cassette(path):
        pytest.fail("the block must not begin")
    assert active() is None


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    """Before the answer is lost in silence: the file, and why; folders that are missing are made."""
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "x.jsonl"
    with pytest.raises(SettingsError, match=r"x\.jsonl` cannot be read"), cassette(place):
        pass
    with pytest.raises(SettingsError, match=r"x\.jsonl` cannot be written"), cassette(place, mode="record"):
        await said("1")
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(SettingsError, match="cannot be written"),
        cassette(tmp_path / "folder", mode="record"),
    ):
        await said("1")
    assert active() is None
    with cassette(tmp_path / "new" / "deep" / "x.jsonl") as tape:
        await said("1")
        assert tape.path.exists()


def test_other_words_are_refused(tmp_path: Path):
    """A mode that is none, a replay of nothing, a pickle."""
    with (
        pytest.raises(SettingsError, match="there are auto, record, replay"),
        cassette("x.jsonl", mode="play"),
    ):  # type: ignore[arg-type]
        pass
    with (
        pytest.raises(SettingsError, match="There is no cassette"),
        cassette(tmp_path / "x.jsonl", mode="replay"),
    ):
        pass
    with pytest.raises(SettingsError, match=r"use `x\.jsonl`"), cassette("x.pkl"):
        pass
    assert active() is None
