"""`%dspex` in a real IPython shell: it does what the public functions do, and answers every slip in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import dspex
from dspex_widgets import commands, magics
from dspex_widgets.answers import Code, Page, Table
from dspex_widgets.given import bare, qualify
from dspex_widgets.grammar import COMMANDS
from tests.dspex_widgets.shells import QUIET, SETUP, Shell, a_shell

DONE = (
    "run = %dspex optimize program --with LabeledFewShot --train train --val val[:4] --metric metric --wait"
)


@pytest.fixture(scope="module")
def loaded() -> Iterator[Shell]:
    with a_shell(SETUP) as shell:
        yield shell


@pytest.fixture
def shell(loaded: Shell) -> Shell:
    """The shell as after its first cell, whatever earlier tests did."""
    for name in loaded.names - {"dspex"}:
        del loaded.ip.user_ns[name]
    loaded.value(SETUP)
    return loaded


@pytest.fixture
def slow(shell: Shell) -> Shell:
    """The same with a model that answers so late that runs go on until they are told to end."""
    shell.value("%dspex lm practice --latency 30")
    return shell


def test_every_subcommand_has_its_function():
    """The table of subcommands and the functions behind them are the same set."""
    assert set(magics.ACTIONS) | {"cost"} == set(COMMANDS)


# ------------------------------------------------------------------------------------------ what it does


def test_alone_it_shows_the_model_the_runs_and_the_subcommands(slow: Shell):
    """`%dspex` says where one stands and what one may do."""
    slow.value("run = %dspex eval program --data val --metric metric")
    page = slow.value("%dspex")
    assert isinstance(page, Page)
    run = slow.ip.user_ns["run"]
    assert "LM('practice'), practice model, simulated prices" in page.text
    assert repr(run) in page.text
    assert all(f"%dspex {name}" in page.text for name in COMMANDS)
    run.cancel()


def test_lm_sets_the_model_and_asks_nobody(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    """The model is set with its options; a missing key is told before the first call and stops nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    lm = shell.value("%dspex lm openai/gpt-4o-mini --temperature 0.5 --max-tokens 9 --no-cache")
    assert lm is dspex.settings.lm
    assert (lm.model, lm.kwargs, lm.cache) == (
        "openai/gpt-4o-mini",
        {"temperature": 0.5, "max_tokens": 9},
        False,
    )
    monkeypatch.delenv("OPENAI_API_KEY")
    ran = shell.run("lm = %dspex lm openai/gpt-4o-mini")
    assert (ran.error, ran.printed) == ([], "OPENAI_API_KEY is not set; set it before the first call.\n")
    assert shell.value("%dspex lm practice --cache --latency {1 / 100}").cache is True


def test_eval_starts_a_run_and_returns_at_once(slow: Shell):
    """The value is the run of `Evaluate`, going on, also when the line is an assignment with a comment."""
    slow.value('ev = %dspex eval program --data val[:3] --metric exact("team") --name mine  # it\'s quick')
    run = slow.ip.user_ns["ev"]
    assert not run.done
    run.cancel()
    assert run.wait(5)
    state = run.state
    assert (state.method, state.name, state.metric, state.sizes) == (
        "Evaluate",
        "mine",
        "exact(team)",
        {"dev": 3},
    )


def test_wait_returns_when_the_run_is_over(shell: Shell):
    """`--wait` and `%dspex wait` give a run that is done, and its result is there."""
    run = shell.value("%dspex eval program --data val[:3] --metric metric --threads 2 --wait")
    assert run.done
    assert run.result().n == 3
    assert shell.value(f"%dspex wait {run.id}") is run
    assert list(shell.value("%dspex wait all --timeout 0.1")) == []


def test_wait_has_a_limit(slow: Shell):
    """With `--timeout` waiting ends, the run goes on."""
    slow.value("run = %dspex eval program --data val[:3] --metric metric")
    run = slow.value("%dspex wait run --timeout 0.01")
    assert not run.done
    assert [each.id for each in slow.value("%dspex wait --timeout 0.01")] == [run.id]
    run.cancel()


def test_optimize_makes_the_optimizer_and_hands_all_on(shell: Shell):
    """Class by name, however capitalised; `-o` goes to its constructor or to `start`; the best program comes out."""
    run = shell.value(
        "%dspex optimize program --with labeledFEWshot --train train[:9] --val {val[:4]} --metric (metric) "
        "-o k=3 -o sample=False --seed 7 --budget $2.50 --name small --wait"
    )
    state = run.state
    assert (state.method, state.sizes, state.seed) == ("LabeledFewShot", {"train": 9, "val": 4}, 7)
    assert (state.budget_usd, state.name) == (2.5, "small")
    train = shell.ip.user_ns["train"]
    assert [demo["ticket"] for demo in run.result().demos] == [row["ticket"] for row in train[:3]]


