"""The grammar of `%dspex`: one table of subcommands, read by the parser, the help and the completion.

The parser is our own because its errors are for people in a notebook: one line, the nearest match, no exit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from dspex.errors import UsageError, nearest

Kind = Literal["text", "file", "whole", "number", "flag", "pair", "program", "rows", "metric", "optimizer", "run", "sub"]
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


PROGRAM = Part(name="program", kind="program", shown="PROGRAM", required=True, help="the program: a variable or an expression")
METRIC = Part(name="metric", kind="metric", flag="--metric", shown="METRIC", help='a function that scores an answer, such as exact("team")')
BUDGET = Part(name="budget", kind="number", flag="--budget", shown="USD", help="cap in US dollars; a call that could cross it is refused")
NAME = Part(name="name", kind="text", flag="--name", shown="NAME", help="what to call the run")
WAIT = Part(name="wait", kind="flag", flag="--wait", off="--bg", help="wait for the end, or not; by default only where nobody watches (nbconvert, papermill)")
CODE = Part(name="code", kind="flag", flag="--code", help="show the same as Python, and do nothing")


def _run(help: str) -> Part:
    return Part(name="run", kind="run", shown="RUN", help=help)


RUN = _run("a variable, an id such as r3, or @last; the last run by default")
STEER = _run("a variable, an id such as r3, or @last; the run that is going on by default")

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            name="lm",
            help="Choose the language model; nothing is called yet.",
            parts=(
                Part(name="model", kind="text", shown="MODEL", required=True, help="provider/model, or practice: built in, no key, no network"),
                Part(name="temperature", kind="number", flag="--temperature", shown="T", help="for every call"),
                Part(name="max_tokens", kind="whole", flag="--max-tokens", shown="N", help="longest answer"),
                Part(name="latency", kind="number", flag="--latency", shown="S", help="seconds the practice model takes for an answer"),
                Part(name="api_base", kind="text", flag="--api-base", shown="URL", help="an OpenAI-compatible address"),
                Part(name="cache", kind="flag", flag="--cache", off="--no-cache", help="keep answers and give them again, or not"),
                CODE,
            ),
            examples=("%dspex lm practice", "%dspex lm openai/gpt-4o-mini --temperature 0.7"),
        ),
        Command(
            name="eval",
            help="Score a program on examples, in the background, and watch it.",
            parts=(
                PROGRAM,
                Part(name="data", kind="rows", flag="--data", shown="DATA", required=True, help="examples to score on, such as val or val[:50]"),
                Part(name="metric", kind="metric", flag="--metric", shown="METRIC", required=True, help=METRIC.help),
                Part(name="threads", kind="whole", flag="--threads", shown="N", help="examples in flight at once"),
                BUDGET, NAME, WAIT, CODE,
            ),
            examples=('ev = %dspex eval program --data val --metric exact("team")',),
        ),
        Command(
            name="optimize",
            help="Improve a program, in the background, and watch it.",
            parts=(
                PROGRAM,
                Part(name="with", kind="optimizer", flag="--with", shown="OPTIMIZER", required=True, help="an optimizer's name, or one you made"),
                Part(name="train", kind="rows", flag="--train", shown="T", required=True, help="examples to learn from"),
                Part(name="val", kind="rows", flag="--val", shown="V", help="examples to score candidates on"),
                METRIC,
                Part(name="options", kind="pair", flag="-o", shown="key=value", help="an option of the optimizer, such as -o num_candidate_programs=8"),
                BUDGET,
                Part(name="seed", kind="whole", flag="--seed", shown="N", help="of all randomness"),
                NAME, WAIT, CODE,
            ),
            examples=('run = %dspex optimize program --with BootstrapFewShot --train train --val val --metric exact("team")',),
        ),
        Command(
            name="runs",
            help="List all runs on this machine, newest first.",
            parts=(
                Part(name="last", kind="whole", flag="--last", shown="N", help="so many at the most"),
                Part(name="state", kind="text", flag="--state", shown="S", help="only those in this state, such as running"),
            ),
            examples=("%dspex runs --last 5",),
        ),
        Command(name="show", help="Show a run again, also one of a dead kernel.", parts=(RUN,), examples=("%dspex show r3",)),
        Command(
            name="wait",
            help="Wait until runs are over; Ctrl-C stops waiting, the runs go on.",
            parts=(
                _run("a variable, an id such as r3, @last, or all; all live runs of this kernel by default"),
                Part(name="timeout", kind="number", flag="--timeout", shown="S", help="seconds to wait at most"),
            ),
            examples=("%dspex wait", "%dspex wait r3 --timeout 60"),
        ),
        Command(name="pause", help="Let nothing new start in a run.", parts=(STEER,)),
        Command(name="resume", help="Let a paused run go on.", parts=(STEER,)),
        Command(name="stop", help="End a run soon and keep its best.", parts=(STEER,), examples=("%dspex stop r3",)),
        Command(name="cancel", help="End a run now; what was found so far stays.", parts=(STEER,)),
        Command(
            name="cost",
            help="Say what was asked of models and what it cost, by model and role.",
            parts=(_run("a variable, an id such as r3, or @last; everything in this kernel by default"),),
            examples=("%dspex cost", "%dspex cost r3"),
        ),
        Command(
            name="report",
            help="Write one HTML file of a run that needs no network to read.",
            parts=(RUN, Part(name="html", kind="file", flag="--html", shown="FILE", help="the file; dspex-RUN.html by default")),
            examples=("%dspex report run --html triage.html",),
        ),
        Command(
            name="help",
            help="Explain a subcommand.",
            parts=(Part(name="sub", kind="sub", shown="SUB", help="its name"),),
        ),
    )
}  # fmt: skip


def parse(words: list[str]) -> Call:
    """Read the words of a line that has at least one.

    Raises:
        UsageError: an unknown subcommand or option, a value that is missing or too many.

    Example:
        >>> parse(["runs", "--last", "3"]).texts
        {'last': '3'}
    """
    word, *rest = words
    if word in {"-h", "--help"}:
        return Call(command=COMMANDS["help"])
    command = find(word)
    if {"-h", "--help"} & set(rest):
        return Call(command=COMMANDS["help"], texts={"sub": word})
    return _Parser(command).read(rest)


def find(name: str) -> Command:
    """Return the subcommand with this name.

    Raises:
        UsageError: there is none.
    """
    if name not in COMMANDS:
        raise UsageError(f"`%dspex` has no `{name}`.{nearest(name, COMMANDS)} It has: {', '.join(COMMANDS)}.")
    return COMMANDS[name]


def is_option(word: str) -> bool:
    """Tell whether a word is meant as an option: `-o`, `--data`, but neither `-1` nor `-`."""
    return len(word) > 1 and word[0] == "-" and (word[1] == "-" or word[1].isalpha())


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


class _Parser:
    def __init__(self, command: Command) -> None:
        self._command = command
        self._free = command.positional
        self._texts: dict[str, str] = {}
        self._switches: dict[str, bool] = {}
        self._pairs: list[tuple[str, str]] = []

    def read(self, words: list[str]) -> Call:
        queue = iter(words)
        for word in queue:
            if is_option(word):
                self._option(word, queue)
            else:
                self._place(word)
        for part in self._command.parts:
            if part.required and part.name not in self._texts:
                raise UsageError(f"`%dspex {self._command.name}` needs `{part.label}`: {part.help}.")
        return Call(
            command=self._command, texts=self._texts, switches=self._switches, pairs=tuple(self._pairs)
        )  # fmt: skip

    def _option(self, word: str, queue: Iterator[str]) -> None:
        flag, given, value = word.partition("=")
        part = self._command.flags.get(flag)
        if part is None:
            raise UsageError(self._unknown(flag))
        if part.kind == "flag":
            if given:
                raise UsageError(f"`{flag}` takes no value.")
            self._switch(part, flag)
            return
        if not given:
            value = next(queue, "")
            if not value or is_option(value):
                then = f"; one that begins with `-` is written `{flag}={value}`" if value.startswith("-") else ""
                raise UsageError(f"`{flag}` needs a value: `{part.label}`{then}.")
        if part.kind == "pair":
            self._pair(part, value)
        elif part.name in self._texts:
            raise UsageError(f"`{flag}` is given twice.")
        else:
            self._texts[part.name] = value

    def _switch(self, part: Part, flag: str) -> None:
        on = flag == part.flag
        if self._switches.setdefault(part.name, on) is not on:
            raise UsageError(f"`{part.flag}` and `{part.off}` contradict each other; give one.")

    def _pair(self, part: Part, text: str) -> None:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier() or not value:
            raise UsageError(f"`{part.flag} {text}` cannot be read; write `{part.label}` without spaces round the `=`.")
        if key in dict(self._pairs):
            raise UsageError(f"`{part.flag} {key}` is given twice.")
        self._pairs.append((key, value))

    def _place(self, word: str) -> None:
        if not self._free:
            raise UsageError(
                f"`%dspex {self._command.name}` does not know what to do with `{word}`; "
                f"an expression with spaces goes in parentheses."
            )
        self._texts[self._free.pop(0).name] = word

    def _unknown(self, flag: str) -> str:
        known = self._command.flags
        has = f"It has: {', '.join(known)}." if known else "It has none."
        return f"`%dspex {self._command.name}` has no option `{flag}`.{nearest(flag, known)} {has}"
