"""The page on saving: state as a JSON file, state in memory, and what is refused because it would be a pickle."""

from __future__ import annotations

from pathlib import Path

from tests.docs_pages.page import model, run_page

CELLS = r"""
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none"))
rows = dspy.datasets.load("tickets")[0][:8]
trainset = [dspy.Example(ticket=row.ticket, team=row.team).with_inputs("ticket") for row in rows]
program = dspy.ChainOfThought("ticket -> team")

def same_team(example, pred, trace=None):
    return True

optimizer = dspy.BootstrapFewShot(metric=same_team, max_bootstrapped_demos=2, max_labeled_demos=2, max_rounds=1)
compiled = optimizer.compile(program, trainset=trainset)
# %%
compiled.save(f"{FOLDER}/program.json", save_program=False)
# %%
loaded = dspy.ChainOfThought("ticket -> team")
loaded.load(f"{FOLDER}/program.json")
assert len(compiled.predict.demos) == len(loaded.predict.demos) > 0
for original, found in zip(compiled.predict.demos, loaded.predict.demos):
    assert dict(original.toDict()) == dict(found if isinstance(found, dict) else found.toDict())
assert str(compiled.predict.signature) == str(loaded.predict.signature)
# %%
state = compiled.dump_state()
import json

again = dspy.ChainOfThought("ticket -> team")
again.load_state(json.loads(json.dumps(state)))
assert len(again.predict.demos) == len(compiled.predict.demos)
# %%
from pathlib import Path

metadata = json.loads(Path(FOLDER, "program.json").read_text(encoding="utf-8"))["metadata"]
assert "dependency_versions" in metadata
# %%
def refused(act):
    try:
        act()
    except dspy.DSPyError as error:
        return str(error)
    raise AssertionError("a pickle was written or read")

assert ".json" in refused(lambda: compiled.save(f"{FOLDER}/program.pkl", save_program=False))
assert ".json" in refused(lambda: compiled.save(f"{FOLDER}/", save_program=True))
assert ".json" in refused(lambda: loaded.load(f"{FOLDER}/program.pkl", allow_pickle=True))
assert ".json" in refused(lambda: dspy.load(f"{FOLDER}/", allow_pickle=True))
# %%
other = dspy.ChainOfThought("ticket -> urgency")
before = other.dump_state()
class Two(dspy.Module):
    def __init__(self):
        self.a, self.b = dspy.Predict("x -> y"), dspy.Predict("y -> z")

two = Two()
assert "predict" in refused(lambda: two.load(f"{FOLDER}/program.json"))
assert other.dump_state() == before
# %%
loaded.set_lm(dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="sk-secret"))
loaded.save(f"{FOLDER}/with_lm.json")
assert "sk-secret" not in Path(FOLDER, "with_lm.json").read_text(encoding="utf-8")
# %%
dspy.settings.save(f"{FOLDER}/settings.json")
dspy.configure(**dspy.load_settings(f"{FOLDER}/settings.json"))
assert dspy.settings.lm.model == "openai/gpt-4o-mini"
dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none"))
"""


def test_the_page_on_saving(tmp_path: Path) -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server, FOLDER=str(tmp_path))
