"""What `%dspex` answers: values with a plain text and a portable HTML form, so that every notebook shows them."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"<?\$?[\d,.]+( ?[kKMGTi]*B?)?|–?")


class Page:
    r"""A text to read, shown with fixed-width letters.

    Example:
        >>> Page("two lines\nof text")
        two lines
        of text
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        style = "margin:0;font-family:monospace;white-space:pre-wrap"
        return f'<div style="{style}">{html.escape(self.text)}</div>'


class Code(str):
    """Python source, shown as it is typed and usable as a string.

    Example:
        >>> Code("x = 1")
        x = 1
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Table:
    """A few rows of texts below a head, and a line of words under them; numbers stand below each other.

    Example:
        >>> Table(("model", "calls"), [("practice", "12"), ("other", "1,284")], "2 models")
        model     calls
        practice     12
        other     1,284
        2 models
        >>> Table(("model", "calls"), [], "No model was called yet.")
        No model was called yet.
    """

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        self.head = tuple(head)
        self.rows = [tuple(row) for row in rows]
        self.note = note

    def __repr__(self) -> str:
        if self.note and not self.rows:
            return self.note
        table = [self.head, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.head))]
        numbers = self._numbers()
        aligned = [
            [t.rjust(w) if n else t.ljust(w) for t, w, n in zip(row, widths, numbers, strict=True)]
            for row in table
        ]
        lines = ["  ".join(row).rstrip() for row in aligned]
        return "\n".join([*lines, self.note] if self.note else lines)

    def _repr_html_(self) -> str:
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        if note and not self.rows:
            return note
        numbers = self._numbers()
        head = _line("th", self.head, numbers)
        body = "".join(_line("td", row, numbers) for row in self.rows)
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{note}"

    def _numbers(self) -> list[bool]:
        """Tell of each column whether it holds numbers alone."""
        columns = zip(*self.rows, strict=True) if self.rows else ([] for _ in self.head)
        return [any(column) and all(_NUMBER.fullmatch(text) for text in column) for column in columns]


def _line(name: str, texts: Sequence[str], numbers: Sequence[bool]) -> str:
    cells = (
        f'<{name} style="text-align:{"right" if number else "left"}">{html.escape(text)}</{name}>'
        for text, number in zip(texts, numbers, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
