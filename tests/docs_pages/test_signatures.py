"""The page on signatures: inline, with instructions, as classes, with types of one's own, with a picture."""

from __future__ import annotations

from tests.docs_pages.page import model, run_page

CELLS = r'''
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False))
# %%
urgent = dspy.Predict(
    dspy.Signature("ticket -> urgent: bool", instructions="Say whether somebody must look at this within the hour.")
)
assert urgent.signature.instructions.startswith("Say whether")
assert urgent(ticket="Everything is down since noon!").urgent in (True, False)
# %%
ticket = "I was charged twice for the March invoice, please refund one of the two."
classify = dspy.Predict("ticket -> billing: bool")
assert isinstance(classify(ticket=ticket).billing, bool)
# %%
summarize = dspy.ChainOfThought("ticket -> summary")
response = summarize(ticket=ticket)
assert isinstance(response.summary, str) and response.summary
# %%
assert isinstance(response.reasoning, str)
assert list(response.keys()) == ["reasoning", "summary"]
# %%
from typing import Literal

class Sort(dspy.Signature):
    """Sort a support ticket to the team that can resolve it."""

    ticket: str = dspy.InputField()
    team: Literal["billing", "account", "bug", "feature"] = dspy.OutputField()

sort = dspy.Predict(Sort)
assert sort(ticket=ticket).team in ("billing", "account", "bug", "feature")
# %%
class CheckReply(dspy.Signature):
    """Check that a reply promises nothing the policy does not allow."""

    policy: str = dspy.InputField(desc="what is said here holds")
    reply: str = dspy.InputField()
    allowed: bool = dspy.OutputField()
    evidence: dict[str, list[str]] = dspy.OutputField(desc="quotes from the policy, by claim")

check = dspy.ChainOfThought(CheckReply)
checked = check(policy="Refunds within 30 days.", reply="You will have your money back after a year.")
assert isinstance(checked.allowed, bool) and isinstance(checked.evidence, dict)
# %%
class Screenshot(dspy.Signature):
    """Name the error on a screenshot."""

    shot: dspy.Image = dspy.InputField(desc="what the customer sees")
    error: str = dspy.OutputField()

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
name = dspy.Predict(Screenshot)
assert isinstance(name(shot=dspy.Image(url=PIXEL)).error, str)
sent = [part for message in server.requests[-1]["messages"] if isinstance(message["content"], list) for part in message["content"]]
assert any(part["type"] == "image_url" and part["image_url"]["url"] == PIXEL for part in sent)
# %%
import pydantic

class Found(pydantic.BaseModel):
    text: str
    score: float

signature = dspy.Signature("query: str -> result: Found")
assert signature.output_fields["result"].annotation is Found
# %%
class Desk:
    class Question(pydantic.BaseModel):
        text: str
    class Rating(pydantic.BaseModel):
        stars: int

signature = dspy.Signature("question: Desk.Question -> rating: Desk.Rating")
assert signature.input_fields["question"].annotation is Desk.Question
rate = dspy.Predict(signature)
assert isinstance(rate(question=Desk.Question(text="How was it?")).rating.stars, int)
# %%
wider = Sort.append("why", dspy.OutputField(desc="one sentence"), str).with_instructions("Sort it, and say why.")
assert list(wider.output_fields) == ["team", "why"] and list(Sort.output_fields) == ["team"]
assert Sort.equals(Sort) and not Sort.equals(wider)
assert dspy.Signature(Sort.signature).input_fields.keys() == Sort.input_fields.keys()
again = Sort.load_state(Sort.with_instructions("New words.").dump_state())
assert again.instructions == "New words."
'''


def test_the_page_on_signatures() -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server)
