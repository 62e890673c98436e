"""Laws of the cache as a Transport: what is kept, under which key, and how often is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dspex import _canon
from dspex.errors import LMServerError
from dspex.lm import folder as folder_module
from dspex.lm.cache import VERSION, Cached
from dspex.lm.folder import Folder
from dspex.lm.messages import Choice, FinishReason, Message, Request, Response, ToolSpec
from dspex.lm.store import Store
from dspex.scope.scope import Scope, enter
from dspex.testing.scripted import Scripted, answer, never


def asking(text: str = "hi", **changes: object) -> Request:
    request = Request(model="openai/m", messages=(Message(role="user", content=text),))
    return msgspec.structs.replace(request, **changes)


async def test_what_was_answered_is_answered_again():
    """The second time nobody is asked, and the answer is free and marked."""
    script = Scripted("blue")
    cached = Cached(script, Store())
    first, second = await cached.send(asking()), await cached.send(asking())
    assert (first.cached, second.cached) == (False, True)
    assert (second.text, second.cost) == ("blue", 0.0)
    assert len(script.requests) == 1


async def test_an_answer_that_came_between_look_and_call_is_taken():
    """Who looked in vain and then asks finds what another has brought meanwhile."""
    script = Scripted("blue")
    cached = Cached(script, Store())
    assert cached.peek(asking()) is None
    await cached.send(asking())
    assert (await cached.fetch(asking())).cached
    assert len(script.requests) == 1


CHANGES: dict[str, object] = {
    "model": "openai/m2",
    "messages": (Message(role="system", content="hi"),),
    "temperature": 0.0,
    "max_tokens": 7,
    "n": 2,
    "stop": ("x",),
    "options": {"top_p": msgspec.Raw(b"0.1")},
    "rollout_id": 1,
    "tools": (ToolSpec(name="search"),),
    "response_format": msgspec.Raw(b'{"type":"json_object"}'),
    "inputs": ("hi",),
}


@pytest.mark.parametrize("field", Request.__struct_fields__)
def test_every_part_of_a_request_is_part_of_its_key(field: str):
    """A change anywhere is another question; a new field of Request fails here until it is listed."""
    cached = Cached(Scripted(), Store())
    assert cached.key(asking()) != cached.key(asking(**{field: CHANGES[field]}))


def test_the_key_of_a_plain_request_stays():
    """Parts that a request does not use leave no trace, so that what was kept is still found."""
    plain = Request(model="m", messages=(Message(role="user", content="hi"),), temperature=0.5)
    assert _canon.canonical([VERSION, "", plain]) == (
        '["1","",{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5}]'
    )


@given(st.text(), st.text(), st.none() | st.floats(0, 2))
@example("", "half \ud83d", None)
def test_the_key_is_the_hash_of_the_canonical_text(place: str, text: str, temperature: float | None):
    """However fast it is made, it is that of version, place and request; half characters have one too."""
    request = asking(text, temperature=temperature)
    cached = Cached(Scripted(), Store(), place=place)
    assert cached.key(request) == cached.key(request) == _canon.digest([VERSION, place, request])
    assert cached.key(asking("other")) != cached.key(request) or text == "other"


def test_the_endpoint_is_part_of_the_key():
    """Two servers may know different models by one name."""
    here, there = Cached(Scripted(), Store(), place="a"), Cached(Scripted(), Store(), place="b")
    assert here.key(asking()) != there.key(asking())


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=4))
def test_the_key_does_not_depend_on_order(options: dict[str, object]):
    """Equal questions have equal keys however they were written."""
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in options.items()}
    backwards = dict(reversed(raw.items()))
    cached = Cached(Scripted(), Store())
    assert cached.key(asking(options=raw)) == cached.key(asking(options=backwards))


@pytest.mark.parametrize("finish", ["length", "content_filter", "other"])
async def test_an_answer_that_is_not_whole_is_not_kept(finish: FinishReason):
    """Asking again may do better."""
    cut = Response(choices=(Choice(text="a"), Choice(text="b", finish=finish)))
    script = Scripted(cut, "whole")
    cached = Cached(script, Store())
    await cached.send(asking())
    assert (await cached.send(asking())).text == "whole"


async def test_an_error_is_not_kept():
    """The next call asks anew."""
    cached = Cached(Scripted(LMServerError("down"), "blue"), Store())
    with pytest.raises(LMServerError):
        await cached.send(asking())
    assert (await cached.send(asking())).text == "blue"


async def test_equal_questions_in_the_air_are_asked_once():
    """Many at once are one call, which one of them pays; the others' answers are free."""
    script = Scripted(msgspec.structs.replace(answer("blue"), cost=0.5), repeat=True)
    cached = Cached(script, Store())
    found = await asyncio.gather(*(cached.send(asking(str(k % 2))) for k in range(20)))
    assert len(script.requests) == 2
    assert sum(response.cost or 0.0 for response in found) == 1.0
    assert sum(response.cached for response in found) == 18


async def test_a_slow_disk_holds_up_those_who_bring_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where too much waits for the disk an answer is on it before it is given; nothing piles up without end."""
    monkeypatch.setattr(folder_module, "GATHER", 60.0)
    monkeypatch.setattr(folder_module, "CROWDED", 0)
    cached = Cached(Scripted("blue"), Store(Folder(tmp_path)))
    await cached.send(asking())
    assert Folder(tmp_path).get(cached.key(asking())) is not None


async def test_rollouts_are_never_one_call():
    """Samples of one prompt that must differ are each asked for."""
    script = Scripted("x", repeat=True)
    cached = Cached(script, Store())
    await asyncio.gather(*(cached.send(asking(rollout_id=k)) for k in range(5)))
    assert len(script.requests) == 5


async def test_a_persons_call_is_not_tied_to_a_runs():
    """One waits for its provider for as long as it takes, the other wants to hear at once: they share no call."""
    script = Scripted(never(), "at once")
    cached = Cached(script, Store())
    with enter(Scope(run="r1", patient=True)):
        waiting = asyncio.ensure_future(cached.send(asking()))
    while not script.waiting:
        await asyncio.sleep(0)
    assert (await cached.send(asking())).text == "at once"
    waiting.cancel()


async def test_whoever_stays_gets_the_answer_of_a_cancelled_leader():
    """The first caller leaves; the call goes on for the second, who pays it."""
    script = Scripted(never(), "late")
    cached = Cached(script, Store())
    first = asyncio.ensure_future(cached.send(asking()))
    second = asyncio.ensure_future(cached.send(asking()))
    while not script.waiting:
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert script.waiting == 1
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    while script.waiting:
        await asyncio.sleep(0)
    assert (await cached.send(asking())).text == "late"
