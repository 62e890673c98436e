"""Refuse to build a wheel that lacks the front end.

The bundle is made by `make build` and is not in git, so a plain build of a fresh clone would pack a widget that
shows nothing. An editable install may lack it: `make lab` builds it next.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontEndHook(BuildHookInterface):  # type: ignore[type-arg]  # the build tool's own generic is untyped
    """Look for the built bundle before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        static = Path(self.root) / "dspex_widgets" / "static"
        missing = [name for name in ("widget.js", "report.js") if not (static / name).is_file()]
        if missing and version != "editable":
            raise SystemExit(
                f"`dspex_widgets/static/{missing[0]}` is missing: run `make build`, which makes it and the wheel."
            )
