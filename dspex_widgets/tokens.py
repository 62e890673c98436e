"""What a person typed after `%dspex`, cut into words.

Shell rules do not fit: `--metric exact("team")` is one Python expression whose quotes matter, so white space
inside brackets and quotes does not part words, and quotes stay.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from dspex.errors import UsageError

_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The words of a line, also of one that is still being typed."""

    words: tuple[str, ...]
    open: str = ""
    """The bracket or quote that is not closed yet, "" where none is."""
    stray: str = ""
    """A bracket that closes nothing, "" where none does."""
    silent: bool = False
    """Whether the line ends in `;`."""


def scan(text: str) -> Scan:
    """Cut a line into words, whatever it holds; comments and line continuations are left out.

    Example:
        >>> scan('eval program --metric exact("a team")  # go').words
        ('eval', 'program', '--metric', 'exact("a team")')
    """
    return _Scanner(text).run()


def split(text: str) -> tuple[list[str], bool]:
    """Return the words of a finished line, and whether a trailing `;` asks for silence.

    Raises:
        UsageError: a bracket or quote is not closed, or closes nothing.

    Example:
        >>> split("runs --last 3;")
        (['runs', '--last', '3'], True)
    """
    found = scan(text)
    if found.open:
        what = "quote" if found.open[0] in "'\"" else "bracket"
        raise UsageError(f"The {what} `{found.open}` is never closed in `{_short(text)}`.")
    if found.stray:
        raise UsageError(f"The bracket `{found.stray}` closes nothing in `{_short(text)}`.")
    return list(found.words), found.silent


def unquote(word: str) -> str:
    """Return what a quoted word says, any other word as it is.

    Example:
        >>> unquote('"my report.html"'), unquote("report.html")
        ('my report.html', 'report.html')
    """
    if word[:1] not in {"'", '"'}:
        return word
    try:
        said = ast.literal_eval(word)
    except (SyntaxError, ValueError):
        return word
    return said if isinstance(said, str) else word


class _Scanner:
    """One pass over the text; a word is built piece by piece because parts of it may be left out."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._words: list[str] = []
        self._word: list[str] = []
        self._brackets: list[str] = []
        self._quote = ""
        self._stray = ""

    def run(self) -> Scan:
        while self._at < len(self._text):
            if self._quote:
                self._quoted()
            else:
                self._plain()
        opened = self._quote or (self._brackets[-1] if self._brackets else "")
        self._end_word()
        silent = not opened and self._hush()
        return Scan(words=tuple(self._words), open=opened, stray=self._stray, silent=silent)

    def _plain(self) -> None:
        char = self._text[self._at]
        if char == "#" and (self._brackets or not self._word):
            self._skip_comment()
        elif self._text.startswith("\\\n", self._at):
            self._space("\\\n")
        elif char.isspace():
            self._space(char)
        elif char in "'\"":
            self._quote = char * 3 if self._text.startswith(char * 3, self._at) else char
            self._take(len(self._quote))
        else:
            self._bracket(char)
            self._take(1)

    def _quoted(self) -> None:
        if self._text[self._at] == "\\":
            self._take(2)
        elif self._text.startswith(self._quote, self._at):
            self._take(len(self._quote))
            self._quote = ""
        else:
            self._take(1)

    def _bracket(self, char: str) -> None:
        if char in _CLOSERS:
            self._brackets.append(char)
        elif char in _CLOSERS.values():
            if self._brackets and _CLOSERS[self._brackets[-1]] == char:
                self._brackets.pop()
            else:
                self._stray = self._stray or char

    def _space(self, blank: str) -> None:
        self._at += len(blank)
        if self._brackets:
            # A line break inside brackets parts nothing in Python either; a blank keeps the word on one line.
            self._word.append(" " if "\n" in blank else blank)
        else:
            self._end_word()

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _take(self, count: int) -> None:
        self._word.append(self._text[self._at : self._at + count])
        self._at += count

    def _end_word(self) -> None:
        if self._word:
            self._words.append("".join(self._word))
            self._word = []

    def _hush(self) -> bool:
        silent = False
        while self._words and self._words[-1].endswith(";"):
            silent = True
            bare = self._words.pop().rstrip(";")
            if bare:
                self._words.append(bare)
        return silent


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
