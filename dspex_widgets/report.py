"""A run as one HTML file that anybody can open: the widget's own views over the recorded state, and no network.

Inside stands the frozen HTML too; the script replaces it, and where scripts are off it stays.
"""

from __future__ import annotations

import html
import os
import re
import uuid
from pathlib import Path

from dspex.errors import UsageError
from dspex.runs.run import Run
from dspex.runs.state import RunState
from dspex_widgets.assets import script
from dspex_widgets.freeze import as_html
from dspex_widgets.markup import plain
from dspex_widgets.protocol import encode_state
from dspex_widgets.views import title

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
STYLE = """
:root { color-scheme: light dark; }
body {
  background: light-dark(#ffffff, #111418); color: light-dark(#1c2430, #e6e9ee);
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  margin: 0 auto; max-width: 1160px; padding: 12px 8px;
}
[data-dspex-fallback] { padding: 8px; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<div data-dspex-fallback>{fallback}</div>
<script type="application/json" data-dspex-run>{state}</script>
</main>
<script>{script}</script>
</body>
</html>
"""


def write(run: Run, path: str | os.PathLike[str]) -> Path:
    """Write the report of a run and return its path.

    Raises:
        UsageError: the folder does not exist or cannot be written, or the front end was not built.
    """
    target = Path(path).expanduser()
    try:
        if target.is_dir():
            name = target / f"dspex-{run.id}.html"
            raise UsageError(f"`{target}` is a folder; name a file in it, such as `{name}`.")
        if not target.parent.is_dir():
            raise UsageError(
                f"The folder `{target.parent}` does not exist; make it first or name another one."
            )
        _replace(target, page(run.state).encode())
    except OSError as exc:
        raise UsageError(f"The report cannot be written to `{target}`: {exc.strerror or exc}.") from None
    return target


def page(state: RunState) -> str:
    """Return the report's HTML.

    Raises:
        UsageError: the front end was not built.
    """
    # Inside a script element only these two openings can end or change it, and no code of ours needs them.
    code = re.sub(r"<(?=/script|!--)", r"\\x3c", script("report.js"), flags=re.IGNORECASE)
    return PAGE.format(
        policy=POLICY,
        title=html.escape(plain(f"{title(state)} · run {state.run}")),
        style=STYLE,
        fallback=as_html(state),
        state=encode_state(state).replace("<", "\\u003c"),
        script=code,
    )


def _replace(target: Path, body: bytes) -> None:
    """Put the file in place whole: whoever opens it meanwhile sees the old one or the new one."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(body)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
