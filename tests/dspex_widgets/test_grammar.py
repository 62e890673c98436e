"""The grammar of `%dspex`: what it accepts, what it says to everything else, and help that leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from dspex.errors import UsageError
from dspex_widgets.grammar import COMMANDS, Command, manual, overview
from dspex_widgets.parsing import parse
from dspex_widgets.tokens import split

ROOT = Path(__file__).parents[2]


def read(line: str):
    return parse(split(line)[0])


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda c: c.name)
def test_help_names_every_part_of_a_command(command: Command):
    """The usage and the manual of a subcommand hold each of its parts, the overview holds the subcommand."""
    text = manual(command)
    for part in command.parts:
        assert part.label in command.usage
        assert part.label in text.split("\n", 1)[1]
        assert part.help in text
    assert f"%dspex {command.name} " in overview()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda c: c.name)
def test_examples_in_the_help_are_valid(command: Command):
    """Every example of the help can be typed as it stands."""
    for example in command.examples:
        line = example.split("%dspex ", 1)[1]
        assert read(line).command is command


def lines_shown_to_users() -> list[str]:
    """Return every `%dspex` line of the README's code and of the notebooks' code cells."""
    code = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        code += [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [line for text in code for line in re.findall(r"%dspex (.*)", text)]


def test_what_readme_and_notebooks_type_is_valid():
    """Whoever copies a `%dspex` line from the README or a notebook types something the grammar knows."""
    lines = lines_shown_to_users()
    assert len(lines) >= 6
    for line in lines:
        assert read(line).command.name in COMMANDS


def test_values_are_kept_as_typed():
    """Options come in any order, with a blank or `=`; `-o` adds up; switches have an opposite."""
    call = read("optimize p --val=val[:5] -o a=1 --bg --with X -o b=(1, 2) --train t")
    assert call.texts == {"program": "p", "val": "val[:5]", "with": "X", "train": "t"}
    assert call.pairs == (("a", "1"), ("b", "(1, 2)"))
    assert call.switches == {"wait": False}
    assert read("runs --last=-1").texts == {"last": "-1"}
    assert read("lm x --temperature -1").texts["temperature"] == "-1"


@pytest.mark.parametrize("line", ["eval --help", "eval p --data --help", "eval -h", "help eval"])
def test_help_is_given_wherever_it_is_asked_for(line: str):
    """`--help` wins over whatever else stands in the line, and never exits."""
    call = read(line)
    assert (call.command.name, call.texts) == ("help", {"sub": "eval"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "optimise p",
            (
                "`%dspex` has no `optimise`. Did you mean `optimize`? It has: lm, eval, optimize, runs, show, wait, "
                "pause, resume, stop, cancel, cost, cache, report, help."
            ),
        ),
        (
            "report r1 --htlm x",
            "`%dspex report` has no option `--htlm`. Did you mean `--html`? It has: --html.",
        ),
        ("show r1 --html x", "`%dspex show` has no option `--html`. It has none."),
        ("eval", "`%dspex eval` needs `PROGRAM`: the program: a variable or an expression."),
        (
            "eval p --metric m",
            "`%dspex eval` needs `--data DATA`: examples to score on, such as val or val[:50].",
        ),
        ("eval p --data", "`--data` needs a value: `--data DATA`."),
        ("eval p --data --metric m", "`--data` needs a value: `--data DATA`."),
        (
            "eval p --data -x --metric m",
            "`--data` needs a value: `--data DATA`; one that begins with `-` is written `--data=-x`.",
        ),
        ("eval p --data a --data b", "`--data` is given twice."),
        (
            "eval p --data a + b --metric m",
            "`%dspex eval` does not know what to do with `+`; an expression with spaces goes in parentheses.",
        ),
        ("eval p --wait --bg", "`--wait` and `--bg` contradict each other; give one."),
        ("eval p --wait=yes", "`--wait` takes no value."),
        (
            "optimize p -o a = 1",
            "`-o a` cannot be read; write `-o key=value` without spaces round the `=`.",
        ),
        ("optimize p -o a=1 -o a=2", "`-o a` is given twice."),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(line: str, message: str):
    """Every slip names what was typed and what to type instead."""
    with pytest.raises(UsageError) as caught:
        read(line)
    assert str(caught.value) == message
