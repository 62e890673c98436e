"""Evaluations on a real cluster: worker processes on loopback, killed, paused and cancelled for real."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Any

import pytest

import dspex
from dspex.data.example import Example
from dspex.errors import DspexError, LMAuthError, ProgramError, SettingsError
from dspex.events.event import ExampleScored, LMEnd, LMStart
from dspex.lm.lm import LM
from dspex.runs.run import Run
from dspex.testing.server import Fault, Server, serving
from tests.executors.looks import until
from tests.executors.programs import BROKEN, KEY, POISON, Answers, Typed, echo, length, questions, words

pytestmark = pytest.mark.timeout(120)


def a_model(server: Server, **options: Any) -> LM:
    return LM("openai/gpt-4o-mini", api_base=server.base_url, cache=False, **options)


def an_evaluation(rows: list[Example], client: Any = None, **options: Any) -> dspex.Evaluate:
    return dspex.Evaluate(devset=rows, metric=length, num_threads=12, executor=client, **options)


def scores(result: Any) -> list[float]:
    return [score for _, _, score in result.results]


def spent(run: Run) -> float:
    return sum(model.cost for model in run.state.lm)


def happened(run: Run, kind: type[Any]) -> list[Any]:
    return [event for event in run.events if isinstance(event, kind)]


def test_every_cell_counts_once_though_a_worker_is_killed(client: Any, server: Server, monkeypatch: Any):
    """Scores are those of this process, each example is told once, and no call stays open in the books."""
    rows = questions(240)
    with dspex.context(lm=a_model(server)):
        run = an_evaluation(rows, client).start(Answers())
        until(lambda: server.hits > 60)
        os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
        result = run.result()
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-process")
        here = an_evaluation(rows)(Answers())
    assert scores(result) == scores(here)
    told = Counter(event.example for event in happened(run, ExampleScored))
    assert len(told) == len({row.digest for row in rows})
    assert set(told.values()) == {1}
    assert len(happened(run, LMStart)) == len(happened(run, LMEnd)) >= 240
    answered = [event for event in happened(run, LMEnd) if not event.error]
    assert spent(run) == pytest.approx(sum(event.cost for event in answered))
    until(lambda: len(client.nthreads()) == 3)


def test_rows_come_from_workers_as_from_here(client: Any, server: Server):
    """`dspex.evaluate` streams the rows of a cluster, with what the metric said."""
    with dspex.context(lm=a_model(server)):
        rows = list(dspex.evaluate(Answers(), questions(20), length, executor=client))
    assert sorted(row.index for row in rows) == list(range(20))
    assert all(row.feedback == f"{len(row.prediction.answer)} letters" for row in rows)
    assert all(row.cost > 0 and row.seconds > 0 for row in rows)


def test_failures_are_the_same_cells(client: Any, server: Server):
    """An error over there is a failed cell with the words it has here."""
    rows = [*questions(6), Example(question=BROKEN).with_inputs("question")]
    with dspex.context(lm=a_model(server)):
        result = an_evaluation(rows, client).start(Answers()).result()
    (failed,) = [row for row in result.rows if row.error]
    assert failed.error == "ValueError: this question is broken"
    assert result.n == 6


def test_an_example_that_kills_workers_fails_alone(client: Any, server: Server):
    """What no worker survives is a failed cell; the others are scored, though they were beside it."""
    rows = [*questions(12), Example(question=POISON).with_inputs("question"), *questions(24)[12:]]
    with dspex.context(lm=a_model(server)):
        result = an_evaluation(rows, client).start(Answers()).result()
    (failed,) = [row for row in result.rows if row.error]
    assert failed.example.question == POISON
    assert "died" in failed.error
    assert result.n == 24
    until(lambda: len(client.nthreads()) == 3)


def test_typed_values_come_back_as_they_are(client: Any):
    """A prediction's values are of the classes they have here, and a program may ask no model at all."""
    rows = [Example(question="one two").with_inputs("question")]
    with dspex.context(lm=LM("practice")):
        result = dspex.Evaluate(devset=rows, metric=words, executor=client).start(Typed()).result()
    assert result.rows[0].score == 2
    assert result.rows[0].prediction.parts.words == ["one", "two"]


def test_cancel_reaches_calls_in_flight(client: Any):
    """Workers close the connections of a cancelled run at once, and take nothing new."""
    with serving(echo, latency=30.0) as slow, dspex.context(lm=a_model(slow)):
        run = an_evaluation(questions(40), client).start(Answers())
        until(lambda: slow.in_flight == 12)
        run.cancel()
        assert run.wait(5)
        until(lambda: slow.dropped == 12, 3)
        assert run.status == "cancelled"
        assert slow.hits == 12


def test_a_cancelled_run_leaves_the_client_as_it_was(client: Any, server: Server):
    """What is cut off in the midst of fetching results fails nobody else's."""
    server.latency = 0.0
    with dspex.context(lm=a_model(server)):
        for scored in range(3, 30, 5):
            evaluation = dspex.Evaluate(
                devset=questions(3000), metric=length, num_threads=64, executor=client
            )
            run = evaluation.start(Answers())
            until(lambda run=run, scored=scored: len(happened(run, ExampleScored)) > scored)
            run.cancel()
            assert run.wait(10)
            assert run.status == "cancelled"
            assert an_evaluation(questions(3), client).start(Answers()).result().n == 3


def test_a_paused_run_sends_nothing_new(client: Any, server: Server):
    """What is in flight ends, and no other example leaves before the run goes on."""
    with dspex.context(lm=a_model(server)):
        run = an_evaluation(questions(90), client).start(Answers())
        until(lambda: server.hits > 12)
        run.pause()
        before = -1
        while server.in_flight or before != server.hits:  # what had left is answered
            before = server.hits
            time.sleep(0.5)
        assert server.hits < 60
        run.resume()
        assert run.result().n == 90


