"""What was asked and answered, as a person reads it: text for a terminal or a file, a card in a notebook.

Everything a model or a user wrote is shown as text, never as markup.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dspex.scope.history import EVERYTHING

_RED, _GREEN, _BLUE, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[34m", "\x1b[0m"
_LONGEST = 120
"""Letters of an address that are shown."""
_STYLE = (
    "font-family:var(--jp-code-font-family,monospace);font-size:12px;line-height:1.45;white-space:pre-wrap;"
    "overflow-wrap:anywhere;margin:0 0 8px 0;padding:6px 8px;border-left:3px solid {color};"
    "background:var(--jp-layout-color1,transparent);color:inherit"
)
_COLORS = {
    "system": "#8a8a8a",
    "user": "#3b7dd8",
    "assistant": "#2e9e5b",
    "tool": "#b7791f",
    "answer": "#2e9e5b",
}


class Writer(Protocol):
    """Somewhere text can be written: a file, a stream."""

    def write(self, text: str, /) -> Any:
        """Take the text."""
        ...


def inspect_history(n: int = 1, file: Writer | None = None) -> None:
    """Show the last `n` calls of models in this process.

    In a notebook they are shown as cards, elsewhere written to the standard output.

    Args:
        n: how many calls.
        file: where to write plain text to instead.

    Example:
        >>> from dspex.lm.lm import LM
        >>> _ = LM("practice")("Hello")
        >>> import io
        >>> told = io.StringIO()
        >>> inspect_history(file=told)
        >>> "Hello" in told.getvalue()
        True
    """
    pretty_print_history(EVERYTHING, n, file=file)


def pretty_print_history(
    history: Sequence[Mapping[str, Any]], n: int = 1, file: Writer | None = None
) -> None:
    """Show the last `n` entries of a history; see `inspect_history`."""
    view = HistoryView(history[-n:] if n > 0 else ())
    if file is not None:
        file.write(view.text())
        return
    display = _notebook()
    if display is not None:
        display(view)
        return
    out = sys.stdout
    out.write(view.text(color=bool(getattr(out, "isatty", bool)())))


class HistoryView:
    """Some entries of a history, to be shown."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.entries = list(entries)

    def text(self, *, color: bool = False) -> str:
        """Return the entries as text; with `color`, with a terminal's colours."""

        def paint(paint_with: str, words: str) -> str:
            return f"{paint_with}{words}{_PLAIN}" if color else words

        lines: list[str] = []
        for entry in self.entries:
            lines += ["", "", "", paint(_BLUE, f"[{entry.get('timestamp', '')}]"), ""]
            for role, text in _turns(entry):
                lines += [paint(_RED, f"{role.capitalize()} message:"), "", text, "", ""]
            first, *others = _answers(entry)
            lines += [paint(_RED, "Response:"), "", paint(_GREEN, first)]
            if others:
                lines += ["", paint(_RED, f"(and {len(others)} other completions)")]
            lines += ["", "", ""]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts: list[str] = []
        for entry in self.entries:
            usage = entry.get("usage") or {}
            told = [str(entry.get("model", "")), str(entry.get("timestamp", ""))]
            if usage.get("total_tokens"):
                told.append(f"{usage['total_tokens']} tokens")
            if entry.get("cached"):
                told.append("from the cache")
            body = [_card(role, text) for role, text in _turns(entry)]
            body += [_card("answer", text) for text in _answers(entry)]
            parts.append(
                f"<details open><summary>{html.escape(' · '.join(t for t in told if t))}</summary>"
                f"{''.join(body)}</details>"
            )
        return f'<div class="dspex-history">{"".join(parts) or "Nothing was asked yet."}</div>'

    def __repr__(self) -> str:
        return self.text()


def _card(role: str, text: str) -> str:
    style = _STYLE.format(color=_COLORS.get(role, "#8a8a8a"))
    return f'<div><b>{html.escape(role)}</b><pre style="{style}">{html.escape(text)}</pre></div>'


def _turns(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    messages = entry.get("messages") or [{"role": "user", "content": entry.get("prompt") or ""}]
    return [(str(m.get("role", "")), _content(m)) for m in messages]


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = [content] if isinstance(content, str) else [_part(part) for part in content or ()]
    parts += [_call(call) for call in message.get("tool_calls") or ()]
    return "\n".join(part.strip() for part in parts)


def _part(part: Any) -> str:
    """Return a part of a message in a line; of data only how much it is."""
    if not isinstance(part, Mapping):
        return str(part)
    kind = str(part.get("type", "part"))
    if kind == "text":
        return str(part.get("text", ""))
    inside = part.get(kind)
    inside = inside if isinstance(inside, Mapping) else part
    told = [
        f"{name}: {_short(value)}" for name, value in inside.items() if name != "type" and value is not None
    ]
    return f"<{kind}: {', '.join(told)}>"


def _short(value: Any) -> str:
    text = str(value)
    head, comma, data = text.partition("base64,")
    if comma:
        return f"{head}base64, {len(data)} letters"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} letters)"


def _answers(entry: Mapping[str, Any]) -> list[str]:
    return [_answer(output) for output in entry.get("outputs") or ()] or [""]


def _answer(output: Any) -> str:
    if not isinstance(output, Mapping):
        return str(output).strip()
    parts = [str(output.get("text") or "").strip(), *(_call(call) for call in output.get("tool_calls") or ())]
    return "\n".join(part for part in parts if part)


def _call(call: Any) -> str:
    form = call if isinstance(call, Mapping) else {"name": str(call)}
    function = form.get("function") if isinstance(form.get("function"), Mapping) else form
    assert isinstance(function, Mapping)
    arguments = function.get("arguments", function.get("args", {}))
    shown = (
        arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
    )
    return f"Tool call: {function.get('name', '')}({shown})"


def _notebook() -> Any:
    """Return what displays an object in a notebook, or None elsewhere; no notebook library is imported for it."""
    shell = sys.modules.get("IPython")
    get = getattr(shell, "get_ipython", None)
    running = get() if callable(get) else None
    return getattr(getattr(shell, "display", None), "display", None) if hasattr(running, "kernel") else None
