"""Laws of the scripted transport."""

from __future__ import annotations

import asyncio

import pytest

from dspex.errors import LMServerError
from dspex.lm.messages import Message, Request
from dspex.testing.scripted import Scripted, answer, never

ASK = Request(model="m", messages=(Message(role="user", content="hi"),), n=2)


async def test_lines_are_played_in_order():
    """Texts, responses and errors, each once; one more is an error of the test."""
    whole = answer("c")
    script = Scripted("a", LMServerError("b"), whole)
    assert [choice.text for choice in (await script.send(ASK)).choices] == ["a", "a"]
    with pytest.raises(LMServerError):
        await script.send(ASK)
    assert await script.send(ASK) is whole
    with pytest.raises(AssertionError, match="3 lines, but was asked 4 times"):
        await script.send(ASK)


async def test_the_last_line_may_go_on():
    """With `repeat` the last line answers all that follow."""
    script = Scripted("a", "b", repeat=True)
    assert [(await script.send(ASK)).text for _ in range(4)] == ["a", "b", "b", "b"]


async def test_never_waits_until_cancelled():
    """The script shows who waits."""
    script = Scripted(never())
    task = asyncio.ensure_future(script.send(ASK))
    await asyncio.sleep(0)
    assert repr(script) == "<Scripted: 1 asked, 1 waiting>"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.waiting == 0