def test_an_interrupt_that_a_metric_raises_costs_one_example_and_no_worker(client: Any, server: Server):
    """Nobody sits at a worker and presses Ctrl-C: it is the user's code, at this example."""

    def interrupting(example: Example, prediction: Any) -> float:
        if example.question == "0":
            raise KeyboardInterrupt
        return 1.0

    before = set(client.run(os.getpid).values())
    with dspex.context(lm=a_model(server)):
        evaluate = dspex.Evaluate(devset=questions(20), metric=interrupting, executor=client)
        result = evaluate(Answers())
    assert (result.n, result.errors) == (19, {0: "RuntimeError: KeyboardInterrupt"})
    assert set(client.run(os.getpid).values()) == before


def test_what_people_say_of_an_example_counts_over_there(client: Any, server: Server):
    """A label and a comment reach the worker with the example they are of."""
    rows = [row.copy(answer="no") for row in questions(60)]
    evaluate = dspex.Evaluate(devset=rows, metric=dspex.exact("answer"), num_threads=4, executor=client)
    with dspex.context(lm=a_model(server)):
        run = evaluate.start(Answers())
        run.label(rows[-1], {"answer": "x" * len(rows[-1].question)}, comment="It is long.", by="ada")
        run.result()
    told = {event.example: event for event in happened(run, ExampleScored)}
    seen = told[rows[-1].digest]
    assert (seen.score, seen.feedback) == (1.0, "A person says: It is long.")
    assert sum(event.score for event in told.values()) == 1.0


def test_a_cap_holds_over_all_workers(client: Any, server: Server):
    """Money is set aside before an example leaves: the workers together do not go beyond."""
    with dspex.context(lm=a_model(server, price=(1000.0, 1000.0), max_tokens=50)):
        run = an_evaluation(questions(200), client).start(Answers(), budget=1.0)
        run.wait(60)
    assert run.status == "stopped"
    assert "budget of $1.00 reached" in run.state.reason
    assert 0.5 < spent(run) <= 1.0


def test_a_cap_on_calls_holds_over_all_workers(client: Any, server: Server):
    """Calls are counted one by one, wherever they are made."""
    with dspex.context(lm=a_model(server)):
        run = an_evaluation(questions(100), client).start(Answers(), budget={"calls": 30})
        run.wait(60)
    assert run.status == "stopped"
    assert server.hits <= 30


def test_a_wrong_key_ends_the_run_and_says_where_keys_come_from(client: Any):
    """The provider's refusal is one error, which names the way to give workers a key."""
    with serving(echo, always=Fault(status=401)) as strict, dspex.context(lm=a_model(strict)):
        with pytest.raises(LMAuthError, match="give_keys"):
            an_evaluation(questions(40), client).start(Answers()).result()
        assert strict.hits <= 24


def test_keys_go_to_the_environment_and_nowhere_else(client: Any, server: Server):
    """Workers call with the key they were given; one that a model was made with stays here."""
    with dspex.context(lm=a_model(server, api_key="sk-stays-here-0123456")):
        an_evaluation(questions(3), client).start(Answers()).result()
    assert {headers["authorization"] for headers in map(_lower, server.headers)} == {f"Bearer {KEY}"}


def test_an_optimizer_scores_its_candidates_over_there(client: Any, server: Server):
    """A search on a cluster finds what it finds here: every candidate's cells come from the workers."""
    rows = questions(12)
    with dspex.context(lm=a_model(server, api_key=KEY)):
        optimizer = dspex.BootstrapRS(
            metric=length, num_candidate_programs=1, max_labeled_demos=2, num_threads=8
        )
        run = optimizer.start(Answers(), trainset=rows, valset=rows, executor=client, seed=1)
        best = run.result()
        there = {c.id: c.mean for c in run.state.candidates}
        run = optimizer.start(Answers(), trainset=rows, valset=rows, seed=1)
        assert run.result().dump_state() == best.dump_state()
        assert {c.id: c.mean for c in run.state.candidates} == there


def test_a_program_that_cannot_be_sent_is_told_at_once(client: Any, server: Server):
    """What belongs to this process is named, before anything is spent."""
    program = Answers()
    program.lock = __import__("threading").Lock()  # type: ignore[attr-defined]
    with (
        dspex.context(lm=a_model(server)),
        pytest.raises(ProgramError, match=r"The program cannot be sent.*lock"),
    ):
        an_evaluation(questions(3), client).start(program).result()
    assert server.hits == 0


def test_a_closed_client_is_refused(client: Any):
    """A cluster that is gone is told where the evaluation is written."""
    from distributed import Client

    other = Client(client.scheduler.address)
    other.close()
    with pytest.raises(SettingsError, match="closed"):
        an_evaluation(questions(1), other)


def test_a_cluster_that_is_lost_ends_the_run_with_words(server: Server):
    """Where the scheduler goes in mid-run, the run fails with what is to be done and keeps what it has."""
    from distributed import Client, LocalCluster

    with dspex.context(lm=a_model(server, api_key=KEY)):
        with (
            LocalCluster(
                n_workers=1,
                threads_per_worker=2,
                processes=True,
                dashboard_address="127.0.0.1:0",
                host="127.0.0.1",
            ) as cluster,
            Client(cluster) as own,
        ):
            own.run(os.environ.update, {"OPENAI_API_KEY": KEY})
            run = an_evaluation(questions(500), own).start(Answers())
            until(lambda: len(happened(run, ExampleScored)) > 5)
        with pytest.raises(DspexError, match="gave the work up"):
            run.result()


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
