"""The page on modules: Predict, several completions, the built-in modules, programs of one's own, usage."""

from __future__ import annotations

from tests.docs_pages.page import model, run_page

CELLS = r'''
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False), track_usage=False)
# %%
ticket = "I cannot log in since I changed my phone."
classify = dspy.Predict("ticket -> account: bool")
response = classify(ticket=ticket)
assert response.account in (True, False)
# %%
answer = dspy.ChainOfThought("question -> answer", n=5)
response = answer(question="What is good about a short reply?")
assert len(response.completions.answer) == 5
# %%
assert response.reasoning == response.completions.reasoning[0]
assert response.completions[3].reasoning == response.completions.reasoning[3]
assert len(response.completions) == 5
# %%
days = dspy.ChainOfThought("question -> days: float")
assert isinstance(days(question="How many days are two weeks?").days, float)
# %%
FAQ = {"refund": ["Refunds take five days.", "Refunds go to the card."], "login": ["Reset the password first."]}

def search(query, k=3):
    """Find lines of the handbook."""
    return [line for word, lines in FAQ.items() if word in query for line in lines][:k]

rag = dspy.ChainOfThought("context, question -> response")
assert rag(context=search("refund"), question="How long does a refund take?").response
# %%
from typing import Literal

class Mood(dspy.Signature):
    """Tell the mood of a ticket."""

    ticket: str = dspy.InputField()
    mood: Literal["calm", "annoyed", "furious"] = dspy.OutputField()
    confidence: float = dspy.OutputField()

mood = dspy.Predict(Mood)(ticket="This is the third time I write to you!!!")
assert mood.mood in ("calm", "annoyed", "furious") and isinstance(mood.confidence, float)
# %%
extract = dspy.Predict("text -> title, headings: list[str], names_and_roles: list[dict[str, str]]")
found = extract(text="Mia from sales wrote that the export fails on Mondays.")
assert isinstance(found.headings, list) and isinstance(found.names_and_roles, list)
# %%
compare = dspy.MultiChainComparison("question -> answer", M=3)
chains = dspy.ChainOfThought("question -> answer", n=3)(question="Refund or replace?").completions
final = compare([chains[k] for k in range(3)], question="Refund or replace?")
assert isinstance(final.answer, str)
# %%
votes = dspy.Prediction.from_completions([{"team": "bug"}, {"team": "billing"}, {"team": "bug"}])
assert dspy.majority(votes).team == "bug"
# %%
class Hops(dspy.Module):
    def __init__(self, num_docs=2, num_hops=2):
        self.num_docs, self.num_hops = num_docs, num_hops
        self.query = dspy.ChainOfThought("ticket, notes -> query")
        self.note = dspy.ChainOfThought("ticket, notes, context -> new_notes: list[str], titles: list[str]")

    def forward(self, ticket: str):
        notes, titles = [], []
        for _ in range(self.num_hops):
            query = self.query(ticket=ticket, notes=notes).query
            context = search(query, k=self.num_docs)
            prediction = self.note(ticket=ticket, notes=notes, context=context)
            notes.extend(prediction.new_notes)
            titles.extend(prediction.titles)
        return dspy.Prediction(notes=notes, titles=list(set(titles)))

hops = Hops()
assert [name for name, _ in hops.named_predictors()] == ["query.predict", "note.predict"]
assert isinstance(hops(ticket=ticket).notes, list)
# %%
many = hops.batch([dspy.Example(ticket=f"Ticket {k}").with_inputs("ticket") for k in range(3)], num_threads=2)
assert len(many) == 3
# %%
dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False), track_usage=True)

class TwoSteps(dspy.Module):
    def __init__(self):
        self.sort = dspy.ChainOfThought("ticket -> team")
        self.score = dspy.ChainOfThought("ticket, team -> score: float")

    def forward(self, ticket: str):
        team = self.sort(ticket=ticket).team
        return self.score(ticket=ticket, team=team)

usage = TwoSteps()(ticket=ticket).get_lm_usage()
assert list(usage) == ["openai/gpt-4o-mini"]
assert usage["openai/gpt-4o-mini"]["total_tokens"] > usage["openai/gpt-4o-mini"]["completion_tokens"] > 0
# %%
dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=True), track_usage=True)
TwoSteps()(ticket="kept")
assert TwoSteps()(ticket="kept").get_lm_usage() == {}
# %%
copy = hops.deepcopy()
copy.query.predict.signature = copy.query.predict.signature.with_instructions("Other words.")
assert hops.query.predict.signature.instructions != "Other words."
hops.set_lm(dspy.settings.lm)
assert hops.get_lm() is dspy.settings.lm
'''


def test_the_page_on_modules() -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server)