def test_optimize_takes_an_optimizer_that_was_made(shell: Shell):
    """An instance is started as it is, from a variable or an expression."""
    run = shell.value("%dspex optimize program --with {dspex.LabeledFewShot(k=2)} --train train --wait")
    assert len(run.result().demos) == 2
    shell.value("mine = dspex.LabeledFewShot(k=1)")
    run = shell.value("%dspex optimize program --with mine --train train -o sample=False --wait")
    assert len(run.result().demos) == 1


def test_cell_form_takes_its_options_from_the_lines_below(shell: Shell):
    """`%%dspex` reads the cell as more of the same line, comments left out."""
    run = shell.value("%%dspex eval program\n--data val[:2]  # two\n--metric metric\n--wait\n")
    assert run.result().n == 2


def test_backslash_continues_a_line(shell: Shell):
    """A long line may be broken, in an assignment too."""
    shell.value("run = %dspex eval program \\\n    --data val[:2] \\\n    --metric metric --wait")
    assert shell.ip.user_ns["run"].result().n == 2


def test_a_semicolon_silences_the_answer(shell: Shell):
    """A trailing `;` leaves nothing to show; without it the answer is the cell's value."""
    assert shell.run("%dspex lm practice;").value is None
    assert isinstance(shell.run("%dspex cost").value, Table)


def test_braces_and_dollars_are_the_users_own(shell: Shell):
    """IPython expands nothing: a dict in the line arrives as a dict."""
    shell.value("def make(options): return metric if options == {'a': '$b'} else None")
    run = shell.value("%dspex eval program --data val[:1] --metric make({'a': '$b'}) --wait")
    assert run.result().n == 1


def test_the_users_names_win_over_dspex_names(shell: Shell):
    """`exact` is dspex's unless the notebook has its own."""
    shell.value("def exact(*names): return lambda example, prediction: 0.25")
    run = shell.value('%dspex eval program --data val[:2] --metric exact("team") --wait')
    assert run.result().mean == 0.25


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("lm practice --latency 0.5", "dspex.configure(lm=dspex.LM('practice', latency=0.5))"),
        (
            'eval program --data val[:5] --metric exact("team") --threads 4 --budget 1',
            (
                'run = dspex.Evaluate(devset=val[:5], metric=dspex.exact("team"), num_threads=4)'
                ".start(program, budget=1.0)"
            ),
        ),
        (
            (
                "optimize program --with BootstrapFewShot --train train --val val --metric metric"
                " -o max_rounds=2 -o teacher=program --seed 1"
            ),
            (
                "run = dspex.BootstrapFewShot(metric=metric, max_rounds=2)"
                ".start(program, trainset=train, valset=val, seed=1, teacher=program)"
            ),
        ),
        (
            'optimize program --with BootstrapFewShot(metric=exact("team")) --train train',
            'run = dspex.BootstrapFewShot(metric=dspex.exact("team")).start(program, trainset=train)',
        ),
    ],
)
def test_code_shows_python_that_does_the_same(shell: Shell, line: str, code: str):
    """`--code` starts nothing; what it shows runs as it stands."""
    before = len(dspex.runs.list())
    shown = shell.value(f"%dspex {line} --code")
    assert isinstance(shown, Code)
    assert (str(shown), repr(shown)) == (code, code)
    assert len(dspex.runs.list()) == before
    run = shell.value(f"run = None\n{shown}\nrun")
    assert run is None or run.wait(10)


def test_runs_are_listed_newest_first_and_filtered(shell: Shell):
    """`--last` counts, `--state` picks by the run's own word."""
    shell.value(DONE)
    mine = shell.ip.user_ns["run"].id
    assert [run.id for run in shell.value("%dspex runs --last 1")] == [mine]
    assert {run.status for run in shell.value("%dspex runs --state finished")} == {"finished"}
    assert len(shell.value("%dspex runs --last 1 --state lost")) == 0
    assert mine in shell.run("%dspex runs").printed


def test_a_run_is_meant_by_id_by_name_or_as_the_last(shell: Shell):
    """`r3`, `@r3`, `@last`, a variable, an expression and nothing at all find the same run."""
    shell.value(DONE)
    run = shell.ip.user_ns["run"]
    for word in (run.id, f"@{run.id}", "@last", "run", "[run][0]", "{run}"):
        assert shell.value(f"%dspex wait {word}").id == run.id
    shown = shell.run("%dspex show")
    assert (shown.value, shown.printed.strip()) == (None, repr(run))


