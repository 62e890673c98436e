"""Use the installed wheel as a stranger would: no checkout, no extras, no network, no key.

Run with the interpreter of an empty environment into which only the wheel was installed. Ends with an error at
the first thing that is not as it should be.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Literal

import dspex


class Triage(dspex.Signature):
    """Sort a support ticket to the team that can resolve it."""

    ticket: str = dspex.InputField()
    team: Literal["billing", "account", "bug", "feature"] = dspex.OutputField()


def check(holds: bool, what: str) -> None:
    sys.stdout.write(f"{'ok' if holds else 'FAILED'}: {what}\n")
    if not holds:
        raise SystemExit(1)


def main() -> None:
    package = Path(dspex.__file__).resolve()
    check("site-packages" in package.parts, f"dspex is the installed one: {package.parent}")
    check(
        importlib.metadata.version("dspex") == dspex.__version__,
        f"version {dspex.__version__} says the same twice",
    )
    bundle = package.parents[1] / "dspex_widgets" / "static" / "widget.js"
    check(bundle.stat().st_size > 1000, f"the front end is in the wheel: {bundle.stat().st_size} bytes")

    dspex.configure(lm=dspex.LM("practice"))
    train, val, _test = dspex.datasets.load("tickets")
    program = dspex.ChainOfThought(Triage)
    answer = program(ticket="I was charged twice for May, please refund one of them.")
    check(answer.team in {"billing", "account", "bug", "feature"}, f"a program answers: {answer.team!r}")

    optimizer = dspex.BootstrapFewShot(metric=dspex.exact("team"))
    run = optimizer.start(program, trainset=train, valset=val)
    best = run.result()
    demos = sum(len(predictor.demos) for _, predictor in best.named_predictors())
    check(run.status == "finished" and demos > 0, f"an optimizer finishes: {run!r}, {demos} demonstrations")
    compiled = optimizer.compile(program, trainset=train)
    check(compiled(ticket="The app crashes on start.").team != "", "the blocking form gives a program too")

    report = Path(run.report("report.html"))
    text = report.read_text(encoding="utf-8")
    check(run.id in text and "practice" in text, f"a report is written: {len(text)} characters")
    check('src="http' not in text and "@import" not in text, "the report loads nothing")

    best.save("triage.json")
    again = dspex.ChainOfThought(Triage)
    again.load("triage.json")
    check(again.dump_state() == best.dump_state(), "a program is saved and loaded as JSON")
    check(dspex.runs.open(run.id).status == "finished", "the run is on record")


if __name__ == "__main__":
    main()
