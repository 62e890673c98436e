"""The page on adapters: which there are, what they send, and what they read, the fallback included."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dspex.lm.messages import Message
from tests.docs_pages.page import model, run_page

NOTES = [{"text": "The export was fixed.", "people": ["Mia", "Ola"]}]


def answer(messages: Sequence[Message]) -> str:
    """Answer in the layout that is asked for; a question about chaos gets none of them the first time."""
    system, asked = messages[0].text, messages[-1].text
    if "JSON object" in system:
        return json.dumps({"notes": NOTES} if "`notes`" in system else {"team": "billing", "days": 2})
    if "chaos" in asked:
        return "It is all the same to me."
    if "between its tags" in system:
        return "<team>\nbilling\n</team>"
    if "`notes`" in system:
        return f"[[ ## notes ## ]]\n{json.dumps(NOTES)}\n\n[[ ## completed ## ]]"
    return "[[ ## team ## ]]\nbilling\n\n[[ ## completed ## ]]"


CELLS = r'''
import dspex as dspy

lm = dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False)
dspy.configure(lm=lm)
predict = dspy.Predict("ticket -> team")
first = predict(ticket="I was charged twice.")
# %%
dspy.configure(lm=lm, adapter=dspy.ChatAdapter())
assert predict(ticket="I was charged twice.") == first
# %%
signature = dspy.Signature("ticket -> team")
inputs = {"ticket": "Where is my invoice?"}
demos = [{"ticket": "The app crashes.", "team": "bug"}]
messages = dspy.ChatAdapter().format(signature, demos, inputs)
assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
assert messages[2].content == "[[ ## team ## ]]\nbug\n\n[[ ## completed ## ]]"
assert "Where is my invoice?" in messages[-1].content
# %%
system = dspy.ChatAdapter().format_system_message(signature)
assert system == messages[0].content and "[[ ## team ## ]]" in system
# %%
import pydantic

class Note(pydantic.BaseModel):
    text: str
    people: list[str]

class Weekly(dspy.Signature):
    """Note what happened at the help desk in a week."""

    desk: str = dspy.InputField()
    week: int = dspy.InputField()
    notes: list[Note] = dspy.OutputField(desc="what happened")

for adapter in (dspy.ChatAdapter(), dspy.JSONAdapter()):
    with dspy.context(adapter=adapter):
        said = dspy.Predict(Weekly)(desk="billing", week=7)
    assert said.notes == [Note(text="The export was fixed.", people=["Mia", "Ola"])]
# %%
import io

shown = io.StringIO()
dspy.inspect_history(n=1, file=shown)
assert "people" in shown.getvalue() and "The export was fixed." in shown.getvalue()
# %%
with dspy.context(adapter=dspy.JSONAdapter()):
    assert predict(ticket="x").team == "billing"
assert server.requests[-1]["response_format"]["type"] in ("json_object", "json_schema")
# %%
with dspy.context(adapter=dspy.XMLAdapter()):
    assert predict(ticket="x").team == "billing"
# %%
before = server.hits
assert dspy.Predict("ticket -> team, days: int")(ticket="chaos").days == 2
assert server.hits == before + 2
# %%
try:
    with dspy.context(adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
        dspy.Predict("ticket -> team, days: int")(ticket="chaos")
    raise AssertionError("it was read")
except dspy.AdapterParseError as error:
    assert error.adapter_name == "ChatAdapter" and "all the same" in error.lm_response
# %%
assert dspy.ChatAdapter().parse(signature, "[[ ## team ## ]]\nbug") == {"team": "bug"}
assert dspy.JSONAdapter().parse(signature, 'Sure: {"team": "bug",}') == {"team": "bug"}
assert dspy.XMLAdapter().parse(signature, "<team>bug</team>") == {"team": "bug"}
# %%
class Upper(dspy.ChatAdapter):
    def parse(self, signature, completion):
        return {name: str(value).upper() for name, value in super().parse(signature, completion).items()}

with dspy.context(adapter=Upper()):
    assert predict(ticket="x").team == "BILLING"
# %%
asked = dspy.ChatAdapter()(lm, {}, signature, [], {"ticket": "x"})
assert asked == [{"team": "billing"}]
'''


def test_the_page_on_adapters() -> None:
    """Every cell runs, and runs again."""
    with model(answer) as server:
        run_page(CELLS, server)