def test_a_word_that_means_two_runs_is_refused(shell: Shell):
    """A variable named like another run's id never steers the wrong one."""
    shell.value(DONE)
    first, run = dspex.runs.list()[-1], shell.ip.user_ns["run"]
    shell.ip.user_ns[first.id] = run
    assert shell.error(f"%dspex stop {first.id}") == (
        f"UsageError: `{first.id}` is the run {first.id} and also your variable, which holds run {run.id}; "
        f"write `@{first.id}` or `@{run.id}`."
    )
    del shell.ip.user_ns[first.id]


def test_a_run_is_steered(slow: Shell):
    """pause, resume, stop and cancel are the run's own methods; without a name they mean the one that goes on."""
    slow.value("run = %dspex eval program --data val --metric metric")
    run = slow.ip.user_ns["run"]
    for verb, said in (
        ("pause", "pauses: calls in flight end, nothing new starts"),
        ("resume", "goes on"),
        ("stop", "stops soon and keeps its best"),
        (f"cancel {run.id}", "ends now; what was found so far stays"),
    ):
        assert str(slow.value(f"%dspex {verb}")) == f"Run {run.id} {said}."
    assert run.wait(5)
    kinds = [type(event).__name__ for event in run.events]
    assert [k for k in kinds if k.startswith("Run")] == [
        "RunStart",
        "RunPaused",
        "RunResumed",
        "RunStopping",
        "RunStopping",
        "RunEnd",
    ]
    assert slow.error(f"%dspex stop {run.id}") == f"UsageError: Run {run.id} is over: it is {run.status}."
    assert slow.error("%dspex stop") == "UsageError: No run is going on in this kernel."


def test_cost_counts_runs_and_single_calls(shell: Shell):
    """The kernel's table holds every call; a run's table its own; both say that prices are simulated."""
    before = [row[:3] for row in shell.value("%dspex cost").rows]
    run = shell.value("%dspex eval program --data val[:3] --metric metric --wait")
    shell.value('answer = program(ticket="Charged twice")')
    after = shell.value("%dspex cost")
    calls = int(after.rows[0][2].replace(",", "")) - int((before or [("", "", "0")])[0][2].replace(",", ""))
    assert calls == 4
    own = shell.value(f"%dspex cost {run.id}")
    assert own.rows[0][:4] == ("practice", "task", "3", "0")
    assert re.fullmatch(rf"\$0\.\d+ for run {run.id}\. practice model, simulated prices\.", own.note)
    assert "<table>" in own._repr_html_()


