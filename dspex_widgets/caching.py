"""`%dspex cache`: what is kept and how often it helped, and the three things one does with it."""

from __future__ import annotations

from dspex.errors import UsageError, nearest
from dspex.lm.amounts import read_bytes, read_seconds, show_bytes
from dspex.lm.caching import active
from dspex_widgets.answers import Code, Page, Table
from dspex_widgets.given import Given

ACTS = ("prune", "export", "import")
_PRUNE = {"keep_bytes": "keep", "older_than": "older"}


def cache(given: Given) -> Table | Page | Code:
    """Say how things are with the kept answers, or prune, export or import them.

    Raises:
        UsageError: what is asked for is none of these, or lacks a part.
    """
    act = given.value("act") if given.has("act") else ""
    _check(given, act)
    match act:
        case "prune":
            return _prune(given)
        case "export":
            return _hand_on(given)
        case "import":
            return _take(given)
        case _:
            return Code("dspex.cache.info()") if given.switch("code") else _status()


def _check(given: Given, act: str) -> None:
    if act and act not in ACTS:
        raise UsageError(f"`%dspex cache` has no `{act}`.{nearest(act, ACTS)} It has: {', '.join(ACTS)}.")
    if act in ("export", "import") and not given.has("file"):
        raise UsageError(f"`%dspex cache {act}` needs a file: `%dspex cache {act} answers.jsonl`.")
    if act not in ("export", "import") and given.has("file"):
        raise UsageError(f"`%dspex cache {act}` takes no file, such as `{given.text('file')}`.")
    pruned = [name for name in _PRUNE.values() if given.has(name)]
    if act != "prune" and pruned:
        raise UsageError(f"`--{pruned[0]}` belongs to `%dspex cache prune`.")
    if act == "prune" and not pruned:
        raise UsageError("Say what to keep: `%dspex cache prune --keep 1GB`, or `--older 30d`, or both.")


def _status() -> Table:
    cache = active()
    info = cache.info()
    rows = []
    if info.folder:
        rows.append((info.folder, f"{info.entries:,}", show_bytes(info.bytes)))
    if cache.enable_memory_cache:
        rows.append(("memory of this kernel", f"{info.in_memory:,}", show_bytes(info.memory_bytes)))
    found = f"In this kernel: {info.hits:,} found, {info.misses:,} asked."
    return Table(("where", "answers", "size"), rows, found if rows else "No answers are kept.")


def _prune(given: Given) -> Page | Code:
    amounts = {keyword: given.value(name) for keyword, name in _PRUNE.items() if given.has(name)}
    if "keep_bytes" in amounts:
        read_bytes(amounts["keep_bytes"])
    if "older_than" in amounts:
        read_seconds(amounts["older_than"])
    if given.switch("code"):
        return Code(f"dspex.cache.prune({', '.join(f'{name}={value!r}' for name, value in amounts.items())})")
    done = active().prune(**amounts)
    went = (
        f"{done.entries:,} answers ({show_bytes(done.bytes)}) were removed"
        if done.entries
        else "Nothing was removed"
    )
    return Page(f"{went}; {done.left:,} ({show_bytes(done.left_bytes)}) are left.")


def _hand_on(given: Given) -> Page | Code:
    file = given.value("file")
    if given.switch("code"):
        return Code(f"dspex.cache.export({file!r})")
    count = active().export(file)
    if not count:
        return Page(f"`{file}` holds no answers: nothing was asked in this kernel yet.")
    return Page(
        f"`{file}` holds the {count:,} answers used in this kernel, no prompt and no key. "
        f"`%dspex cache import {file}` lets others run the same without a key."
    )


def _take(given: Given) -> Page | Code:
    file = given.value("file")
    if given.switch("code"):
        return Code(f"dspex.cache.load({file!r})")
    return Page(f"{active().load(file):,} answers of `{file}` are new here; others were known.")
