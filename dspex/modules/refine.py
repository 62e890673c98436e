"""Refine: ask again with advice on what was wrong before."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Mapping
from typing import Any

from dspex import _canon
from dspex.data.example import Example
from dspex.errors import DataError
from dspex.modules.attempts import Attempt, Attempts
from dspex.modules.module import Module
from dspex.modules.predict import Predict
from dspex.modules.prompts import HINT, HINT_TEXT, Advise
from dspex.scope.scope import within
from dspex.settings import current_settings
from dspex.signatures.field import InputField
from dspex.signatures.spec import SignatureSpec

_NO_ADVICE = ("", "none", "n/a", "null")


class Refine(Attempts):
    """Run a program up to `N` times, each time with advice drawn from the attempt before; return the best answer.

    After an attempt below the threshold a model looks at what every predictor was given and answered, and writes
    advice for those to blame; in the next attempt they find it in the input field `hint_`.

    Args:
        module: the program.
        N: attempts at most.
        reward_fn: `reward_fn(inputs, prediction)` returns a number; `inputs` is a dict.
        threshold: an answer that reaches it is returned at once.
        fail_count: attempts that may fail before the error is raised; `N` by default. Where all fail, the last
            error is raised.

    Raises:
        ProgramError: an argument cannot be, or `reward_fn` returned no number.

    Example:
        >>> import dspex
        >>> short = Refine(dspex.Predict("ticket -> reply"), N=2, threshold=0.0,
        ...                reward_fn=lambda inputs, prediction: -len(prediction.reply))
        >>> with dspex.context(lm=dspex.LM("practice")):
        ...     answer = short(ticket="Where is my invoice?")
        >>> list(answer.keys())
        ['reply']
    """

    def _vary(self, path: str, predictor: Predict, number: int, advice: Mapping[str, str]) -> None:
        super()._vary(path, predictor, number, advice)
        text = str(advice.get(path) or "").strip()
        if text.lower().rstrip(".") in _NO_ADVICE:
            return
        # With the advice as its default the field is filled wherever the program calls this predictor.
        signature = predictor.signature
        if HINT in signature.input_fields:
            predictor.signature = signature.with_updated_fields(HINT, default=text)
        else:
            predictor.signature = signature.append(HINT, InputField(desc=HINT_TEXT, default=text), str)

    async def _advise(self, inputs: Mapping[str, Any], attempt: Attempt) -> Mapping[str, str]:
        paths = {id(predictor): path for path, predictor in self.module.named_predictors()}
        if not paths:
            return {}
        trajectory = [
            {
                "step": paths.get(id(step.predictor), type(step.predictor).__name__),
                "inputs": dict(step.inputs),
                "outputs": dict(step.prediction.items()),
            }
            for step in attempt.steps
        ]
        own = next((predictor.lm for predictor in self.module.predictors() if predictor.lm is not None), None)
        with within("advice", role="proposal"):
            answer = await Predict(Advise).acall(
                program=describe(self.module),
                inputs=_json(dict(inputs)),
                trajectory=_json(trajectory),
                outputs=_json(attempt.prediction),
                reward=_source(self.reward_fn),
                score=attempt.reward,
                target=self.threshold if self.threshold is not None else float("inf"),
                step_names=list(paths.values()),
                lm=current_settings().lm or own,
                _trace=False,
            )
        advice: Mapping[str, str] = answer.advice
        return advice


def describe(program: Module) -> str:
    """Return what a program's steps take, give and are told, and its code where that is the user's."""
    steps = [f"Step `{path}`\n{_described(step.signature.spec)}" for path, step in program.named_predictors()]
    ours = type(program).__module__.startswith("dspex.")
    return "\n\n".join(steps if ours else [*steps, f"Code\n{_source(type(program))}"])


def _described(spec: SignatureSpec) -> str:
    sides = [("takes", spec.inputs), ("gives", spec.outputs)]
    lines = [
        f"{verb} `{field.name}`" + (f": {field.desc}" if field.desc else "")
        for verb, side in sides
        for field in side
    ]
    return "\n".join([*lines, f"is told: {spec.instructions}"])


def _source(thing: Any) -> str:
    """Return the code of a function or class, or what it says of itself where its code is not at hand."""
    thing = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    try:
        return textwrap.dedent(inspect.getsource(thing)).strip()
    except (OSError, TypeError):
        return (
            f"{getattr(thing, '__qualname__', thing)}: {inspect.getdoc(thing) or 'its code is not at hand'}"
        )


def _json(value: Any) -> str:
    return json.dumps(_plain(value), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return what JSON can hold; a part it cannot hold is named by its type."""
    if isinstance(value, Example):
        value = dict(value.items())
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    try:
        return _canon.to_builtins(value)
    except DataError:
        return f"<{type(value).__name__}>"
