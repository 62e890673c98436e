"""From words to a call: the parser of `%dspex`, our own because its errors are for people in a notebook.

One line each, with the nearest match, and never an exit.
"""

from __future__ import annotations

from collections.abc import Iterator

from dspex.errors import UsageError, nearest
from dspex_widgets.grammar import COMMANDS, Call, Command, Part, find


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


def is_option(word: str) -> bool:
    """Tell whether a word is meant as an option: `-o`, `--data`, but neither `-1` nor `-`."""
    return len(word) > 1 and word[0] == "-" and (word[1] == "-" or word[1].isalpha())


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
                odd = value.startswith("-") and value not in self._command.flags
                then = f"; one that begins with `-` is written `{flag}={value}`" if odd else ""
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
            raise UsageError(
                f"`{part.flag} {text}` cannot be read; write `{part.label}` without spaces round the `=`."
            )
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
