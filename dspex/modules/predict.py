"""Predict: one question to the model, as a signature says, with an instruction and demonstrations to learn.

Everything above it is composition. It renders through the adapter, asks the model, parses, and notes the step
where somebody records a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from dspex._canon import to_builtins
from dspex.data.example import Example, Prediction
from dspex.errors import DataError, DspexError, ProgramError, nearest
from dspex.lm.lm import LM
from dspex.modules import trace
from dspex.modules.module import Module
from dspex.settings import current_settings, required_lm
from dspex.signatures.signature import Signature, as_signature

CONFIG = ("temperature", "max_tokens", "n", "rollout_id")


class Predict(Module):
    """Ask a model to fill a signature's outputs from its inputs.

    Args:
        signature: a Signature class or a string such as `"question -> answer"`.
        **config: `temperature`, `max_tokens`, `n`, `rollout_id` or provider options, for every call.

    Raises:
        SignatureError: the signature cannot be read.
        DataError: an input is missing at the call.
        SettingsError: no model is set.
        LMError, AdapterParseError: the model failed, or answered something else.

    Example:
        >>> from dspex.settings import context
        >>> with context(lm=LM("practice")):
        ...     answer = Predict("ticket -> urgent: bool")(ticket="Everything is down!")
        >>> type(answer.urgent)
        <class 'bool'>
    """

    native_async = True

    def __init__(self, signature: str | type[Signature], **config: Any) -> None:
        self.signature = as_signature(signature)
        self.config = config
        self.demos: list[Any] = []
        self.lm: LM | None = None

    async def aforward(self, **inputs: Any) -> Prediction:
        """Ask the model; `config=`, `lm=` and `demos=` may be given for this call alone."""
        call = dict(inputs)
        config = {**self.config, **call.pop("config", {})}
        lm = required_lm(call.pop("lm", None) or self.lm)
        demos = call.pop("demos", self.demos)
        spec = self.signature.spec
        values = self._check(call)
        adapter = current_settings().adapter
        messages = adapter.format(spec, [as_mapping(d) for d in demos], values)
        response = await lm.acomplete(messages, **config)
        rows = [adapter.parse(spec, choice.text) for choice in response.choices]
        prediction = Prediction.from_completions(rows) if len(rows) > 1 else Prediction(rows[0])
        trace.note(trace.Step(predictor=self, inputs=values, prediction=prediction))
        return prediction

    def reset(self) -> None:
        """Forget the demonstrations."""
        self.demos = []

    def update_config(self, **config: Any) -> None:
        """Change the options of every later call."""
        self.config = {**self.config, **config}

    def get_config(self) -> dict[str, Any]:
        """Return the options of every call."""
        return dict(self.config)

    def dump_state(self) -> dict[str, Any]:
        """Return instruction, demonstrations and model as JSON-able values, in DSPy's shape."""
        return {
            "traces": [],
            "train": [],
            "demos": [to_builtins(as_mapping(demo)) for demo in self.demos],
            "signature": self.signature.dump_state(),
            "lm": self.lm.dump_state() if self.lm is not None else None,
        }

    def load_state(self, state: Mapping[str, Any]) -> Self:
        """Take over instruction, demonstrations and model; all of them or, on error, nothing.

        Raises:
            ProgramError: this is no predictor's state, or one of another signature.
        """
        try:
            signature = self.signature.load_state(state["signature"])
            demos = [Example(demo) for demo in state["demos"]]
            lm = LM.load_state(state["lm"]) if state.get("lm") else None
        except (KeyError, TypeError, ValueError, AttributeError, DspexError) as exc:
            raise ProgramError(
                f"The saved state of `{self.signature.spec.name}` cannot be read: {exc}"
            ) from exc
        self.signature, self.demos, self.lm = signature, demos, lm
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Signatures and models are frozen values and demonstrations are never changed in place: sharing is safe.
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other.demos = list(self.demos)
        other.config = dict(self.config)
        memo[id(self)] = other
        return other

    def __repr__(self) -> str:
        spec = self.signature.spec
        arrow = f"{', '.join(f.name for f in spec.inputs)} -> {', '.join(f.name for f in spec.outputs)}"
        learned = f", {len(self.demos)} demos" if self.demos else ""
        return f"{type(self).__name__}({arrow}{learned})"

    def _check(self, given: dict[str, Any]) -> dict[str, Any]:
        spec = self.signature.spec
        known = [f.name for f in spec.inputs]
        for name in given:
            if name not in known:
                raise DataError(
                    f"`{spec.name}` has no input `{name}`.{nearest(name, known)} Inputs: {', '.join(known)}."
                )
        values: dict[str, Any] = {}
        for field in spec.inputs:
            if field.name in given:
                values[field.name] = given[field.name]
            elif field.required:
                raise DataError(
                    f"`{spec.name}` needs the input `{field.name}`; call it with `{field.name}=...`."
                )
            else:
                values[field.name] = field.default_value()
        return values


def as_mapping(demo: object) -> dict[str, Any]:
    """Return a demonstration's fields, whether it is an Example or a mapping.

    Raises:
        ProgramError: it is neither.
    """
    if isinstance(demo, Example):
        return dict(demo.items(include_dspy=True))
    if isinstance(demo, Mapping):
        return dict(demo)
    raise ProgramError(f"A demonstration is an Example or a dict, not `{type(demo).__name__}`.")
