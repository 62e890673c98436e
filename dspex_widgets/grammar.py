"""The grammar of `%dspex`: one table of subcommands, read by the parser, the help and the completion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dspex.errors import UsageError, nearest

Kind = Literal[
    "text", "file", "whole", "number", "flag", "pair", "program", "rows", "metric", "optimizer", "run", "sub"
]
"""What a value is: program, rows, metric and optimizer are Python; any other may be `{python}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value or switch of a subcommand; positional where it has no `flag`."""

    name: str
    kind: Kind
    shown: str = ""
    """How the value is written in the help."""
    help: str
    flag: str = ""
    off: str = ""
    """The switch that says the opposite."""
    required: bool = False
    least: int | None = None
    """The smallest number it takes."""

    @property
    def label(self) -> str:
        """The part as it is typed: `--data DATA`, `--wait | --bg`, `PROGRAM`."""
        if self.kind == "flag":
            return f"{self.flag} | {self.off}" if self.off else self.flag
        return f"{self.flag} {self.shown}".strip()

    @property
    def where(self) -> str:
        """What errors call it."""
        return self.flag or self.shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand: what it takes and what it is for."""

    name: str
    help: str
    parts: tuple[Part, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def positional(self) -> list[Part]:
        """Parts without a flag, in order."""
        return [part for part in self.parts if not part.flag]

    @property
    def flags(self) -> dict[str, Part]:
        """Every option string with the part it belongs to."""
        return {flag: part for part in self.parts for flag in (part.flag, part.off) if flag}

    @property
    def usage(self) -> str:
        """The whole command in one line."""
        words = [f"%dspex {self.name}"]
        for part in self.parts:
            label = part.label if part.required else f"[{part.label}]"
            words.append(f"{label} ..." if part.kind == "pair" else label)
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A parsed line: the subcommand, and what was typed for each part."""

    command: Command
    texts: dict[str, str] = field(default_factory=dict)
    switches: dict[str, bool] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()


def _part(
    label: str, kind: Kind, help: str, *, name: str = "", required: bool = False, least: int | None = None
) -> Part:
    """Return the part that is typed like this: `PROGRAM`, `--data DATA` or `--wait | --bg`."""
    flag, _, shown = label.partition(" ") if label.startswith("-") else ("", "", label)
    off = shown.removeprefix("| ") if kind == "flag" else ""
    return Part(
        name=name or (flag.strip("-") or shown).lower().replace("-", "_"),
        kind=kind,
        shown="" if kind == "flag" else shown,
        help=help,
        flag=flag,
        off=off,
        required=required,
        least=least,
    )


def _run(help: str) -> Part:
    return _part("RUN", "run", help)


PROGRAM = _part("PROGRAM", "program", "the program: a variable or an expression", required=True)
SCORES = 'a function that scores an answer, such as exact("team")'
BUDGET = _part("--budget USD", "number", "cap in US dollars; a call that could cross it is refused")
NAME = _part("--name NAME", "text", "what to call the run")
WAIT = _part(
    "--wait | --bg", "flag", "wait for the end, or not; by default only where nobody watches (nbconvert)"
)
CODE = _part("--code", "flag", "show the same as Python, and do nothing")
RUN = _run("a variable, an id such as r3, or @last; the last run by default")
STEER = _run("a variable, an id such as r3, or @last; the run that is going on by default")

_ALL = (
    Command(
        name="lm",
        help="Choose the language model; nothing is called yet.",
        parts=(
            _part(
                "MODEL", "text", "provider/model, or practice: built in, no key, no network", required=True
            ),
            _part("--temperature T", "number", "for every call"),
            _part("--max-tokens N", "whole", "longest answer", least=1),
            _part("--latency S", "number", "seconds the practice model takes for an answer"),
            _part("--api-base URL", "text", "an OpenAI-compatible address"),
            _part("--cache | --no-cache", "flag", "keep answers and give them again, or not"),
            CODE,
        ),
        examples=("%dspex lm practice", "%dspex lm openai/gpt-4o-mini --temperature 0.7"),
    ),
    Command(
        name="eval",
        help="Score a program on examples, in the background, and watch it.",
        parts=(
            PROGRAM,
            _part("--data DATA", "rows", "examples to score on, such as val or val[:50]", required=True),
            _part("--metric METRIC", "metric", SCORES, required=True),
            _part("--threads N", "whole", "examples in flight at once", least=1),
            *(BUDGET, NAME, WAIT, CODE),
        ),
        examples=('ev = %dspex eval program --data val --metric exact("team")',),
    ),
    Command(
        name="optimize",
        help="Improve a program, in the background, and watch it.",
        parts=(
            PROGRAM,
            _part("--with OPTIMIZER", "optimizer", "an optimizer's name, or one you made", required=True),
            _part("--train T", "rows", "examples to learn from", required=True),
            _part("--val V", "rows", "examples to score candidates on"),
            _part("--metric METRIC", "metric", SCORES),
            _part(
                "-o key=value", "pair", "an option of the optimizer, such as -o max_rounds=2", name="options"
            ),
            BUDGET,
            _part("--seed N", "whole", "of all randomness"),
            *(NAME, WAIT, CODE),
        ),
        examples=(
            'run = %dspex optimize program --with BootstrapFewShot --train train --val val --metric exact("team")',
        ),
    ),
    Command(
        name="runs",
        help="List all runs on this machine, newest first.",
        parts=(
            _part("--last N", "whole", "so many at the most", least=1),
            _part("--state S", "text", "only those in this state, such as running"),
        ),
        examples=("%dspex runs --last 5",),
    ),
    Command(
        name="show",
        help="Show a run again, also one of a dead kernel.",
        parts=(RUN,),
        examples=("%dspex show r3",),
    ),
    Command(
        name="wait",
        help="Wait until runs are over; Ctrl-C stops waiting, the runs go on.",
        parts=(
            _run("a variable, an id such as r3, @last, or all; all live runs of this kernel by default"),
            _part("--timeout S", "number", "seconds to wait at most", least=0),
        ),
        examples=("%dspex wait", "%dspex wait r3 --timeout 60"),
    ),
    Command(name="pause", help="Let nothing new start in a run.", parts=(STEER,)),
    Command(name="resume", help="Let a paused run go on.", parts=(STEER,)),
    Command(
        name="stop", help="End a run soon and keep its best.", parts=(STEER,), examples=("%dspex stop r3",)
    ),
    Command(name="cancel", help="End a run now; what was found so far stays.", parts=(STEER,)),
    Command(
        name="cost",
        help="Say what was asked of models and what it cost, by model and role.",
        parts=(_run("a variable, an id such as r3, or @last; everything in this kernel by default"),),
        examples=("%dspex cost", "%dspex cost r3"),
    ),
    Command(
        name="cache",
        help="Say which answers are kept; prune, export or import them.",
        parts=(
            _part("ACT", "text", "prune, export or import; nothing to see what is kept"),
            _part("FILE", "file", "the file to export to or to import, such as answers.jsonl"),
            _part("--keep SIZE", "text", "prune until so much is left, such as 1GB; the least used go first"),
            _part("--older AGE", "text", "prune what was not used for so long, such as 30d"),
            CODE,
        ),
        examples=(
            "%dspex cache",
            "%dspex cache prune --keep 1GB --older 30d",
            "%dspex cache export answers.jsonl",
        ),
    ),
    Command(
        name="report",
        help="Write one HTML file of a run that needs no network to read.",
        parts=(RUN, _part("--html FILE", "file", "the file; dspex-RUN.html by default")),
        examples=("%dspex report run --html triage.html",),
    ),
    Command(name="help", help="Explain a subcommand.", parts=(_part("SUB", "sub", "its name"),)),
)
COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
"""All subcommands, in the order the help lists them."""


def find(name: str) -> Command:
    """Return the subcommand with this name.

    Raises:
        UsageError: there is none.
    """
    if name not in COMMANDS:
        raise UsageError(f"`%dspex` has no `{name}`.{nearest(name, COMMANDS)} It has: {', '.join(COMMANDS)}.")
    return COMMANDS[name]


def overview() -> str:
    """Return one line for each subcommand."""
    width = max(len(name) for name in COMMANDS)
    return "\n".join(f"%dspex {name.ljust(width)}  {command.help}" for name, command in COMMANDS.items())


def manual(command: Command) -> str:
    """Return everything about one subcommand."""
    lines = [command.usage, "", command.help]
    if command.parts:
        width = max(len(part.label) for part in command.parts)
        lines += ["", *(f"  {part.label.ljust(width)}  {part.help}" for part in command.parts)]
    if command.examples:
        lines += ["", *(f"  {example}" for example in command.examples)]
    return "\n".join(lines)
