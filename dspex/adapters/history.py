"""Earlier turns of a conversation as messages: what was asked, answered, called and got back.

Apart from the adapters, because the turns are the same in every layout; only their texts differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from dspex.adapters.rendering import json_text
from dspex.lm.messages import Call, Message
from dspex.signatures.field import MISSING
from dspex.signatures.spec import SignatureSpec
from dspex.types.base import special_kind

if TYPE_CHECKING:
    from dspex.adapters.adapter import Adapter, AnySignature, Fields

_RESULTS = "tool_call_results"


def history_field(spec: SignatureSpec) -> str:
    """Return the input that holds earlier turns; empty where there is none."""
    known: str | None = spec.memo.get(history_field)
    if known is None:
        known = next((f.name for f in spec.inputs if special_kind(f.annotation) == "history"), "")
        spec.memo[history_field] = known
    return known


def turns(adapter: Adapter, signature: AnySignature, history: object) -> list[Message]:
    """Return the messages of a history: each of its dicts is what went in, what came out, or both."""
    spec = signature if isinstance(signature, SignatureSpec) else signature.spec
    messages: list[Message] = []
    for turn in _dicts(history):
        if any(turn.get(f.name, MISSING) is not MISSING for f in spec.inputs):
            asked = adapter.format_user_message_content(signature, turn, main_request=True)
            messages.append(Message(role="user", content=asked))
        messages += _answered(adapter, signature, spec, turn)
    return messages


def _dicts(history: object) -> Iterable[Fields]:
    """Return the turns of a `History`, of its saved form, or of a plain list."""
    if history is None:
        return ()
    held: Any = history.get("messages", ()) if isinstance(history, Mapping) else history
    return cast("Iterable[Fields]", getattr(held, "messages", held))


def _answered(
    adapter: Adapter, signature: AnySignature, spec: SignatureSpec, turn: Fields
) -> Iterable[Message]:
    calls, results = _calls(turn)
    native = adapter.use_native_function_calling and calls is not None
    without = [f.name for f in spec.outputs if native and special_kind(f.annotation) == "tool_calls"]
    outputs = [f.name for f in spec.outputs if f.name not in without]
    given = any(turn.get(name, MISSING) is not MISSING for name in outputs)
    if native and _pair_up(calls, results):
        content = _assistant(adapter, signature, turn, without) if given else ""
        asked = tuple(
            Call(id=call.id, name=call.name, arguments=json_text(call.args)) for call in calls.tool_calls
        )
        yield Message(role="assistant", content=content, calls=asked)
        for result in results:
            value = result.value if isinstance(result.value, str) else json_text(result.value)
            yield Message(role="tool", content=value, call_id=result.call_id)
        return
    if given:
        yield Message(
            role="assistant", content=_assistant(adapter, signature, _without_results(turn), without)
        )
    if results and not native:
        told = [
            f"{result.name}: {result.value if isinstance(result.value, str) else json_text(result.value)}"
            for result in results
        ]
        yield Message(role="user", content="\n\n".join(["What the tools gave back:", *told]))


def _assistant(adapter: Adapter, signature: AnySignature, turn: Fields, names: list[str]) -> str:
    from dspex.adapters.native import without

    left = without(signature, *names) if names else signature
    return adapter.format_assistant_message_content(left, turn)


def _calls(turn: Any) -> tuple[Any, list[Any]]:
    """Return the calls of a turn and their results, whichever field holds them."""
    for value in turn.values():
        if special_kind(type(value)) == "tool_calls" or (
            isinstance(value, Mapping) and "tool_calls" in value
        ):
            from dspex.tools import ToolCallResults, ToolCalls

            calls = ToolCalls.model_validate(value)
            found = calls.tool_call_results
            return calls, [] if found is None else ToolCallResults.model_validate(found).tool_call_results
    return None, []


def _without_results(turn: Any) -> dict[str, Any]:
    """Return the values of a turn; what tools gave back is told after the answer."""
    values = dict(turn.items())
    for name, value in values.items():
        if getattr(value, _RESULTS, None) is not None:
            values[name] = value.model_copy(update={_RESULTS: None})
        elif isinstance(value, Mapping) and "tool_calls" in value and _RESULTS in value:
            values[name] = {key: part for key, part in value.items() if key != _RESULTS}
    return values


def _pair_up(calls: Any, results: list[Any]) -> bool:
    ids = [call.id for call in calls.tool_calls]
    return bool(ids) and all(ids) and ids == [result.call_id for result in results]
