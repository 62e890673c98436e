"""Tab after `%dspex` offers what may stand there, through both of IPython's completion interfaces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from IPython.core.completer import provisionalcompleter

from dspex_widgets import completion
from dspex_widgets.grammar import COMMANDS
from tests.dspex_widgets.shells import SETUP, Shell, a_shell

MORE = """
other = dspex.ChainOfThought("ticket -> team")
optimizer = dspex.LabeledFewShot(k=2)
words = ["no", "examples"]
def judge(example, prediction, trace=None): return 1.0
%dspex eval program --data val[:1] --metric metric --wait
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with a_shell(SETUP, MORE) as shell:
        yield shell


def offered(shell: Shell, line: str) -> list[str]:
    """Return what both interfaces offer at the end of the line; they must agree."""
    shell.ip.Completer.use_jedi = False
    with provisionalcompleter(), warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # notebooks still ask this way
        word, plain = shell.ip.complete(None, line)
        rich = [line[: c.start] + c.text for c in shell.ip.Completer.completions(line, len(line))]
    assert sorted(rich) == sorted(line.removesuffix(word) + each for each in plain)
    return plain


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%dspex op", ["optimize"]),
        ("run = %dspex op", ["optimize"]),
        ("run=%dspex OP", ["optimize"]),
        ("    %dspex sh", ["show"]),
        ("%%dspex ev", ["eval"]),
        ("%dspex eval pro", ["program"]),
        ("%dspex eval program --da", ["--data"]),
        ("%dspex eval program --data ", ["train", "val", "test"]),
        ("%dspex eval program --metric ", ["metric", "judge", "exact(", "answer_exact_match"]),
        (
            "%dspex optimize program --with boot",
            ["BootstrapFewShot", "BootstrapFewShotWithRandomSearch"],
        ),
        ("%dspex optimize program --with opt", ["optimizer"]),
        ("%dspex optimize program --with LabeledFewShot -o ", ["k=", "sample="]),
        ("%dspex optimize program --with labeledfewshot --train train -o s", ["sample="]),
        ("%dspex show @la", ["last"]),
        ("%dspex runs --state fin", ["finished"]),
        ("%dspex lm pra", ["practice"]),
        ("%dspex help can", ["cancel"]),
    ],
)
def test_what_fits_is_offered(shell: Shell, line: str, words: list[str]):
    """Each place offers its kind: subcommands, options, the user's own programs, data, metrics and optimizers."""
    assert offered(shell, line) == words


def test_runs_are_offered_by_id_and_by_name(shell: Shell):
    """A place for a run offers variables that hold one, `@last` and the ids on disk."""
    shell.ip.user_ns["mine"] = shell.value("dspex.runs.last()")
    words = offered(shell, "%dspex show ")
    assert words[:2] == ["mine", "@last"]
    assert shell.ip.user_ns["mine"].id in words
    assert "all" not in words
    assert "all" in offered(shell, "%dspex wait ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_offered_once(shell: Shell, name: str):
    """After `-` a subcommand offers its options but those already given."""
    flags = list(COMMANDS[name].flags)
    assert completion.complete(shell.ip, f"{name} -") == flags
    for flag in flags:
        assert (flag == "-o") is (flag in completion.complete(shell.ip, f"{name} {flag} x -"))


@pytest.mark.parametrize("typed", ["eval exact(", "eval 'a", "nothing ", "eval p) --"])
def test_inside_python_tab_is_pythons(shell: Shell, typed: str):
    """Within brackets and quotes, and after what is no subcommand, nothing is offered."""
    assert completion.complete(shell.ip, typed) == []


def test_other_lines_are_left_alone(shell: Shell):
    """Lines without `%dspex` complete as before, and so does a comment that names it."""
    assert "lm" not in offered(shell, "# %dspex ")
    assert "program" in offered(shell, "progr")
