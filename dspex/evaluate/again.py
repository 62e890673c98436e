"""Starting a run again in another kernel: what its recipe tells of is found, and its own `start` is called once more.

Apart from the finding, because here is told all at once what is missing and what has changed, in the words a person
needs to mend it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from dspex.errors import ResumeError, nearest
from dspex.evaluate.found import MISSING, ChangedError, find
from dspex.evaluate.recipe import PLAIN_SETTINGS
from dspex.runs.code import code_of, load, names, same
from dspex.settings import Settings, current_settings, fixed

FREE = (
    "budget", "name", "num_threads", "max_errors", "save_as_csv", "save_as_json", "callbacks", "display_progress",
    "display_table", "provide_traceback", "executor",
)  # fmt: skip
"""What may be another when a run goes on: none of it decides where the run goes."""
NOTHING = {"is": "value", "value": None}


def start_again(recipe: bytes, changes: Mapping[str, Any]) -> Any:
    """Find what the recipe tells of, and start it.

    Args:
        recipe: from the run's journal.
        changes: what the user says is what, by the names that the method and its `start` take.

    Raises:
        ResumeError: something has changed, or is not to be found; all of it is told.
    """
    told = msgspec.json.decode(recipe)
    problems: dict[str, str] = {}  # by what they are of
    kind = _class(told["method"], problems)
    more = _more(kind, told, changes)
    changes = _named(told, changes, more)
    settings = _settings(told["settings"], changes, problems)
    parts = (told["method"]["given"], told["given"])
    # What is given to the method and to its start is nothing in one of them: the user's word is not about that.
    firm = {name for refs in parts for name, ref in refs.items() if ref != NOTHING}
    made_with, given = (_all(refs, changes, firm, problems) for refs in parts)
    if problems or kind is None:
        said = ". ".join(text[0].upper() + text[1:] for text in dict.fromkeys(problems.values()))
        lost = [name for name in problems if name in (*told["given"], *told["method"]["given"])]
        ask = f" Give what it was started with, such as `{lost[0]}=...`." if lost else ""
        raise ResumeError(f"{said}.{ask}")
    with fixed(settings):
        return kind(**made_with, **{name: changes[name] for name in more}).start(**given)


def _more(kind: Any, told: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Return what may be another and was left to its default when the run began."""
    takes = inspect.signature(kind).parameters if kind is not None else {}
    left = takes.keys() - {*told["given"], *told["method"]["given"]}
    return [name for name in changes if name in FREE and name in left]


def _named(told: Mapping[str, Any], changes: Mapping[str, Any], more: Sequence[str]) -> dict[str, Any]:
    """Return the changes under the names the recipe knows."""
    known = [*told["given"], *told["method"]["given"], "lm"]
    changes = {name: value for name, value in changes.items() if value is not MISSING}
    for word, other in (
        ("program", "student"),
        ("student", "program"),
        ("valset", "devset"),
        ("devset", "valset"),
        ("data", "devset"),
    ):
        if word in changes and word not in known and other in known:
            changes[other] = changes.pop(word)
    for name in changes:
        if name not in known and name not in more:
            raise ResumeError(
                f"This run was started with no `{name}`.{nearest(name, known)} It takes: {', '.join(dict.fromkeys(known))}."
            )
    return changes


def _all(
    refs: Mapping[str, Any], changes: Mapping[str, Any], firm: set[str], problems: dict[str, str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, ref in refs.items():
        given = MISSING if ref == NOTHING and name in firm else changes.get(name, MISSING)
        if name in FREE and given is not MISSING:
            found[name] = given
            continue
        try:
            found[name] = find(ref, name, given)
        except ChangedError as exc:
            if name not in FREE:
                problems[name] = str(exc)
    return found


def _class(told: Mapping[str, Any], problems: dict[str, str]) -> Any:
    module, _, name = told["class"].partition(":")
    try:
        kind = names().get(name) if module == "__main__" else load(told["class"])
    except ImportError as exc:
        problems["method"] = f"its method `{name}` cannot be imported: {exc}"
        return None
    if not isinstance(kind, type) or not callable(getattr(kind, "start", None)):
        problems["method"] = f"its method `{name}` is not defined here"
        return None
    if not module.startswith("dspex.") and not same(told["code"], code_of(kind)):
        problems["method"] = f"its method `{name}` has changed: its code is another"
    return kind


def _settings(told: Mapping[str, Any], changes: Mapping[str, Any], problems: dict[str, str]) -> Settings:
    """Return the settings of this kernel with those that the run keeps."""
    now = current_settings()
    kept = {name: told[name]["value"] for name in PLAIN_SETTINGS if told.get(name, {}).get("is") == "value"}
    try:
        kept["lm"] = find(told["lm"], "lm", changes.get("lm", MISSING))
    except ChangedError as exc:
        problems["lm"] = f"{exc}: write `dspex.configure(lm=...)` first, or give `lm=`"
    adapter = told["adapter"]
    if adapter["class"] != f"{type(now.adapter).__module__}:{type(now.adapter).__qualname__}":
        try:
            kept["adapter"] = _adapter(adapter)
        except (ImportError, TypeError, KeyError):
            name = adapter["class"].partition(":")[2]
            problems["adapter"] = (
                f"its adapter `{name}` cannot be made again: write `dspex.configure(adapter=...)` first"
            )
    return replace(now, **kept)


def _adapter(told: Mapping[str, Any]) -> Any:
    module, _, name = told["class"].partition(":")
    kind = vars(sys.modules["__main__"])[name] if module == "__main__" else load(told["class"])
    return kind(**{name: value for name, value in told["given"].items() if value is not None})
