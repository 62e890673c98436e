"""The few-shot optimizers: demonstrations that were right, in new programs, by the published rules."""

from __future__ import annotations

import numpy as np
import pytest

import dspex
from dspex.errors import DataError, LMServerError, ProgramError, SettingsError
from dspex.events.event import CandidateEvaluated, CandidateProposed
from tests.programs import Sort, an_lm, learner, question, rows, said

KIND = dspex.exact("kind")


def oracle(request) -> str:
    """Answer every word rightly, as a good teacher would."""
    word = question(request).rstrip("0123456789")
    return said("fruit" if word in ("apple", "pear", "plum", "fig") else "tool")


def test_labeled_few_shot_gives_k_training_rows_and_leaves_the_student() -> None:
    """A new program has the demonstrations; the student has none."""
    student = dspex.Predict(Sort)
    with dspex.context(lm=an_lm()[0]):
        program = dspex.LabeledFewShot(k=3).compile(student, trainset=rows())
    assert len(program.demos) == 3
    assert all(demo in rows() for demo in program.demos)
    assert student.demos == []


def test_labeled_few_shot_without_sampling_takes_the_first() -> None:
    """`sample=False` as in DSPy."""
    with dspex.context(lm=an_lm()[0]):
        program = dspex.LabeledFewShot(k=2).compile(dspex.Predict(Sort), trainset=rows(), sample=False)
    assert program.demos == rows()[:2]


def test_bootstrap_keeps_only_answers_the_metric_accepts() -> None:
    """A teacher that is wrong about tools bootstraps fruit alone; the rest is filled with labelled rows."""
    lm, _ = an_lm(lambda _: said("fruit"))
    with dspex.context(lm=lm):
        program = dspex.BootstrapFewShot(metric=KIND, max_bootstrapped_demos=3, max_labeled_demos=5).compile(
            dspex.Predict(Sort), trainset=rows()
        )
    made = [demo for demo in program.demos if demo.get("augmented")]
    assert [(d.word, d.kind) for d in made] == [("apple", "fruit"), ("pear", "fruit"), ("plum", "fruit")]
    assert len(program.demos) == 5


def test_bootstrap_never_shows_the_teacher_the_row_it_is_asked() -> None:
    """A row among the teacher's own demonstrations is taken out while that row is asked."""
    lm, transport = an_lm(oracle)
    with dspex.context(lm=lm):
        dspex.BootstrapFewShot(metric=KIND, max_labeled_demos=8).compile(dspex.Predict(Sort), trainset=rows())
    for request in transport.requests:
        word = question(request)
        assert all(m.content.split("\n")[1] != word for m in request.messages[1:-1] if m.role == "user")


def test_bootstrap_keeps_every_step_of_a_program_of_two_parts() -> None:
    """Each predictor gets the demonstrations of its own calls."""
    lm, _ = an_lm(oracle)

    class Twice(dspex.Module):
        def __init__(self) -> None:
            self.draft = dspex.Predict(Sort)
            self.check = dspex.Predict(Sort)

        def forward(self, word: str) -> dspex.Prediction:
            self.draft(word=word)
            return self.check(word=word + "2")

    with dspex.context(lm=lm):
        program = dspex.BootstrapFewShot(metric=KIND, max_bootstrapped_demos=2, max_labeled_demos=0).compile(
            Twice(), trainset=rows()
        )
    assert [d.word for d in program.draft.demos] == ["apple", "saw"]
    assert [d.word for d in program.check.demos] == ["apple2", "saw2"]


def test_bootstrap_stops_when_it_has_enough() -> None:
    """Of 80 rows at most three more are asked than needed."""
    lm, transport = an_lm(oracle)
    with dspex.context(lm=lm):
        dspex.BootstrapFewShot(metric=KIND, max_bootstrapped_demos=4, max_labeled_demos=0).compile(
            dspex.Predict(Sort), trainset=rows(10)
        )
    assert 4 <= len(transport.requests) <= 7


def test_bootstrap_tries_again_at_a_temperature() -> None:
    """Later rounds ask the rows that failed, at temperature 1.0 and past the cache."""

    def second_time(request) -> str:
        return oracle(request) if request.temperature == 1.0 else said("fruit")

    lm, transport = an_lm(second_time)
    with dspex.context(lm=lm):
        program = dspex.BootstrapFewShot(
            metric=KIND, max_bootstrapped_demos=8, max_labeled_demos=0, max_rounds=2
        ).compile(dspex.Predict(Sort), trainset=rows())
    assert sorted(d.kind for d in program.demos) == ["fruit"] * 4 + ["tool"] * 4
    assert {(r.temperature, r.rollout_id) for r in transport.requests} == {(None, None), (1.0, 1)}


def test_the_same_seed_is_the_same_search() -> None:
    """Whatever order answers come in, the programs found are equal; another seed finds others."""

    def programs(seed: int) -> list[str]:
        with dspex.context(lm=an_lm(learner)[0]):
            run = dspex.BootstrapFewShotWithRandomSearch(metric=KIND, num_candidate_programs=3).start(
                dspex.Predict(Sort), trainset=rows(6), valset=rows(), seed=seed
            )
            run.result()
        return [e.program for e in run.events if isinstance(e, CandidateProposed)]

    assert programs(1) == programs(1)
    assert programs(1) != programs(2)


