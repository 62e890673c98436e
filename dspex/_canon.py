"""Value -> canonical JSON -> hash: the identity behind cache keys, candidate ids and example ids.

Identity is by content, never by `id()`: re-running a notebook cell makes new objects and the same content.
"""

from __future__ import annotations

import pathlib
from typing import cast

import msgspec

from dspex.errors import DataError


def canonical(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no white space.

    Raises:
        DataError: a part of the value has no JSON form.

    Example:
        >>> canonical({"b": 1, "a": [True, None]})
        '{"a":[true,null],"b":1}'
    """
    try:
        try:
            return _encode(value)
        except UnicodeEncodeError:  # models send half characters; what holds them has a name all the same
            return _encode(legible(msgspec.to_builtins(value, enc_hook=_plain)))
    except (TypeError, ValueError, RecursionError) as exc:
        raise DataError(f"`{type(value).__name__}` holds a part that has no JSON form: {exc}") from None


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical text, in hex.

    Example:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    import hashlib  # four milliseconds that `import dspex` need not take

    return hashlib.sha256(canonical(value).encode()).hexdigest()


def to_builtins(value: object) -> object:
    """Return the value as plain JSON types: dict, list, str, int, float, bool, None."""
    return cast(object, msgspec.json.decode(canonical(value)))


def legible(value: object) -> object:
    r"""Return plain JSON types with lone surrogates written as escapes, which UTF-8 can hold.

    Example:
        >>> legible(["half" + chr(0xD83D)])
        ['half\\ud83d']
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [legible(part) for part in value]
    if isinstance(value, dict):
        return {legible(name): legible(part) for name, part in value.items()}
    return value


def _encode(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_plain, order="deterministic").decode()


def _plain(value: object) -> object:
    for method in ("model_dump", "toDict"):
        dump = getattr(value, method, None)
        if callable(dump):
            return dump(mode="json") if method == "model_dump" else dump()
    if isinstance(value, pathlib.PurePath):
        return str(value)
    isoformat = getattr(value, "isoformat", None)
    if callable(isoformat):  # times of pandas are no plain ones
        return isoformat()
    tolist = getattr(value, "tolist", None)
    if callable(tolist) and type(value).__module__ == "numpy":
        return tolist()
    raise TypeError(f"no JSON form for `{type(value).__module__}.{type(value).__qualname__}`")
