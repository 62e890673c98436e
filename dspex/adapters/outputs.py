"""From the pieces of an answer to the outputs: each field read, absent ones given their default, or one error.

Apart from the layouts, because all of them end here: what differs is only where a field's text was found.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from dspex.adapters.reading import Unreadable
from dspex.errors import AdapterParseError
from dspex.signatures.annotations import allows_none
from dspex.signatures.field import MISSING, Field
from dspex.signatures.spec import SignatureSpec


def read_outputs(
    adapter: str,
    spec: SignatureSpec,
    completion: str,
    texts: Mapping[str, str],
    read: Callable[[str, Field], Any],
    problem: str = "",
) -> dict[str, Any]:
    """Return every output by name, in the signature's order.

    Args:
        adapter: who reads, for the error.
        spec: what was asked for.
        completion: the whole answer, for the error.
        texts: what was found for each field.
        read: makes a value of it, or raises Unreadable.
        problem: what is wrong with the answer as a whole, should a field be missing.

    Raises:
        AdapterParseError: a field is missing or is no value of its type; the error holds the raw text and what
            could be read.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in spec.outputs:
        try:
            values[field.name] = read(texts[field.name], field) if field.name in texts else absent(field)
        except Unreadable as exc:
            problems.append(str(exc))
    if problems:
        raise unreadable(
            adapter, spec, completion, [problem, *problems] if problem else problems, values, texts
        )
    return values


def absent(field: Field) -> Any:
    """Return the value of a field that the answer does not mention.

    Raises:
        Unreadable: there is none.
    """
    value = field.default_value()
    if value is MISSING and not allows_none(field.annotation):
        raise Unreadable(f"it has no `{field.name}`")
    return None if value is MISSING else value


def unreadable(
    adapter: str,
    spec: SignatureSpec,
    completion: str,
    problems: list[str],
    values: Mapping[str, Any],
    given: Container[str] = (),
) -> AdapterParseError:
    """Return the error of an answer; defaults that stand in for absent fields are not what was understood."""
    understood = {name: value for name, value in values.items() if name in given}
    read = ", ".join(f"`{name}`" for name in understood) or "nothing"
    return AdapterParseError(
        f"The answer to `{spec.name}` cannot be read: {'; '.join(problems)}. Understood: {read}. "
        "The raw text is in `.lm_response`.",
        adapter_name=adapter,
        signature=spec.name,
        lm_response=completion,
        parsed_result=understood,
    )
