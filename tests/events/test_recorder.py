"""`record` writes everything that happens in its block, one JSON object a line."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dspex.events.bus import bus
from dspex.events.event import AnyEvent, LMStart, Log, ModuleStart
from dspex.events.listeners import subscribe
from dspex.events.recorder import record


def read(path: Path) -> list[Any]:
    return [msgspec.json.decode(line, type=AnyEvent) for line in path.read_bytes().splitlines()]


def say(text: str) -> None:
    bus.emit(Log(level="info", text=text))


def test_all_events_of_the_block_are_in_the_file(tmp_path: Path) -> None:
    """Every kind, also those that no journal keeps, and nothing from before or after."""
    say("before")
    with record(tmp_path / "events.jsonl") as path:
        say("a")
        bus.emit(ModuleStart(module="m", call="c"))
        bus.emit(LMStart(model="m"))
    say("after")
    assert [type(e) for e in read(path)] == [Log, ModuleStart, LMStart]
    assert read(path)[0].text == "a"


def test_a_pattern_narrows_the_file(tmp_path: Path) -> None:
    """Only matching kinds are written, over what the file held."""
    target = tmp_path / "events.jsonl"
    target.write_text("old")
    with record(str(target), "lm_*") as path:
        say("a")
        bus.emit(LMStart(model="m"))
    assert [type(e) for e in read(path)] == [LMStart]


def test_the_file_is_complete_when_the_block_raises(tmp_path: Path) -> None:
    """What led to an error is what one wants to read."""
    target = tmp_path / "events.jsonl"

    def fail() -> None:
        say("last words")
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"), record(target):
        fail()
    assert [e.text for e in read(target)] == ["last words"]


def test_the_file_is_complete_although_another_listener_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder does not depend on the patience of others."""
    go, entered = threading.Event(), threading.Event()

    def hang(event: Log) -> None:
        entered.set()
        go.wait(10)

    monkeypatch.setattr("dspex.events.listeners.PATIENCE", 0.05)
    hanging = subscribe("log", hang)
    try:
        say("hang")
        assert entered.wait(10)
        with record(tmp_path / "events.jsonl") as path:
            for n in range(1000):
                say(str(n))
        assert [e.text for e in read(path)] == [str(n) for n in range(1000)]
    finally:
        go.set()
        hanging.close()


def test_text_that_is_no_unicode_is_recorded_readably(tmp_path: Path) -> None:
    """Half a character, as models send it, is written escaped instead of losing the event."""
    with record(tmp_path / "events.jsonl") as path:
        say("half \ud83d of it")
        say("next")
    assert [e.text for e in read(path)] == ["half \\ud83d of it", "next"]


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    """Before anything is run for nothing."""
    with pytest.raises(OSError, match="No such file"), record(tmp_path / "no" / "events.jsonl"):
        pass
