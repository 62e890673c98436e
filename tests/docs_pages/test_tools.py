"""The page on tools: functions as tools, a model that asks for calls in words and natively, async tools."""

from __future__ import annotations

from collections.abc import Sequence

from dspex.lm.messages import Call, Choice, Message
from tests.docs_pages.page import model, run_page

CALLS = (
    '{"tool_calls": [{"name": "status", "args": {"order": "A1"}}, {"name": "add", "args": {"a": 2, "b": 3}}]}'
)


def answer(messages: Sequence[Message]) -> str | Choice:
    """Ask for two calls: natively where the prompt does not speak of calls, in words where it does."""
    if "`outputs`" in messages[0].text:
        return f"[[ ## outputs ## ]]\n{CALLS}\n\n[[ ## completed ## ]]"
    calls = (
        Call(id="c1", name="status", arguments='{"order": "A1"}'),
        Call(id="c2", name="add", arguments='{"a": 2, "b": 3}'),
    )
    return Choice(finish="tool_calls", calls=calls)


CELLS = r'''
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False))

class Desk(dspy.Signature):
    """Look up what the ticket needs."""

    ticket: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    outputs: dspy.ToolCalls = dspy.OutputField()

def status(order: str) -> str:
    """Tell where an order is."""
    return f"{order} is on its way"

def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

tools = {"status": dspy.Tool(status), "add": dspy.Tool(add)}
predictor = dspy.Predict(Desk)
# %%
response = predictor(ticket="Where is order A1, and what do 2 and 3 cost?", tools=list(tools.values()))
results = [call.execute() for call in response.outputs.tool_calls]
assert results == ["A1 is on its way", 5]
assert [(call.name, call.args) for call in response.outputs.tool_calls][0] == ("status", {"order": "A1"})
# %%
tool = dspy.Tool(add)
assert (tool.name, tool.desc) == ("add", "Add two numbers.")
assert tool.args["a"]["type"] == "integer" and tool.args["b"].get("default") == 1
assert "add" in str(tool) and tool(a=1) == 2
# %%
for call in response.outputs.tool_calls:
    by_dict = call.execute(functions={"status": status, "add": add})
    by_list = call.execute(functions=[dspy.Tool(status), dspy.Tool(add)])
    assert by_dict == by_list == call.execute()
# %%
with dspy.context(adapter=dspy.ChatAdapter(use_native_function_calling=True)):
    native = predictor(ticket="Where is order A1?", tools=list(tools.values()))
assert [tool["function"]["name"] for tool in server.requests[-1]["tools"]] == ["status", "add"]
assert [call.execute() for call in native.outputs.tool_calls] == ["A1 is on its way", 5]
# %%
with dspy.context(adapter=dspy.JSONAdapter(use_native_function_calling=True)):
    native = predictor(ticket="Where is order A1?", tools=list(tools.values()))
assert [call.name for call in native.outputs.tool_calls] == ["status", "add"]
# %%
form = tool.format_as_litellm_function_call()
assert form["type"] == "function" and form["function"]["parameters"]["required"] == ["a"]
# %%
import asyncio

async def later(order: str) -> str:
    """Tell where an order is, after a while."""
    await asyncio.sleep(0)
    return f"{order} has arrived"

slow = dspy.Tool(later)
assert await slow.acall(order="B2") == "B2 has arrived"
# %%
with dspy.context(allow_tool_async_sync_conversion=True):
    assert slow(order="B2") == "B2 has arrived"
# %%
try:
    slow(order="B2")
    raise AssertionError("a coroutine function was called by plain code")
except ValueError as error:
    assert "acall" in str(error) or "await" in str(error)
# %%
def find(ticket_number: int, with_notes: bool = False) -> str:
    """Find a ticket.

    Args:
        ticket_number: its number
        with_notes: whether to add the notes
    """
    return f"ticket {ticket_number}" + (" with notes" if with_notes else "")

assert dspy.Tool(find)(ticket_number=7, with_notes=True) == "ticket 7 with notes"
calls = dspy.ToolCalls.from_dict_list([{"name": "find", "args": {"ticket_number": 3}}])
assert [call.execute(functions={"find": find}) for call in calls.tool_calls] == ["ticket 3"]
'''


def test_the_page_on_tools() -> None:
    """Every cell runs, and runs again."""
    with model(answer) as server:
        run_page(CELLS, server)
