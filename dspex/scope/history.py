"""What models were asked and answered: kept with the model, with the modules around the call, and by the process.

The same entry stands in each list; the setting `max_history_size` bounds them all. Apart from the model, because
modules and the process keep history too and know no model.
"""

from __future__ import annotations

from typing import Any

from dspex.scope.ambient import ambient
from dspex.scope.scope import current

Entry = dict[str, Any]
EVERYTHING: list[Entry] = []
"""The calls of the whole process."""


def wanted() -> bool:
    """Tell whether calls are remembered at all."""
    now = ambient()
    return not now.disable_history and now.max_history_size > 0


def remember(entry: Entry, own: list[Entry]) -> None:
    """Add a call to its model's history and to all others that keep it."""
    limit = ambient().max_history_size
    for history in (own, EVERYTHING, *current().histories):
        history.append(entry)
        if len(history) > limit:
            # Some more at once: taking one off a long list's beginning moves all the rest, at every call.
            del history[: len(history) - limit + limit // 16]
