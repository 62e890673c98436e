r"""The `<name>` and `</name>` around each value, and how a value may hold such a tag itself.

A reader of our own for the flat form: no entities but five, no attributes, no nesting, nothing that expands. In an
answer `<` is written `&lt;` and `&` is written `&amp;`; a model that forgets it is understood all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

_ENTITY = re.compile(r"&(lt|gt|amp|quot|apos);")
_MEANT = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def escape(text: str) -> str:
    """Return text in which nothing can be taken for a tag.

    Example:
        >>> escape("a < b && c")
        'a &lt; b &amp;&amp; c'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;")


def unescape(text: str) -> str:
    """Return the text that `escape` was given.

    Example:
        >>> unescape("a &lt; b &amp;&amp; c & d")
        'a < b && c & d'
    """
    return _ENTITY.sub(lambda found: _MEANT[found[1]], text) if "&" in text else text


def escape_tags(names: Sequence[str]) -> Callable[[str], str]:
    """Return what makes these names' tags in an input harmless, and leaves all other text as it is."""
    pattern = re.compile(rf"<(?=/?(?:{_any(names)})[\s/>])", re.IGNORECASE)
    return lambda text: pattern.sub("&lt;", text) if names and "<" in text else text


def split(text: str, names: Sequence[str], others: Sequence[str] = ()) -> dict[str, str | None]:
    r"""Return the values by field name, the first of each; None for `<name/>`.

    Args:
        text: the answer.
        names: the fields that are wanted.
        others: further names whose tags may be there, such as inputs that a model repeats.

    Example:
        >>> split("Sure!\n<a>\n1 &lt; 2\n</a>\n<B>x</B>", ["a", "b"])
        {'a': '1 < 2', 'b': 'x'}
    """
    found: dict[str, str | None] = {}
    exact = {*others, *names}
    by_case = {name.casefold(): name for name in (*others, *names)}
    tags = list(_tags(tuple(dict.fromkeys((*names, *others)))).finditer(text))
    last = {tag[2].casefold(): k for k, tag in enumerate(tags) if tag[1]}
    k = 0
    while k < len(tags):
        tag, here = tags[k], k
        k += 1
        if tag[1]:
            continue  # an end without a beginning
        body: str | None = None
        if not tag[3]:
            k = _end(text, tags, here, last.get(tag[2].casefold(), -1))
            until = tags[k].start() if k < len(tags) else len(text)
            body = unescape(_without_line_ends(text[tag.end() : until]))
        name = tag[2] if tag[2] in exact else by_case.get(tag[2].casefold(), "")
        found.setdefault(name, body)
    return {name: found[name] for name in names if name in found}


def _end(text: str, tags: list[re.Match[str]], here: int, last: int) -> int:
    """Return which tag ends a value: its own, or, where that is forgotten, the next that begins a line."""
    name = tags[here][2].casefold()
    for k in range(here + 1, len(tags)):
        tag = tags[k]
        if tag[1] and tag[2].casefold() == name:
            return k
        if last < here and not tag[1] and _begins_line(text, tag.start()):
            return k
    return len(tags)


def _begins_line(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip()


def _without_line_ends(body: str) -> str:
    """Take off the layout's own line ends and no more: what is left belongs to the value."""
    if body.startswith("\r\n"):
        body = body.replace("\r\n", "\n")  # the layout itself was written with these line ends
    return body.removeprefix("\n").removesuffix("\n")


@lru_cache(maxsize=256)
def _tags(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"<(/?)({_any(names)})(?:\s[^<>]*?)?(/?)>", re.IGNORECASE)


def _any(names: Sequence[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
