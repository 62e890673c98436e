"""Texts as answers are compared: normalised, so that case, articles and punctuation do not count."""

from __future__ import annotations

import re
import string
import unicodedata

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_text(text: str) -> str:
    """Return the text in lower case without articles, punctuation and needless white space.

    Source: Rajpurkar et al. 2016, SQuAD, the official evaluation script's normalisation.

    Example:
        >>> normalize_text("The  Eiffel Tower!")
        'eiffel tower'
    """
    text = unicodedata.normalize("NFD", text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())
