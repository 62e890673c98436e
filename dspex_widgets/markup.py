"""HTML that is safe by construction: text is escaped where it enters, and only known names can be written.

The names are what JupyterLab leaves in a notebook it does not trust, so that the same output looks the same for
whoever opens the file. Texts come from models and users: controls and direction overrides are made visible.
"""

from __future__ import annotations

import html
import re
from typing import Final

TAGS: Final = frozenset("b del div img ins span table tbody td th thead tr".split())
ATTRIBUTES: Final = frozenset({"alt", "scope", "src", "style"})
_VOID: Final = frozenset({"img"})
_FORMULA: Final = re.compile(r"[$\\]")
_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]"
)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def plain(text: str) -> str:
    r"""Return the text without what would act instead of being read: terminal codes, direction overrides.

    Example:
        >>> plain("a\x1b[31m")
        'a�[31m'
    """
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def escape(text: str) -> Markup:
    """Return the text as HTML; what is `Markup` already stays as it is.

    Notebooks set whatever stands between two dollars, or after a backslash, as a formula: each of these signs
    gets an element of its own, which ends that.

    Example:
        >>> escape("a < b")
        'a &lt; b'
    """
    if isinstance(text, Markup):
        return text
    return Markup(_FORMULA.sub(r"<span>\g<0></span>", html.escape(plain(text))))


def tag(name: str, *children: str, style: str = "", **attributes: str) -> Markup:
    """Return one element around its children, which are escaped.

    Raises:
        ValueError: the name is not among those every notebook shows.

    Example:
        >>> tag("b", "a & b", style="opacity:0.7")
        '<b style="opacity:0.7">a &amp; b</b>'
    """
    if style:
        attributes["style"] = style
    if name not in TAGS or not ATTRIBUTES.issuperset(attributes):
        raise ValueError(
            f"`{name}` with {sorted(attributes)} is not among the HTML that every notebook shows."
        )
    start = name + "".join(f' {key}="{html.escape(plain(value))}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{start}>")
    return Markup(f"<{start}>{''.join(escape(child) for child in children)}</{name}>")
