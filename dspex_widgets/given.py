"""What the words of a `%dspex` line mean in the notebook they were typed in.

Programs, data, metrics and optimizers are Python of the user's own namespace; dspex's metrics and optimizers are
known there without their module's name. Whatever is wrong is told in one line.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from dspex import optimize, runs
from dspex.errors import DspexError, RunNotFoundError, UsageError, nearest
from dspex.runs import Run, home
from dspex_widgets.grammar import Call, Part
from dspex_widgets.tokens import unquote

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

METRICS = ("exact", "answer_exact_match")
OPTIMIZERS: dict[str, type[optimize.Teleprompter]] = {
    name: getattr(optimize, name) for name in optimize.__all__ if name != "Teleprompter"
}
PYTHON = {"program", "rows", "metric", "optimizer"}
"""Kinds of values that are Python as they stand."""


class Given:
    """The values of one line, read when asked for."""

    def __init__(self, call: Call, shell: InteractiveShell) -> None:
        self.call = call
        self.shell = shell

    def has(self, name: str) -> bool:
        """Tell whether the part was typed."""
        return name in self.call.texts or name in self.call.switches

    def switch(self, name: str) -> bool | None:
        """Return a switch; None where it was not typed."""
        return self.call.switches.get(name)

    def text(self, name: str) -> str:
        """Return the word as it was typed, "" where it was not."""
        return self.call.texts.get(name, "")

    def value(self, name: str) -> Any:
        """Return what the word means.

        Raises:
            UsageError: it means nothing here.
        """
        if name in self.call.switches:
            return self.call.switches[name]
        part, text = self._part(name), self.call.texts[name]
        if part.kind in PYTHON or text.startswith("{"):
            meant = self.evaluate(text, part.where)
            return meant if part.kind in PYTHON else _checked(part, meant)
        return _checked(part, text)

    def values(self, keywords: Mapping[str, str]) -> dict[str, Any]:
        """Return values by the keyword they are passed as, those that were typed."""
        return {keyword: self.value(name) for keyword, name in keywords.items() if self.has(name)}

    def spell(self, name: str) -> str:
        """Return the value as Python source."""
        if self._part(name).kind in PYTHON or self.text(name).startswith("{"):
            return self.python(self.text(name))
        return repr(self.value(name))

    def spells(self, keywords: Mapping[str, str]) -> list[str]:
        """Return `keyword=value` as Python source, for those that were typed."""
        return [f"{keyword}={self.spell(name)}" for keyword, name in keywords.items() if self.has(name)]

    def python(self, text: str) -> str:
        """Return an expression as it would stand in a cell.

        Raises:
            UsageError: it is no expression.
        """
        return self._qualified(text, "dspex.")

    def evaluate(self, text: str, where: str) -> Any:
        """Return the value of the user's expression in the user's namespace.

        Raises:
            UsageError: it is no expression, names something unknown or raises.
            DspexError: what dspex said to it.
        """
        ready = self._qualified(text, "__import__('dspex').")
        try:
            return self.shell.ev(ready)  # type: ignore[no-untyped-call]  # IPython's, without types
        except DspexError:
            raise
        except NameError as exc:
            unknown = exc.name or text
            quoted = f' A text needs quotes: "{unknown}".' if where.startswith("-o ") else ""
            hint = nearest(unknown, [*self.variables(), *METRICS]) or quoted
            raise UsageError(f"`{where}`: `{unknown}` is not defined in this notebook.{hint}") from None
        except Exception as exc:  # the user's own expression may raise anything; it is told in one line
            raise UsageError(f"`{where}`: `{text}` raised {type(exc).__name__}: {_first_line(exc)}") from exc

    def run(self, name: str = "run") -> Run:
        """Return the run that is meant: an id, `@last`, or Python that is one; the last run where nothing was typed.

        Raises:
            RunNotFoundError: there is none.
            UsageError: it is something else, or the word means two runs.
        """
        text = self.text(name) or "@last"
        if text == "@last":
            return runs.last()
        if text.startswith("@"):
            return self._at(text)
        if not text.isidentifier():
            return self._as_run(self.evaluate(text, self._part(name).where), text)
        mine = self.shell.user_ns.get(text)
        if f"r{text[1:]}" == text and text[1:].isdecimal():
            return self._by_id(text, mine)
        if text not in self.shell.user_ns:
            known = [*self.variables(Run), *ids()]
            last = f" Runs: {', '.join(known[-5:])}." if known else " There are no runs yet."
            raise RunNotFoundError(f"There is no run `{text}`.{nearest(text, known)}{last}")
        return self._as_run(mine, text)

    def variables(self, kind: type | tuple[type, ...] = object) -> list[str]:
        """Return the names the user gave to values of a kind."""
        hidden = self.shell.user_ns_hidden
        return [
            name
            for name, value in list(self.shell.user_ns.items())
            if not name.startswith("_") and name not in hidden and isinstance(value, kind)
        ]

    def _qualified(self, text: str, prefix: str) -> str:
        try:
            return qualify(bare(text), self._ours(), prefix)
        except (SyntaxError, ValueError, RecursionError) as exc:
            why = exc.msg if isinstance(exc, SyntaxError) else str(exc)
            raise UsageError(f"`{text}` is no Python expression ({why}).") from None

    def _at(self, text: str) -> Run:
        known = ["@last", *(f"@{id}" for id in ids())]
        if text not in known and (hint := nearest(text, known)):
            raise RunNotFoundError(f"There is no run `{text}`.{hint}")
        return runs.open(text[1:])

    def _by_id(self, text: str, mine: object) -> Run:
        if not isinstance(mine, Run) or mine.id == text:
            return runs.open(text)
        if text in ids():
            raise UsageError(
                f"`{text}` is the run {text} and also your variable, which holds run {mine.id}; "
                f"write `@{text}` or `@{mine.id}`."
            )
        return mine

    def _as_run(self, meant: object, text: str) -> Run:
        if isinstance(meant, Run):
            return meant
        raise UsageError(
            f"`{text}` is a `{type(meant).__name__}`, not a run; give a run, its id such as r3, or @last."
        )

    def _part(self, name: str) -> Part:
        return next(part for part in self.call.command.parts if part.name == name)

    def _ours(self) -> set[str]:
        """Names that mean something of dspex because the notebook does not use them itself."""
        return {
            name for name in (*METRICS, *OPTIMIZERS) if name not in self.shell.user_ns and not hasattr(builtins, name)
        }  # fmt: skip


def ids() -> list[str]:
    """Return the ids of all runs, oldest first."""
    return [f"r{number}" for number in home.numbers()]


def bare(text: str) -> str:
    """Return the expression in `{expression}`; a set or a dict stays what it is.

    Example:
        >>> bare("{a + b}"), bare("{'a': 1}")
        ('a + b', "{'a': 1}")
    """
    inner = text[1:-1].strip()
    if not (text.startswith("{") and text.endswith("}") and inner):
        return text.strip()
    try:
        tree = ast.parse(inner, mode="eval")
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return text.strip()
    return text.strip() if isinstance(tree.body, (ast.Tuple, ast.Starred)) else inner


def qualify(source: str, names: Collection[str], prefix: str) -> str:
    """Put a prefix before these names wherever the expression reads them and does not bind them itself.

    Raises:
        SyntaxError: it is no expression.

    Example:
        >>> qualify('exact("exact")', {"exact"}, "dspex.")
        'dspex.exact("exact")'
    """
    nodes = list(ast.walk(ast.parse(source, mode="eval")))
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    lines = [line.encode() for line in source.split("\n")]
    spots = [
        (node.lineno - 1, node.col_offset, node.id)
        for node in nodes
        if isinstance(node, ast.Name) and node.id in names and node.id not in bound
    ]
    for line, column, name in sorted(spots, reverse=True):
        # Inside an f-string Python 3.11 gives places of its own; what is not where it should be stays as it is.
        if lines[line][column:].startswith(name.encode()):
            lines[line] = lines[line][:column] + prefix.encode() + lines[line][column:]
    return b"\n".join(lines).decode()


def _checked(part: Part, said: object) -> Any:
    match part.kind:
        case "whole":
            return _number(part, said, whole=True)
        case "number":
            return _number(part, said, whole=False)
        case _:
            return unquote(said) if isinstance(said, str) else str(said)


def _number(part: Part, said: object, *, whole: bool) -> float | int:
    text = str(said).removeprefix("$") if part.name == "budget" else str(said)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    fits = math.isfinite(number) and (part.least is None or number >= part.least)
    if not fits or (whole and number != int(number)):
        least = "" if part.least is None else f" of at least {part.least}"
        raise UsageError(f"`{part.flag}` takes a {'whole ' if whole else ''}number{least}, not `{said}`.")
    return int(number) if whole else number


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [""])[0]
