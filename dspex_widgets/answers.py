"""What `%dspex` answers: values with a plain text and a portable HTML form, so that every notebook shows them."""

from __future__ import annotations

import html
from collections.abc import Sequence


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
    """A few rows of texts below a head, and a line of words under them.

    Example:
        >>> Table(("model", "calls"), [("practice", "12")], "1 model")
        model     calls
        practice  12
        1 model
    """

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        self.head = tuple(head)
        self.rows = [tuple(row) for row in rows]
        self.note = note

    def __repr__(self) -> str:
        table = [self.head, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.head))]
        lines = ["  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() for row in table]
        return "\n".join([*lines, self.note] if self.note else lines)

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="text-align:left">{html.escape(text)}</th>' for text in self.head)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(t)}</td>' for t in row) + "</tr>"
            for row in self.rows
        )
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
