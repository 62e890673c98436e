"""The pages on tracking: tokens with every answer, a block that counts, callbacks that watch, the history."""

from __future__ import annotations

from tests.docs_pages.page import model, run_page

CELLS = r"""
import dspex as dspy

lm = dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False)
dspy.configure(lm=lm, track_usage=True, callbacks=[])
# %%
class Program(dspy.Module):
    def __init__(self):
        self.reply = dspy.ChainOfThought("ticket -> reply")
        self.score = dspy.ChainOfThought("ticket, reply -> score")

    def forward(self, ticket: str):
        reply = self.reply(ticket=ticket).reply
        return self.score(ticket=ticket, reply=reply)

program = Program()
output = program(ticket="Where is my invoice?")
usage = output.get_lm_usage()["openai/gpt-4o-mini"]
assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"] > 0
# %%
with dspy.track_usage() as tracker:
    program(ticket="one")
    program(ticket="two")
twice = tracker.get_total_tokens()["openai/gpt-4o-mini"]["prompt_tokens"]
assert twice > usage["prompt_tokens"] > 0
assert len(tracker.usage_data["openai/gpt-4o-mini"]) == 4
# %%
with dspy.context(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=True)):
    program(ticket="kept")
    assert program(ticket="kept").get_lm_usage() == {}
# %%
from dspex.utils.callback import BaseCallback

class Watches(BaseCallback):
    def __init__(self):
        self.calls = []

    def on_module_end(self, call_id, outputs, exception):
        self.calls.append(("module", sorted(outputs.keys()) if outputs else []))

    def on_lm_end(self, call_id, outputs, exception):
        self.calls.append(("lm", len(outputs)))

watches = Watches()
dspy.configure(lm=lm, callbacks=[watches])
program(ticket="watched")
assert [kind for kind, _ in watches.calls].count("lm") == 2
assert watches.calls[-1] == ("module", ["reasoning", "score"])
dspy.configure(callbacks=[])
# %%
assert len(lm.history) >= 2
entry = lm.history[-1]
assert {"prompt", "messages", "kwargs", "outputs", "usage", "cost"} <= entry.keys()
assert entry["usage"]["total_tokens"] > 0
# %%
import io

told = io.StringIO()
dspy.inspect_history(n=2, file=told)
assert told.getvalue().count("System message:") == 2
program.reply.inspect_history(file=told)
lm.inspect_history(file=told)
"""


def test_the_page_on_usage_tracking() -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server)
