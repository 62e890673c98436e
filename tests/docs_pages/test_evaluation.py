"""The pages on data, metrics and evaluation: examples, simple metrics, Evaluate, models as judges."""

from __future__ import annotations

from pathlib import Path

from tests.docs_pages.page import model, run_page

CELLS = r'''
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none"))
# %%
row = dspy.Example(ticket="The app crashes.", team="bug")
assert (row.ticket, row["team"]) == ("The app crashes.", "bug")
row = row.with_inputs("ticket")
assert row.inputs().toDict() == {"ticket": "The app crashes."} and row.labels().team == "bug"
# %%
pairs = [
    ("I was charged twice.", "billing"), ("I cannot log in.", "account"), ("The app crashes on start.", "bug"),
    ("Please add a dark mode.", "feature"), ("My invoice is wrong.", "billing"), ("Reset my password.", "account"),
]
devset = [dspy.Example(ticket=ticket, team=team).with_inputs("ticket") for ticket, team in pairs]
program = dspy.Predict("ticket -> team")
# %%
def same_team(example, pred, trace=None):
    return example.team.lower() == pred.team.lower()
# %%
def team_and_length(example, pred, trace=None):
    right, short = same_team(example, pred), len(pred.team) < 20
    return (right + short) / 2.0 if trace is None else right and short
# %%
scores = [team_and_length(x, program(**x.inputs())) for x in devset]
assert all(0 <= score <= 1 for score in scores)
# %%
from dspex.evaluate import Evaluate

evaluator = Evaluate(devset=devset, num_threads=1, display_progress=True, display_table=5)
result = evaluator(program, metric=team_and_length)
assert isinstance(result, dspy.evaluate.EvaluationResult)
assert abs(result.score - 100 * sum(scores) / len(scores)) < 0.01
# %%
example, prediction, score = result.results[0]
assert example is devset[0] and prediction.team and score == scores[0]
# %%
import csv, json
from pathlib import Path

saved = Evaluate(devset=devset, metric=same_team, save_as_json=f"{FOLDER}/r.json", save_as_csv=f"{FOLDER}/r.csv")
saved(program)
rows = json.loads(Path(FOLDER, "r.json").read_text(encoding="utf-8"))
assert [r["example_team"] for r in rows] == [team for _, team in pairs] and "same_team" in rows[0]
assert len(list(csv.DictReader(Path(FOLDER, "r.csv").read_text(encoding="utf-8").splitlines()))) == len(devset)
# %%
class Assess(dspy.Signature):
    """Judge a reply along the given question."""

    reply = dspy.InputField()
    question = dspy.InputField()
    verdict: bool = dspy.OutputField()
# %%
def judged(gold, pred, trace=None):
    polite = dspy.Predict(Assess)(reply=pred.reply, question="Is it polite?").verdict
    right = dspy.Predict(Assess)(reply=pred.reply, question=f"Does it fit `{gold.ticket}`?").verdict
    return polite and right if trace is not None else (polite + right) / 2.0

result = Evaluate(devset=devset[:3], metric=judged, num_threads=2)(dspy.ChainOfThought("ticket -> reply"))
assert 0 <= result.score <= 100 and result.n == 3
# %%
def fails_once(example, pred, trace=None):
    if example.team == "feature":
        raise ValueError("no score for wishes")
    return same_team(example, pred)

result = Evaluate(devset=devset, metric=fails_once)(program)
assert result.failed == 1 and result.n == len(devset) - 1 and len(result.results) == len(devset)
# %%
from dspex.evaluate import answer_exact_match

assert answer_exact_match(dspy.Example(answer="The Refund"), dspy.Prediction(answer="refund"))
'''


def test_the_page_on_evaluation(tmp_path: Path) -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server, FOLDER=str(tmp_path))
