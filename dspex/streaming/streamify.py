"""streamify: a program as a stream of what it does, ending with what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from dspex import _host
from dspex.data.example import Prediction
from dspex.errors import ProgramError
from dspex.modules.bridges import asyncify
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import current, enter
from dspex.settings import context, current_settings
from dspex.streaming.listener import Heard, StreamListener, find_predictors
from dspex.streaming.messages import ModelChunk, StatusMessageProvider
from dspex.streaming.pipe import CLOSED, Pipe
from dspex.streaming.status import StatusCallback
from dspex.streaming.stream import Stream


def streamify(
    program: Any,
    status_message_provider: StatusMessageProvider | None = None,
    stream_listeners: Sequence[StreamListener] | None = None,
    include_final_prediction_in_output_stream: bool = True,
    is_async_program: bool = False,
    async_streaming: bool = True,
) -> Callable[..., Any]:
    """Return a function that is called as the program is and returns what happens as it happens.

    The stream yields a `StreamResponse` for each piece of a field that is listened to, a `StatusMessage` where the
    provider has words, whatever the program sends with `dspex.settings.send_stream.send(...)`, and at the end the
    prediction. Without listeners the model's pieces come as they are.

    Args:
        program: a module, or a function that calls modules.
        status_message_provider: says in words what goes on; by default tools are told of.
        stream_listeners: the fields to listen to.
        include_final_prediction_in_output_stream: False to leave the prediction out, unless no field came in pieces.
        is_async_program: whether to call the program's `acall`.
        async_streaming: False for a plain generator in place of an async one.

    Raises:
        ProgramError: a listener's field is in no predictor, or in several.

    Example:
        >>> from dspex.lm.lm import LM
        >>> from dspex.modules.predict import Predict
        >>> sort = streamify(Predict("ticket -> team"), async_streaming=False)
        >>> with context(lm=LM("practice")):
        ...     [type(value).__name__ for value in sort(ticket="I was charged twice.")][-1]
        'Prediction'
    """
    heard = find_predictors(program, stream_listeners or ())

    def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        return _stream(
            program, args, kwargs, heard, status_message_provider,
            final=include_final_prediction_in_output_stream, native=is_async_program,
        )  # fmt: skip

    if async_streaming:
        return call
    return lambda *args, **kwargs: apply_sync_streaming(call(*args, **kwargs))


def apply_sync_streaming(async_generator: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
    """Turn an async stream into a plain generator; what it does runs on the event loop of dspex.

    Example:
        >>> async def two():
        ...     yield 1
        ...     yield 2
        >>> list(apply_sync_streaming(two()))
        [1, 2]
    """
    if _host.on_host():
        raise ProgramError("A plain stream was asked for on dspex's own event loop; use the async one.")
    pipe = Pipe()

    async def pump() -> None:
        try:
            async with aclosing(async_generator) as values:
                async for value in values:
                    await pipe.send(value)
        finally:
            pipe.close()

    pumping = _host.submit(pump())
    return _values(pipe, pumping)


def _values(pipe: Pipe, pumping: Any) -> Generator[Any, None, None]:
    try:
        while (value := pipe.take()) is not CLOSED:
            yield value
        pumping.result()  # closed is its last act: only its error can still come
    finally:
        pumping.cancel()


async def streaming_response(streamer: AsyncIterator[Any]) -> AsyncIterator[str]:
    """Turn a stream into server-sent events for a web service: pieces as `chunk`, the answer as `prediction`."""
    from pydantic_core import to_json

    async for value in streamer:
        if isinstance(value, Prediction):
            data: dict[str, Any] = {"prediction": value.toDict()}
        elif isinstance(value, ModelChunk):
            data = {"chunk": value.json()}
        elif isinstance(value, str) and value.startswith("data:"):
            yield value
            continue
        else:
            data = {"chunk": vars(value) if hasattr(value, "__dict__") else value}
        yield f"data: {to_json(data, fallback=str).decode()}\n\n"
    yield "data: [DONE]\n\n"


async def _stream(
    program: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    heard: Sequence[Heard],
    provider: StatusMessageProvider | None,
    *,
    final: bool,
    native: bool,
) -> AsyncGenerator[Any, None]:
    heard = [one.afresh() for one in heard]
    stream, token = Stream(heard, program), CancelToken()
    working = asyncio.ensure_future(_work(program, args, kwargs, stream, provider, token, native=native))
    try:
        while (value := await stream.receive()) is not CLOSED:
            yield value
        answer = await working
        if final or not any(h.started for h in heard) or any(h.kept for h in heard):
            yield answer
    finally:
        stream.close(drop=True)
        if not working.done():
            token.request("cancel")
            working.cancel()
            await asyncio.wait([working])


async def _work(
    program: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    stream: Stream,
    provider: StatusMessageProvider | None,
    token: CancelToken,
    *,
    native: bool,
) -> Any:
    """Run the program with its stream around it; the stream ends when the program does."""
    callbacks = list(current_settings().callbacks)
    if not any(isinstance(callback, StatusCallback) for callback in callbacks):
        callbacks.append(StatusCallback(provider))
    scope = current()
    # A run's own token stays: stopping the run must stop what streams in it.
    scope = scope if scope.run else replace(scope, cancel=token)
    work = program.acall if native else asyncify(program)
    listeners = tuple(h.listener for h in stream.heard)
    try:
        with enter(scope), context(send_stream=stream, callbacks=callbacks, stream_listeners=listeners):
            answer = await work(*args, **kwargs)
        stream.flush()
        return answer
    finally:
        stream.close()
