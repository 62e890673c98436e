"""Laws of the scripted transport."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dspex.errors import LMServerError
from dspex.lm.messages import Choice, Message, Request
from dspex.testing.scripted import Scripted, answer, call, never, pieces

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


async def test_a_call_of_a_tool_is_a_line():
    """One call, or a whole choice with text beside it."""
    beside = Choice(text="Let me see.", calls=(call("look", id="c2"),), finish="tool_calls")
    script = Scripted(call("add", a=1), beside)
    first, second = await script.send(ASK), await script.send(ASK)
    assert (first.text, first.choices[0].calls[0].arguments, first.choices[0].finish) == (
        "",
        '{"a":1}',
        "tool_calls",
    )
    assert second.choices[0] == beside


def test_pieces_joined_are_the_choice():
    """White space at either end stays."""
    choice = Choice(text="  one two\n\nthree ", reasoning="so ", calls=(call("f"),), finish="tool_calls")
    cut = pieces(choice)
    assert "".join(chunk.text for chunk in cut) == choice.text
    assert "".join(chunk.reasoning for chunk in cut) == choice.reasoning
    assert (cut[-1].calls, cut[-1].finish) == (choice.calls, choice.finish)


def test_a_script_is_played_to_many_threads():
    """Each line goes to one of them."""
    script = Scripted(*(str(k) for k in range(200)))
    heard: list[str] = []

    def ask() -> None:
        for _ in range(50):
            try:
                script.send(ASK).send(None)
            except StopIteration as done:
                heard.append(done.value.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard, key=int) == [str(k) for k in range(200)]
