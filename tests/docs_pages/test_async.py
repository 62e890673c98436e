"""The page on async: acall, async tools, modules with aforward, asyncify, many calls at once."""

from __future__ import annotations

from tests.docs_pages.page import model, run_page

CELLS = r"""
import asyncio

import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False))
predict = dspy.Predict("ticket -> reply")

async def main():
    return await predict.acall(ticket="Where is my invoice?")

assert asyncio.run(main()).reply
# %%
assert (await predict.acall(ticket="Where is my invoice?")).reply
# %%
async def notify(team):
    await asyncio.sleep(0)
    return f"told {team}"

tool = dspy.Tool(notify)
assert await tool.acall(team="billing") == "told billing"
# %%
class Answers(dspy.Module):
    def __init__(self):
        self.predict1 = dspy.ChainOfThought("ticket -> reply")
        self.predict2 = dspy.ChainOfThought("reply -> short_reply")

    async def aforward(self, ticket, **kwargs):
        reply = await self.predict1.acall(ticket=ticket)
        return await self.predict2.acall(reply=reply.reply)

answers = Answers()
assert (await answers.acall(ticket="Where is my invoice?")).short_reply
# %%
assert answers(ticket="Where is my invoice?").short_reply
# %%
many = await asyncio.gather(*(answers.acall(ticket=f"Ticket {k}") for k in range(8)))
assert len(many) == 8 and server.peak > 1
# %%
fast = dspy.asyncify(dspy.ChainOfThought("ticket -> team"))
with dspy.context(async_max_workers=4):
    assert len(await asyncio.gather(*(fast(ticket=str(k)) for k in range(6)))) == 6
# %%
plain = dspy.syncify(Answers())
assert plain(ticket="x").short_reply
wrapped = dspy.syncify(Answers(), in_place=False)
assert wrapped(ticket="x").short_reply
# %%
async def with_lm(name):
    with dspy.context(lm=dspy.LM(f"openai/{name}", api_base=URL, api_key="none", cache=False)):
        await predict.acall(ticket="x")
        return dspy.settings.lm.history[-1]["model"]

assert await asyncio.gather(with_lm("a"), with_lm("b")) == ["openai/a", "openai/b"]
"""


def test_the_page_on_async() -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server)