def test_report_writes_a_file(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The path comes back; without `--html` it is named after the run."""
    monkeypatch.chdir(tmp_path)
    shell.value(DONE)
    run = shell.ip.user_ns["run"]
    assert shell.value("%dspex report run --html 'my triage.html'") == Path("my triage.html")
    assert shell.value("%dspex report") == Path(f"dspex-{run.id}.html")
    assert {path.name for path in tmp_path.iterdir()} == {"my triage.html", f"dspex-{run.id}.html"}


def test_help_is_a_page_and_the_docstring_lists_all(shell: Shell):
    """`help`, `--help` and `%dspex?` read the same grammar."""
    assert str(shell.value("%dspex help eval")) == str(shell.value("%dspex eval --help"))
    assert "--data DATA" in shell.value("%dspex help eval").text
    magic = shell.ip.find_line_magic("dspex")
    assert magic is not None
    assert all(f"%dspex {name}" in (magic.__doc__ or "") for name in COMMANDS)


# ------------------------------------------------------------------------------------------- what it refuses

BAD = {
    "unknown provider": (
        "lm opnai/gpt-4o",
        (
            "SettingsError: Unknown provider `opnai` in `opnai/gpt-4o`. Did you mean `openai`? For an "
            "OpenAI-compatible endpoint of your own pass `api_base=`."
        ),
    ),
    "no number": ("lm practice --temperature hot", "UsageError: `--temperature` takes a number, not `hot`."),
    "signature without output": (
        'eval dspex.Predict("ticket ->") --data val --metric metric',
        "SignatureError: No output at column 10: `ticket ->^`; name one after `->`, for example `ticket -> answer`.",
    ),
    "example without inputs": (
        'eval program --data [dspex.Example(ticket="x", team="bug")] --metric metric',
        "DataError: `devset[0]` does not say which of its fields (ticket, team) are inputs; write `.with_inputs(...)`.",
    ),
    "empty train": (
        "optimize program --with BootstrapFewShot --train [] --metric metric",
        "DataError: `trainset` is empty: give at least one `dspex.Example(...).with_inputs(...)`.",
    ),
    "budget of zero": (
        "eval program --data val --metric metric --budget 0",
        "SettingsError: A budget of $0 allows no call; give more than 0, or None for no cap.",
    ),
    "budget that is none": (
        "eval program --data val --metric metric --budget nan",
        "UsageError: `--budget` takes a number, not `nan`.",
    ),
    "no thread": (
        "eval program --data val --metric metric --threads 0",
        "UsageError: `--threads` takes a whole number of at least 1, not `0`.",
    ),
    "metric of text": (
        'eval program --data val --metric "exact"',
        "SettingsError: `metric` takes a function of (example, prediction), not `str`.",
    ),
    "unknown run": ("show r987654", None),
    "unknown word for last": (
        "show @lst",
        "RunNotFoundError: There is no run `@lst`. Did you mean `@last`?",
    ),
    "no run": (
        "stop program",
        "UsageError: `program` is a `Predict`, not a run; give a run, its id such as r3, or @last.",
    ),
    "unknown variable": (
        "eval progrm --data val --metric metric",
        "UsageError: `PROGRAM`: `progrm` is not defined in this notebook. Did you mean `program`?",
    ),
    "unknown metric": (
        'eval program --data val --metric exct("team")',
        "UsageError: `--metric`: `exct` is not defined in this notebook. Did you mean `exact`?",
    ),
    "no expression": (
        "eval program --data (val val) --metric metric",
        "UsageError: `(val val)` is no Python expression (invalid syntax. Perhaps you forgot a comma?).",
    ),
    "no expression to spell": (
        "eval 2nd --data val --metric metric --code",
        "UsageError: `2nd` is no Python expression (invalid decimal literal).",
    ),
    "expression that raises": (
        "eval program --data val[999] --metric metric",
        "UsageError: `--data`: `val[999]` raised IndexError: tuple index out of range",
    ),
    "unknown optimizer": (
        "optimize program --with BootstrapFewShots --train train --metric metric",
        (
            "UsageError: `--with`: there is no optimizer `BootstrapFewShots`. Did you mean `BootstrapFewShot`? Optimizers: "
            "BootstrapFewShot, BootstrapFewShotWithRandomSearch, LabeledFewShot."
        ),
    ),
    "no optimizer": (
        "optimize program --with program --train train",
        (
            "UsageError: `--with program` is a `Predict`, not an optimizer; optimizers: BootstrapFewShot, "
            "BootstrapFewShotWithRandomSearch, LabeledFewShot."
        ),
    ),
    "no metric": (
        "optimize program --with BootstrapFewShotWithRandomSearch --train train",
        (
            "UsageError: `BootstrapFewShotWithRandomSearch` needs a metric: add `--metric`, such as "
            '`--metric exact("answer")`.'
        ),
    ),
    "metric twice": (
        "optimize program --with dspex.LabeledFewShot(k=1) --train train --metric metric",
        "UsageError: `--metric`: `dspex.LabeledFewShot(k=1)` has a metric of its own; leave one of the two out.",
    ),
    "unknown option": (
        "optimize program --with LabeledFewShot --train train -o sampl=1",
        "UsageError: `LabeledFewShot` takes no option `sampl`. Did you mean `sample`? It takes: k, sample, teacher.",
    ),
    "option with a switch of its own": (
        "optimize program --with LabeledFewShot --train train -o seed=1",
        "UsageError: `-o seed`: write `--seed` instead.",
    ),
    "option without quotes": (
        "optimize program --with LabeledFewShot --train train -o k=many",
        'UsageError: `-o k`: `many` is not defined in this notebook. A text needs quotes: "many".',
    ),
    "unknown state": (
        "runs --state runing",
        (
            "UsageError: No run is ever `runing`. Did you mean `running`? States: starting, running, paused, stopping, "
            "stopped, cancelled, finished, failed, lost."
        ),
    ),
    "report into a folder that is not there": (
        "report --html /nowhere/at/all.html",
        "UsageError: The folder `/nowhere/at` does not exist; make it first or name another one.",
    ),
    "open quote": ("lm it's", "UsageError: The quote `'` is never closed in `lm it's`."),
    "unknown subcommand": (
        "optimise program",
        (
            "UsageError: `%dspex` has no `optimise`. Did you mean `optimize`? It has: lm, eval, optimize, runs, show, "
            "wait, pause, resume, stop, cancel, cost, cache, report, help."
        ),
    ),
    "help for what is not there": ("help evl", None),
}


@pytest.mark.parametrize("slip", BAD)
def test_bad_input_gets_one_line(shell: Shell, slip: str):
    """Every slip is one line that says what to do; no traceback, and no run is left behind."""
    shell.value(DONE)
    before = len(dspex.runs.list())
    line, message = BAD[slip]
    told = shell.error(f"%dspex {line}")
    if message is not None:
        assert told == message
    assert len(dspex.runs.list()) == before


def test_metric_that_raises_ends_the_run_with_its_words(shell: Shell):
    """The cell returns; the run says whose fault it was."""
    shell.value("def broken(example, prediction): raise ValueError('no such key')")
    run = shell.value("%dspex eval program --data val[:3] --metric broken --wait")
    assert (run.status, run.state.reason) == ("failed", "Metric `broken` raised ValueError: no such key")


def test_missing_key_ends_the_run_with_its_words(shell: Shell):
    """Nothing is asked over the network without a key; the run names the variable to set."""
    run = shell.value(
        "%dspex lm openai/gpt-4o-mini\n%dspex eval program --data val[:1] --metric metric --wait"
    )
    assert run.status == "failed"
    assert "OPENAI_API_KEY" in run.state.reason


def test_errors_of_the_library_keep_their_name(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An error that is no slip of the typist is one line too, under its own name."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("DSPEX_HOME", str(tmp_path / "file"))
    told = shell.error("%dspex eval program --data val[:1] --metric metric")
    assert told.startswith("JournalError: Runs cannot be kept in")


def test_interrupt_ends_the_waiting_and_not_the_run(slow: Shell, monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C in a cell that waits is one line; the run goes on."""

    def interrupted(run: dspex.Run, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    slow.value("run = %dspex eval program --data val --metric metric")
    monkeypatch.setattr(commands, "settle", interrupted)
    run = slow.ip.user_ns["run"]
    ran = slow.run("%dspex wait run")
    assert ran.error == [f"KeyboardInterrupt: stopped waiting; run {run.id} goes on"]
    assert not run.done
    run.cancel()


# ------------------------------------------------------------------------------------------- loading


def test_loading_twice_and_unloading_is_harmless(shell: Shell):
    """`%load_ext` again, `register` again and `unregister` twice leave one magic, or none."""
    ip = shell.ip
    magics.register(ip)
    magics.register(ip)
    shell.value("%load_ext dspex")
    hooks = ip.strdispatchers["complete_command"].regexs
    assert sum(len(list(chain)) for pattern, chain in hooks.items() if "dspex" in pattern.pattern) == 1
    magics.unregister(ip)
    magics.unregister(ip)
    assert ip.find_line_magic("dspex") is None
    assert not any("dspex" in pattern.pattern for pattern in hooks)
    shell.value("%reload_ext dspex")
    assert isinstance(shell.value("%dspex"), Page)


def test_loading_brings_the_name_dspex_and_overwrites_nothing():
    """After `%load_ext dspex` the package can be used at once; a variable of that name stays."""
    ip = InteractiveShell(config=QUIET)
    magics.register(ip)
    assert ip.user_ns["dspex"] is dspex
    ip.user_ns["dspex"] = "mine"
    magics.register(ip)
    assert ip.user_ns["dspex"] == "mine"
    magics.unregister(ip)


# ------------------------------------------------------------------------------------------- Python in the line


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ('exact("exact")', 'x.exact("exact")'),
        ("[exact(n) for n in names]", "[x.exact(n) for n in names]"),
        ("lambda exact: exact", "lambda exact: exact"),
        ("a.exact", "a.exact"),
        ("é + exact", "é + x.exact"),
        ("(1,\n exact)", "(1,\n x.exact)"),
    ],
)
def test_only_free_names_are_qualified(source: str, meant: str):
    """A prefix goes before names the expression reads, and before nothing else."""
    assert qualify(source, {"exact"}, "x.") == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{val}", "val"),
        ("{a + b}", "a + b"),
        ("{'a': 1}", "{'a': 1}"),
        ("{1, 2}", "{1, 2}"),
        ("{}", "{}"),
        ("{*a}", "{*a}"),
        ("{a}.pop() or {b}", "{a}.pop() or {b}"),
    ],
)
def test_braces_round_an_expression_are_no_set(text: str, meant: str):
    """`{x}` is x; dicts, sets of several and anything else stay."""
    assert bare(text) == meant
