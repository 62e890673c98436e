"""Predict: one question to the model, as a signature says, with an instruction and demonstrations to learn.

Everything above it is composition. It renders through the adapter, asks the model, parses, and notes the step
where somebody records a trace.
"""

from __future__ import annotations

import sys
from collections import ChainMap
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any, Self

from dspex._canon import to_builtins
from dspex.data.example import Example, Prediction
from dspex.errors import DataError, DspexError, ProgramError, nearest
from dspex.lm.base import BaseLM
from dspex.modules import trace
from dspex.modules.module import Module
from dspex.modules.ports import Ports, of_spec
from dspex.modules.saving import saved_lm
from dspex.settings import current_settings, required_lm
from dspex.signatures.annotations import allows_none
from dspex.signatures.signature import Signature, as_signature
from dspex.signatures.spec import SignatureSpec
from dspex.signatures.typenames import KNOWN

VARIED = 0.7
"""Temperature of a call for several answers that would else be asked for without any."""
_FRAMES = 20
"""Calls up to which the types of a signature's string are looked for."""
_OPTIONS = frozenset({"config", "lm", "demos", "signature", "prediction", "_trace"})


class Predict(Module):
    """Ask a model to fill a signature's outputs from its inputs.

    Args:
        signature: a Signature class or a string such as `"question -> answer"`; its types may be names that are
            known where the predictor is made.
        callbacks: who is told when this predictor starts and ends.
        **config: `temperature`, `max_tokens`, `n`, `rollout_id` or provider options, for every call.

    A call takes the inputs by name, and for that call alone `config=`, `lm=`, `demos=` and `signature=`.

    Raises:
        SignatureError: the signature cannot be read.
        DataError: an input is missing at the call.
        SettingsError: no model is set.
        LMError, AdapterParseError: the model failed, or answered something else.

    Example:
        >>> from dspex.lm.lm import LM
        >>> from dspex.settings import context
        >>> with context(lm=LM("practice")):
        ...     answer = Predict("ticket -> urgent: bool")(ticket="Everything is down!")
        >>> type(answer.urgent)
        <class 'bool'>
    """

    native_async = True

    def __init__(
        self, signature: str | type[Signature], callbacks: Iterable[Any] | None = None, **config: Any
    ) -> None:
        super().__init__(callbacks)
        self.signature = read_signature(signature)
        self.config = config
        self.lm: BaseLM | None = None
        self.reset()

    async def aforward(self, **inputs: Any) -> Prediction:
        """Ask the model; `config=`, `lm=`, `demos=` and `signature=` may be given for this call alone."""
        told = self._options(inputs)
        signature = read_signature(told["signature"]) if "signature" in told else self.signature
        lm = required_lm(told.get("lm") or self.lm)
        config = self._config(lm, told)
        demos = told.get("demos", self.demos)
        spec = signature.spec
        values = _checked(spec, inputs)
        settings = current_settings()
        adapter = settings.adapter
        if settings.send_stream is not None:
            config["on_chunk"] = settings.send_stream.open(self, adapter)
        rows = await adapter.acall(lm, config, signature, [as_mapping(d) for d in demos], values)
        prediction = Prediction.from_completions(rows) if len(rows) > 1 else Prediction(rows[0])
        if told.get("_trace", True):
            trace.note(trace.Step(predictor=self, inputs=values, prediction=prediction))
        return prediction

    def reset(self) -> None:
        """Forget the demonstrations; the instruction and the model stay."""
        self.demos: list[Any] = []
        self.traces: list[Any] = []
        self.train: list[Any] = []

    def update_config(self, **config: Any) -> None:
        """Change the options of every later call."""
        self.config = {**self.config, **config}

    def get_config(self) -> dict[str, Any]:
        """Return the options of every call."""
        return dict(self.config)

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Return instruction, demonstrations and model as JSON-able values, in DSPy's shape."""
        return {
            "traces": to_builtins(self.traces),
            "train": to_builtins(self.train),
            "demos": [to_builtins(as_mapping(demo)) for demo in self.demos],
            "signature": self.signature.dump_state(),
            "lm": self.lm.dump_state() if self.lm is not None else None,
        }

    def load_state(self, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool = False) -> Self:
        """Take over instruction, demonstrations and model; all of them or, on error, nothing.

        Args:
            state: from `dump_state`, ours or DSPy's.
            allow_unsafe_lm_state: whether the saved model may call an address on another machine.

        Raises:
            ProgramError: this is no predictor's state, or one of another signature.
        """
        try:
            signature = self.signature.load_state(state["signature"])
            demos = [Example(demo) for demo in state["demos"]]
            lm = saved_lm(state["lm"], trusted=allow_unsafe_lm_state) if state.get("lm") else None
            traces, train = list(state.get("traces") or ()), list(state.get("train") or ())
        except KeyError as exc:
            raise ProgramError(f"The saved state of `{self.signature.spec.name}` has no {exc}.") from exc
        except (TypeError, ValueError, AttributeError, DspexError) as exc:
            raise ProgramError(
                f"The saved state of `{self.signature.spec.name}` cannot be read: {exc}"
            ) from exc
        self.signature, self.demos, self.lm, self.traces, self.train = signature, demos, lm, traces, train
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Signatures and models are frozen values and demonstrations are never changed in place: sharing is safe.
        other = type(self).__new__(type(self))
        vars(other).update(self.__getstate__())
        for name in ("demos", "traces", "train"):
            setattr(other, name, list(getattr(self, name)))
        other.config = dict(self.config)
        memo[id(self)] = other
        return other

    def __repr__(self) -> str:
        spec = self.signature.spec
        arrow = f"{', '.join(f.name for f in spec.inputs)} -> {', '.join(f.name for f in spec.outputs)}"
        learned = f", {len(self.demos)} demos" if self.demos else ""
        return f"{type(self).__name__}({arrow}{learned})"

    def _ports(self) -> Ports:
        return of_spec(self.signature.spec)

    def _options(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Take out of the inputs what is an option of the call; a field of that name stays an input."""
        if _OPTIONS.isdisjoint(inputs):
            return {}
        fields = self.signature.spec.fields
        own = _OPTIONS.intersection(inputs) - fields.keys() - {"prediction"}
        told = {name: inputs.pop(name) for name in own}
        ahead = inputs.get("prediction")
        if "prediction" not in fields and isinstance(ahead, dict) and ahead.get("type") == "content":
            told["prediction"] = inputs.pop("prediction")
        return told

    def _config(self, lm: Any, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options for the model; several answers are asked for with some chance in them."""
        config = {**self.config, **told.get("config", {})}
        if "prediction" in told:
            config["prediction"] = told["prediction"]
        usual: Mapping[str, Any] = getattr(lm, "kwargs", {})
        if (config.get("n") or usual.get("n") or 1) > 1:
            temperature = config.get("temperature") or usual.get("temperature")
            if temperature is None or temperature <= 0.15:
                config["temperature"] = VARIED
        return config


def read_signature(signature: str | type[Signature]) -> type[Signature]:
    """Return the signature class; the types of a string are looked up where our caller's code stands too."""
    if not isinstance(signature, str) or ":" not in signature:
        return as_signature(signature)
    return as_signature(signature, namespace=_user_scope())


def _user_scope() -> Mapping[str, Any]:
    """Return the names of the nearest code that is not ours, and of the code that called it."""
    frame: FrameType | None = sys._getframe(1)
    scopes: list[dict[str, Any]] = []
    while frame is not None and len(scopes) < 2 * _FRAMES:
        if not str(frame.f_globals.get("__name__", "")).startswith("dspex."):
            scopes += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    # What everybody knows goes before the names of code further out, which may have a `date` of its own.
    return ChainMap(*scopes[:2], KNOWN, *scopes[2:])


def _checked(spec: SignatureSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs' values; what the signature does not ask for is left aside, as DSPy does.

    A name that is near an input nobody gave is taken for a slip of the keyboard.
    """
    known = [f.name for f in spec.inputs]
    open_names = [name for name in known if name not in given]
    for name in given:
        if name not in known and (hint := nearest(name, open_names)):
            raise DataError(f"`{spec.name}` has no input `{name}`.{hint} Inputs: {', '.join(known)}.")
    values: dict[str, Any] = {}
    for field in spec.inputs:
        if field.name in given:
            values[field.name] = given[field.name]
        elif not field.required:
            values[field.name] = field.default_value()
        elif allows_none(field.annotation):
            values[field.name] = None
        else:
            raise DataError(f"`{spec.name}` needs the input `{field.name}`; call it with `{field.name}=...`.")
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
