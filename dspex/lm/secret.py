"""Keys that never show: a holder that masks its value, and a filter for texts that came from outside.

Apart because both transports, the LM's repr and its saved state must agree on what a secret is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from dspex.errors import SettingsError

MASK = "***"
TEXT_LIMIT = 500
"""Characters of a provider's own words that an error may carry."""

_PATTERNS = re.compile(
    r"(?i:\bbearer\s+[^\s\"',;]+)"
    r"|(?i:\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?basic\s+[^\s\"',;]+)"
    r"|(?<![A-Za-z0-9])(?:sk|pk|rk|gsk|xai|pplx|nvapi|csk|r8|hf)[-_][A-Za-z0-9_\-*.]{6,}"
    r"|\bAKIA[A-Z0-9]{12,}"
    r"|\bAIza[A-Za-z0-9_\-]{10,}"
    r"|(?i:(?<=[?&]key=)[^&\s\"']+|(?<=[?&]api_key=)[^&\s\"']+)"
)
_USERINFO = re.compile(r"(?<=://)[^/?#\s\"'<>]+@")
_ANY_USERINFO = re.compile(r"(?<=://)[^\s]+@")
"""The same where a password was written as it is, with what ends an address in it."""
_CREDENTIAL = re.compile(
    r"(?:^|[_-])(?:(?:api)?key|token|secret|password|credentials|access_key_id)$|^auth(?:orization)?$",
    re.IGNORECASE,
)
_LONG = 16
"""Letters of what an address asks with from which on it may be a key, under whichever name."""
_NO_CREDENTIAL = frozenset({"prompt_cache_key"})
_KEY_IN_ENV = re.compile(r"_(?:API_?KEY|TOKEN|SECRET|SECRET_ACCESS_KEY)$")


class Secret:
    """Holds a key; only `reveal()` gives it out.

    It has no stored form: whoever saves an LM saves everything but this.

    Example:
        >>> Secret("sk-123456")
        Secret('***')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise SettingsError(
            "Keys are not stored. Set the provider's environment variable where the LM is loaded."
        )


def is_credential(name: str) -> bool:
    """Tell whether an LM option of this name holds a secret, such as `aws_session_token`."""
    return name not in _NO_CREDENTIAL and _CREDENTIAL.search(name) is not None


def without_credentials(value: Any) -> Any:
    """Return plain values with every text masked that stands under the name of a credential, however deep.

    Example:
        >>> without_credentials({"extra_body": {"api_key": "abc", "top_k": 5}})
        {'extra_body': {'api_key': '***', 'top_k': 5}}
    """
    if isinstance(value, Mapping):
        return {
            name: MASK if isinstance(part, str) and is_credential(str(name)) else without_credentials(part)
            for name, part in value.items()
        }
    return [without_credentials(part) for part in value] if isinstance(value, (list, tuple)) else value


def redact(text: str, secrets: Iterable[Secret] = (), limit: int = TEXT_LIMIT) -> str:
    """Return a text from outside without keys and cut to `limit` characters.

    Args:
        text: a provider's words, or any text that may quote a header.
        secrets: key values to look for besides those in the environment and what looks like a key.
        limit: how many characters to keep.

    Example:
        >>> redact("Incorrect API key provided: sk-abcdef123456.")
        'Incorrect API key provided: ***'
    """
    text = text[: limit * 20]
    known = {secret.reveal() for secret in secrets} | _keys_in_environment()
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= 6:
            text = text.replace(value, MASK)
    text = _USERINFO.sub(f"{MASK}@", _PATTERNS.sub(MASK, text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def public_url(url: str) -> str:
    """Return a URL without user, password, query and fragment.

    Example:
        >>> public_url("https://me:p@ss@example.com/v1?key=abc")
        'https://example.com/v1'
    """
    return _USERINFO.sub("", url).partition("?")[0].partition("#")[0]


def keys_in_url(url: str) -> tuple[Secret, ...]:
    """Return what is secret in an address: its password, as written and as sent, and whatever it asks with may be a key.

    Example:
        >>> [key.reveal() for key in keys_in_url("http://me:p%40ss@h/x?key=abcdef&q=1")]
        ['p%40ss', 'p@ss', 'bWU6cEBzcw==', 'abcdef']
    """
    if "@" not in url and "?" not in url:
        return ()
    import base64  # like the parser below, what few addresses need
    from urllib.parse import parse_qsl, unquote, urlsplit

    parts = urlsplit(url)
    asked = parse_qsl(parts.query)
    found = [value for name, value in asked if len(value) >= _LONG or is_credential(name)]
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    if password:
        sent = f"{unquote(user)}{colon}{unquote(password)}".encode("utf-8", "replace")
        found = [password, unquote(password), base64.b64encode(sent).decode(), *found]
    return tuple(Secret(value) for value in dict.fromkeys(found) if value)


def shown_url(text: str) -> str:
    """Return what a user wrote as an address and is none, without whatever may be a password in it.

    Example:
        >>> shown_url("https://me:p/ss@example.com/v1")
        'https://***@example.com/v1'
    """
    return _ANY_USERINFO.sub(f"{MASK}@", text).partition("?")[0].partition("#")[0]


def _keys_in_environment() -> set[str]:
    values = {value for name, value in os.environ.items() if value and _KEY_IN_ENV.search(name)}
    proxies = (value for name, value in os.environ.items() if name.lower().endswith("_proxy"))
    return values | {key.reveal() for proxy in proxies for key in keys_in_url(proxy)}
