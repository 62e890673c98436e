"""Tab after `%dspex`: subcommands, options, optimizers, run ids and the user's own variables, by what fits."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

from dspex.data.dataset import Dataset
from dspex.data.example import Example
from dspex.errors import DspexError
from dspex.modules.module import Module
from dspex.optimize import Teleprompter
from dspex.runs import Run
from dspex.runs.state import Status
from dspex_widgets.caching import ACTS
from dspex_widgets.choose import known_class, options_of
from dspex_widgets.given import METRICS, OPTIMIZERS, Given, ids
from dspex_widgets.grammar import COMMANDS, Call, Command, Part
from dspex_widgets.parsing import is_option
from dspex_widgets.tokens import scan

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

PATTERN = r"[^#]*?%%?dspex(?=\s)"
RECENT = 20
"""Run ids offered, newest first."""


def install(shell: InteractiveShell) -> None:
    """Answer Tab after `%dspex`, also in an assignment; again is harmless."""
    remove(shell)
    shell.set_hook("complete_command", _hook, re_key=PATTERN)  # type: ignore[no-untyped-call]


def remove(shell: InteractiveShell) -> None:
    """Answer Tab no more."""
    dispatch = shell.strdispatchers.get("complete_command")
    if dispatch is not None:
        dispatch.regexs.pop(re.compile(PATTERN), None)


def complete(shell: InteractiveShell, typed: str) -> list[str]:
    """Return whole words that may stand where the cursor is, after the given text.

    Args:
        shell: whose variables are offered.
        typed: what stands between `%dspex` and the cursor.
    """
    found = scan(typed)
    if found.open or found.stray:
        return []  # inside an expression Python's own completion knows more
    words = list(found.words)
    word = words.pop() if words and not typed[-1:].isspace() else ""
    if not words:
        return [name for name in COMMANDS if _begins(name, word)]
    command = COMMANDS.get(words[0])
    return [] if command is None else [w for w in _fits(shell, command, words[1:], word) if _begins(w, word)]


def _hook(shell: InteractiveShell, event: SimpleNamespace) -> list[str]:
    begun = re.match(PATTERN, event.text_until_cursor)
    if begun is None:
        return []
    typed = event.text_until_cursor[begun.end() :]
    try:
        whole = complete(shell, typed)
    except DspexError:
        return []  # runs that cannot be listed are no reason to fail on Tab
    # IPython replaces only the part of a word after its own delimiters, such as `last` of `@last`.
    word = "" if not typed or typed[-1].isspace() else typed.split()[-1]
    ahead = word[: len(word) - len(event.symbol)] if word.endswith(event.symbol) else ""
    return [w[len(ahead) :] for w in whole if _begins(w, ahead)]


def _fits(shell: InteractiveShell, command: Command, before: list[str], word: str) -> list[str]:
    given = Given(Call(command=command), shell)
    last = command.flags.get(before[-1]) if before else None
    if last is not None and last.kind != "flag":
        return _values(given, last, before)
    options = [flag for flag in command.flags if flag not in before or flag == "-o"]
    if is_option(word) or word == "-":
        return options
    free = _next_free(command, before)
    return [*(_values(given, free, before) if free is not None else []), *([] if word else options)]


def _next_free(command: Command, before: list[str]) -> Part | None:
    taken, skip = 0, False
    for word in before:
        if skip:
            skip = False
        elif is_option(word):
            part = command.flags.get(word)
            skip = part is not None and part.kind != "flag"
        else:
            taken += 1
    free = command.positional[taken:]
    return free[0] if free else None


def _values(given: Given, part: Part, before: list[str]) -> list[str]:
    match part.kind:
        case "program":
            return given.variables(Module)
        case "rows":
            return [
                name
                for name in given.variables((Dataset, list, tuple))
                if _is_rows(given.shell.user_ns[name])
            ]
        case "metric":
            return [*_metrics(given), "exact(", "answer_exact_match"]
        case "optimizer":
            return [*OPTIMIZERS, *given.variables(Teleprompter)]
        case "pair":
            return _options(before)
        case "run":
            more = ["all"] if given.call.command.name == "wait" else []
            return [*given.variables(Run), "@last", *more, *ids()[::-1][:RECENT]]
        case "sub":
            return [*COMMANDS]
        case _:
            return {"state": [*get_args(Status)], "model": ["practice"], "act": [*ACTS]}.get(part.name, [])


def _is_rows(value: Any) -> bool:
    return len(value) > 0 and isinstance(value[0], Example)


def _metrics(given: Given) -> list[str]:
    taken = set(METRICS)
    return [
        name
        for name in given.variables()
        if callable(given.shell.user_ns[name])
        and not isinstance(given.shell.user_ns[name], (type, Module, Run))
        and name not in taken
        and name not in {"get_ipython", "exit", "quit", "open"}
    ]


def _options(before: list[str]) -> list[str]:
    name = before[before.index("--with") + 1] if "--with" in before[:-1] else ""
    kind = known_class(name)
    return [] if kind is None else [f"{option}=" for option in [*options_of(kind), *kind.options]]


def _begins(candidate: str, word: str) -> bool:
    return candidate.lower().startswith(word.lower())
