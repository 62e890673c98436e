"""What happens around the call of a module when somebody watches: callbacks are told, tokens are counted.

Apart from `Module`, because it is no part of what a program is, and mostly nobody watches.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dspex.data.example import Prediction
from dspex.scope.ambient import ambient
from dspex.scope.callbacks import listening, told
from dspex.settings import track_usage

if TYPE_CHECKING:
    from dspex.modules.module import Module

Work = Callable[[tuple[Any, ...], dict[str, Any]], Awaitable[Any]]


def watched(module: Module) -> bool:
    """Tell whether anybody wants to know of this call."""
    now = ambient()
    return bool(now.callbacks or module.callbacks or (now.track_usage and now.usage_tracker is None))


async def around(module: Module, args: tuple[Any, ...], inputs: dict[str, Any], work: Work) -> Any:
    """Do the work of a module, and tell and count around it."""
    callbacks = listening(module)
    if not callbacks:
        return await _counted(args, inputs, work)
    given = {"args": args, "kwargs": dict(inputs)}
    return await told(callbacks, "module", module, given, lambda: _counted(args, inputs, work))


async def _counted(args: tuple[Any, ...], inputs: dict[str, Any], work: Work) -> Any:
    """Where usage is tracked, give the outermost module's answer the tokens that all calls inside it took."""
    now = ambient()
    if not now.track_usage or now.usage_tracker is not None:
        return await work(args, inputs)
    with track_usage() as tracker:
        answer = await work(args, inputs)
    first = answer[0] if isinstance(answer, tuple) and answer else answer
    if isinstance(first, Prediction):
        first.set_lm_usage(tracker.get_total_tokens())
    return answer