def test_random_search_returns_the_candidate_that_scored_best() -> None:
    """The result scores as the leading candidate did, and better than the program as written."""
    with dspex.context(lm=an_lm(learner)[0]):
        run = dspex.BootstrapFewShotWithRandomSearch(metric=KIND, num_candidate_programs=4).start(
            dspex.Predict(Sort), trainset=rows(), valset=rows()
        )
        best = run.result()
        scores = {e.candidate: e.mean for e in run.events if isinstance(e, CandidateEvaluated)}
        again = dspex.Evaluate(devset=rows(), metric=KIND)(best)
    assert scores[run.state.best] == max(scores.values()) == again.mean
    assert scores["base"] < scores[run.state.best]
    assert run.best.dump_state() == best.dump_state()


def test_restrict_tries_only_the_named_seeds() -> None:
    """As in DSPy: -3 is the plain program, -2 labelled examples."""
    with dspex.context(lm=an_lm(learner)[0]):
        run = dspex.BootstrapFewShotWithRandomSearch(metric=KIND).start(
            dspex.Predict(Sort), trainset=rows(), valset=rows(), restrict=[-3, -2]
        )
        run.result()
    assert [c.what for c in run.state.candidates] == ["as written", "8 labeled"]


def test_stop_at_score_ends_the_search() -> None:
    """Good enough is enough."""
    with dspex.context(lm=an_lm(oracle)[0]):
        run = dspex.BootstrapFewShotWithRandomSearch(metric=KIND, stop_at_score=90.0).start(
            dspex.Predict(Sort), trainset=rows(), valset=rows()
        )
        run.result()
    assert len(run.state.candidates) <= 2


def test_a_failing_provider_does_not_make_a_candidate_look_bad() -> None:
    """A candidate whose calls failed now and then is ranked by what was answered."""
    calls = 0

    def flaky(request):
        nonlocal calls
        calls += 1
        return LMServerError("busy") if calls % 5 == 0 else oracle(request)

    with dspex.context(lm=an_lm(flaky)[0]):
        run = dspex.BootstrapFewShotWithRandomSearch(metric=KIND, num_candidate_programs=1).start(
            dspex.Predict(Sort), trainset=rows(), valset=rows()
        )
        run.result()
    assert all(c.mean == 1.0 and c.failed for c in run.state.candidates if c.n)


def test_a_stopped_search_gives_the_best_so_far() -> None:
    """Stop keeps what was found."""
    with dspex.context(lm=an_lm(learner)[0]):

        def metric(example: dspex.Example, prediction: dspex.Prediction, trace: object = None) -> bool:
            if len(run.state.line) >= 2:
                run.stop()
            return KIND(example, prediction)

        run = dspex.BootstrapFewShotWithRandomSearch(metric=metric).start(
            dspex.Predict(Sort), trainset=rows(), valset=rows(3)
        )
        best = run.result()
    assert run.status == "stopped"
    assert best.demos
    assert best.dump_state() == run.best.dump_state()


def test_a_found_program_can_be_put_into_a_fresh_one() -> None:
    """What the journal keeps is enough to go on in another kernel."""
    with dspex.context(lm=an_lm(learner)[0]):
        run = dspex.BootstrapFewShotWithRandomSearch(metric=KIND, num_candidate_programs=1).start(
            dspex.Predict(Sort), trainset=rows(), valset=rows()
        )
        best = run.result()
    assert run.load_into(dspex.Predict(Sort)).dump_state() == best.dump_state()


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"trainset": []}, DataError, "`trainset` is empty"),
        ({"valset": []}, DataError, "`valset` is empty"),
        ({"budget": 0}, SettingsError, "A budget of $0 allows no call"),
        ({"student": Sort}, ProgramError, "`student` is a signature"),
        ({"teacher": 3}, ProgramError, "`teacher` takes a dspex program"),
        (
            {"trainsett": []},
            SettingsError,
            "`BootstrapFewShotWithRandomSearch` takes no `trainsett`. Did you mean `trainset`?",
        ),
        ({"metric": None}, SettingsError, "A metric is needed"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_spent(change, error, text) -> None:
    """The mistake is named with the fix, and no model is asked."""
    lm, transport = an_lm()
    given = {"trainset": rows(), "valset": rows(), **change}
    student = given.pop("student", dspex.Predict(Sort))
    metric = given.pop("metric", KIND)
    with dspex.context(lm=lm), pytest.raises(error) as caught:
        dspex.BootstrapFewShotWithRandomSearch(metric=metric).start(student, **given)
    assert str(caught.value).startswith(text)
    assert not transport.requests


def test_labels_alone_need_no_model() -> None:
    """Nothing is asked where nothing is scored; where something is, the missing model is told at once."""
    with dspex.context(lm=None):
        program = dspex.LabeledFewShot(k=2).compile(dspex.Predict(Sort), trainset=rows())
        assert len(program.demos) == 2
        with pytest.raises(SettingsError, match="No language model is set"):
            dspex.LabeledFewShot(k=2, metric=KIND).compile(
                dspex.Predict(Sort), trainset=rows(), valset=rows()
            )


def test_rows_may_hold_arrays() -> None:
    """An embedding beside the text is a field like others, though two of them are not simply equal."""
    data = [row.copy(vector=np.array([n, n + 1.0])) for n, row in enumerate(rows())]
    with dspex.context(lm=an_lm(learner)[0]):
        best = dspex.BootstrapFewShot(metric=KIND).compile(dspex.Predict(Sort), trainset=data)
    assert best.demos
