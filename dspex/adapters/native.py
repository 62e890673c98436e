"""What a model does by itself and not in words: calls of tools, reasoning, citations.

Apart from the layouts, because it is the same for all of them: such a field is taken out of what the text is asked
for, the request says it in the provider's way, and the answer's own part fills it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args, get_origin

from dspex.errors import SignatureError
from dspex.lm.messages import Call, Choice
from dspex.signatures.field import MISSING, Field
from dspex.signatures.signature import as_signature
from dspex.signatures.spec import SignatureSpec, default_instructions
from dspex.types.base import is_special, special_kind, special_type

if TYPE_CHECKING:
    from dspex.adapters.adapter import Adapter, AnySignature, Fields, Model

_TOOL_OPTIONS = ("tools", "tool_choice", "parallel_tool_calls")
_MUTE = re.compile(r"(?:^|/)(?:gpt-5|o\d)")
"""Models that reason but, asked by chat completions, keep it to themselves."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a model: what its text is asked for, and what comes beside the text."""

    whole: SignatureSpec
    """What the caller asked for."""
    signature: AnySignature
    """What the text is asked for."""
    spec: SignatureSpec
    """The same as a frozen value."""
    inputs: Fields
    options: dict[str, Any]
    calls: str = ""
    """The output that native calls fill."""
    natives: tuple[tuple[str, Any], ...] = ()
    """Outputs, with their types, that the model may fill beside its text."""

    def with_options(self, **options: Any) -> Ask:
        """Return this question with further options."""
        return replace(self, options={**self.options, **options})

    def outputs(self, choice: Choice, values: dict[str, Any]) -> dict[str, Any]:
        """Return all outputs in order: what the text said, and what came beside it."""
        if self.spec is self.whole and not self.natives:
            return values
        beside = {name: kind.parse_lm_response(choice) for name, kind in self.natives}
        if self.calls and choice.calls:
            beside[self.calls] = _tool_calls(choice.calls)
        whole = {f.name: values[f.name] if f.name in values else _default(f) for f in self.whole.outputs}
        return {**whole, **{name: value for name, value in beside.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Fitting:
    """The fields of a signature that a model may do natively; found once."""

    tools: str = ""
    calls: str = ""
    others: tuple[tuple[str, Any], ...] = ()


class Remainder(SignatureSpec):
    """A signature without the fields that are done natively; it may be left with no output."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Check nothing: its fields come from a signature that was checked."""


_NOTHING = Fitting()


def prepare(
    adapter: Adapter, lm: Model, lm_kwargs: Mapping[str, Any], signature: AnySignature, inputs: Fields
) -> Ask:
    """Return how this model is asked.

    Raises:
        SignatureError: calls are wanted and no tools are given.
    """
    spec = signature if isinstance(signature, SignatureSpec) else signature.spec
    options = dict(lm_kwargs)
    native = adapter.use_native_function_calling
    if not native:
        for name in _TOOL_OPTIONS:
            options.pop(name, None)
    fitting: Fitting | None = spec.memo.get(Fitting)
    if fitting is None:
        fitting = spec.memo[Fitting] = _fitting(spec)
    if fitting is _NOTHING:
        return Ask(spec, signature, spec, inputs, options)
    gone: list[str] = []
    calls = ""
    if native and fitting.calls:
        calls = _offer_tools(adapter, lm, spec, fitting, inputs, options)
        gone += [fitting.tools, calls] if calls else []
    natives = tuple((name, kind) for name, kind in fitting.others if _is_native(adapter, kind))
    taking = _Taking(signature, gone)
    for name, kind in natives:
        if kind.__dspex_type__ != "reasoning" or not _MUTE.search(str(getattr(lm, "model", ""))):
            kind.adapt_to_native_lm_feature(taking, name, lm, options)
    rest = without(signature, *gone) if gone else signature
    rest_spec = rest if isinstance(rest, SignatureSpec) else rest.spec
    return Ask(spec, rest, rest_spec, inputs, options, calls, natives)


def without(signature: AnySignature, *names: str) -> AnySignature:
    """Return a signature without some of its fields; made once."""
    spec = signature if isinstance(signature, SignatureSpec) else signature.spec
    key = (Remainder, names, signature is spec)
    rest: AnySignature | None = spec.memo.get(key)
    if rest is None:
        inputs, outputs = (
            tuple(f for f in side if f.name not in names) for side in (spec.inputs, spec.outputs)
        )
        left = Remainder(
            instructions=_told(spec, inputs, outputs), inputs=inputs, outputs=outputs, name=spec.name
        )
        rest = spec.memo[key] = left if signature is spec else as_signature(left)
    return rest


def _told(spec: SignatureSpec, inputs: tuple[Field, ...], outputs: tuple[Field, ...]) -> str:
    """Return the instructions; those that only list the fields list the ones that are left."""
    if spec.instructions != default_instructions(spec.inputs, spec.outputs):
        return spec.instructions
    return default_instructions(inputs, outputs) if outputs else "Use the tools."


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the arguments of a call; broken JSON is repaired, and what is no object is none."""
    try:
        made = json.loads(call.arguments)
    except (ValueError, RecursionError):
        from dspex.adapters.objects import repaired  # seldom needed

        made = repaired(call.arguments)
    return made if isinstance(made, dict) else {}


def _fitting(spec: SignatureSpec) -> Fitting:
    if not any(is_special(f.annotation) for f in (*spec.inputs, *spec.outputs)):
        return _NOTHING
    tools = next((f.name for f in spec.inputs if _is_tools(f.annotation)), "")
    calls = next((f.name for f in spec.outputs if special_kind(f.annotation) == "tool_calls"), "")
    others = tuple((f.name, special_type(f.annotation)) for f in spec.outputs if f.name != calls)
    beside = tuple((name, kind) for name, kind in others if kind is not None)
    return Fitting(tools, calls, beside) if calls or beside else _NOTHING


def _is_tools(annotation: object) -> bool:
    inner = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    return special_kind(inner) == "tool"


def _offer_tools(
    adapter: Adapter,
    lm: Model,
    spec: SignatureSpec,
    fitting: Fitting,
    inputs: Fields,
    options: dict[str, Any],
) -> str:
    """Put the tools into the options, and return the output that their calls fill; none if the model takes no tools."""
    if not fitting.tools:
        raise SignatureError(
            f"`{spec.name}.{fitting.calls}` takes calls of tools, but no input holds tools; "
            "add one such as `tools: list[dspex.Tool] = dspex.InputField()`."
        )
    if not lm.supports_function_calling:
        for name in _TOOL_OPTIONS:
            options.pop(name, None)
        return ""
    given = inputs.get(fitting.tools, ())
    tools = given if isinstance(given, (list, tuple)) else [given]
    options["tools"] = tuple(tool.spec() for tool in tools)
    if adapter.parallel_tool_calls is not None and options.get("parallel_tool_calls") is None:
        options["parallel_tool_calls"] = adapter.parallel_tool_calls
    if options.get("parallel_tool_calls") is not None:
        options.setdefault("tool_choice", "auto")
    return fitting.calls


def _is_native(adapter: Adapter, kind: Any) -> bool:
    wanted = adapter.native_response_types
    return kind.__dspex_type__ in ("reasoning", "citations") if wanted is None else kind in wanted


class _Taking:
    """The signature as a type's own hook sees it: what it deletes is noted, and nothing is made."""

    def __init__(self, signature: AnySignature, gone: list[str]) -> None:
        self._signature, self._gone = signature, gone

    def delete(self, name: str) -> _Taking:
        """Note that a field is done natively."""
        self._gone.append(name)
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signature, name)


def _tool_calls(calls: tuple[Call, ...]) -> Any:
    from dspex.tools import ToolCalls

    return ToolCalls.from_dict_list([{"id": c.id, "name": c.name, "args": arguments_of(c)} for c in calls])


def _default(field: Field) -> Any:
    value = field.default_value()
    return None if value is MISSING else value
