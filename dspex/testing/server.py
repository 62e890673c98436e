"""An OpenAI-compatible server on this machine that answers, or fails in the way a test asks for.

Real sockets, so that what is tested is the client as it is: connections, time limits, headers and hidden retries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from dspex import _host
from dspex.lm.forms import form_of_call, form_of_response, message_of, tools_of
from dspex.lm.messages import Choice, Message, Request, Response
from dspex.lm.transport import Transport
from dspex.testing.scripted import answer as an_answer
from dspex.testing.scripted import words

if TYPE_CHECKING:
    from aiohttp import web

Answers = Callable[[Sequence[Message]], str | Choice | Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way not to answer; the fields go together.

    Attributes:
        status: HTTP status of the answer.
        body: its text; None for an error in the provider's form that says `message` and `code`.
        message, code: what the error says; `{authorization}` in the message becomes the header that came.
        retry_after: the Retry-After header: seconds, or an HTTP date.
        headers: further headers.
        latency: seconds before the answer.
        drop: close the connection in place of an answer.
        cut: close it in the midst of the body; with no `body`, in the midst of the true, streamed answer.
        hang: never answer.
    """

    status: int = 200
    body: str | None = None
    message: str = "it went wrong"
    code: str = "some_error"
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    drop: bool = False
    cut: bool = False
    hang: bool = False


class Server:
    """What a test sees of the running server.

    Attributes:
        base_url: what `api_base=` takes.
        hits: requests that arrived.
        requests: their bodies, as decoded JSON.
        headers: their headers.
        in_flight, peak: requests being answered, now and at most.
        dropped: requests whose client went away before the answer.
    """

    def __init__(
        self, answer: Answers | Transport | None, latency: float, first: Sequence[Fault],
        always: Fault | None, pause: float = 0.0,
    ) -> None:  # fmt: skip
        self.base_url = ""
        self.hits = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = 0
        self.peak = 0
        self.dropped = 0
        self._answer = answer
        self._latency = latency
        self._first = list(first)
        self._always = always
        self._pause = pause

    def __repr__(self) -> str:
        return f"<Server at {self.base_url}: {self.hits} hits, {self.in_flight} in flight>"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request as the script says."""
        self.hits += 1
        k = self.hits
        self.requests.append(msgspec.json.decode(await request.read()))
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            fault = self._first[k - 1] if k <= len(self._first) else self._always
            await asyncio.sleep(self._latency + (fault.latency if fault is not None else 0.0))
            body = self.requests[k - 1]
            if body.get("stream") and (fault is None or (fault.cut and fault.body is None)):
                return await self._stream(request, body, cut=fault is not None)
            return await (_fail(request, fault) if fault is not None else self._reply(body))
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        finally:
            self.in_flight -= 1

    async def _reply(self, body: dict[str, Any]) -> web.StreamResponse:
        from aiohttp import web

        asked = _request(body)
        form = form_of_response(await self._respond(asked))
        return web.json_response({**form, "id": "chatcmpl-test", "created": 0, "model": asked.model})

    async def _stream(self, request: web.Request, body: dict[str, Any], *, cut: bool) -> web.StreamResponse:
        from aiohttp import web

        asked = _request(body)
        response = await self._respond(asked)
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for k, event in enumerate(_events(response, asked.model)):
            await reply.write(b"data: " + msgspec.json.encode(event) + b"\n\n")
            await asyncio.sleep(self._pause)
            if cut and k == 1:
                assert request.transport is not None
                request.transport.abort()
                return reply
        await reply.write(b"data: [DONE]\n\n")
        return reply

    async def _respond(self, asked: Request) -> Response:
        if self._answer is None:
            return an_answer(asked.messages[-1].text, n=asked.n)
        if not callable(self._answer):
            return await self._answer.send(asked)
        said = self._answer(asked.messages)
        return said if isinstance(said, Response) else an_answer(said, n=asked.n)


@contextmanager
def serving(
    answer: Answers | Transport | None = None,
    *,
    latency: float = 0.0,
    first: Sequence[Fault] = (),
    always: Fault | None = None,
    pause: float = 0.0,
) -> Iterator[Server]:
    """Run an OpenAI-compatible server on 127.0.0.1 for the `with` block.

    Args:
        answer: from the messages to the text, Choice or Response; or a Transport, such as the practice model's, to be asked; None to
            say the last message again.
        latency: seconds before every answer.
        first: what goes wrong with the first requests, in order.
        always: what goes wrong with all others; None to answer them.
        pause: seconds after each piece of a streamed answer.

    Example:
        >>> from dspex.lm.lm import LM
        >>> with serving(lambda messages: "blue") as server:
        ...     LM("openai/any", api_base=server.base_url, cache=False)("Which colour?")
        ['blue']
    """
    server = Server(answer, latency, first, always, pause)
    stop = _host.portal.run(_start(server), "`serving`")
    try:
        yield server
    finally:
        _host.portal.run(stop(), "`serving`")


async def _start(server: Server) -> Callable[[], Any]:
    from aiohttp import web

    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    # A client that goes away ends its handler, as it ends the work at a good provider.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    host, port = runner.addresses[0][:2]
    server.base_url = f"http://{host}:{port}/v1"
    return runner.cleanup


async def _fail(request: web.Request, fault: Fault) -> web.StreamResponse:
    from aiohttp import web

    if fault.hang:
        await asyncio.Event().wait()
    if fault.drop:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    message = fault.message.replace("{authorization}", request.headers.get("Authorization", ""))
    error = {"error": {"message": message, "type": fault.code, "code": fault.code}}
    text = fault.body if fault.body is not None else msgspec.json.encode(error).decode()
    headers = {"Content-Type": "application/json", **fault.headers}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if not fault.cut:
        return web.Response(status=fault.status, text=text, headers=headers)
    response = web.StreamResponse(
        status=fault.status, headers={**headers, "Content-Length": str(len(text) + 100)}
    )
    await response.prepare(request)
    await response.write(text.encode())
    assert request.transport is not None
    request.transport.abort()
    return response


def _request(body: dict[str, Any]) -> Request:
    return Request(
        model=body["model"],
        messages=tuple(message_of(message) for message in body["messages"]),
        temperature=body.get("temperature"),
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
        n=body.get("n") or 1,
        tools=tools_of(body.get("tools") or ()) or (),
    )


def _events(response: Response, model: str) -> Iterator[dict[str, Any]]:
    """Yield the pieces of an answer as OpenAI's streams have them: role, words, calls, end, usage."""

    def event(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choices = [{"index": index, "delta": delta, "finish_reason": finish}]
        return {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 0, "model": model,
                "choices": choices}  # fmt: skip

    for k, choice in enumerate(response.choices):
        yield event(k, {"role": "assistant", "content": ""})
        yield from (event(k, {"reasoning_content": word}) for word in words(choice.reasoning))
        yield from (event(k, {"content": word}) for word in words(choice.text))
        for i, call in enumerate(choice.calls):
            form = {"index": i, **form_of_call(call)}
            half = len(call.arguments) // 2
            yield event(
                k,
                {
                    "tool_calls": [
                        form | {"function": {"name": call.name, "arguments": call.arguments[:half]}}
                    ]
                },
            )
            yield event(k, {"tool_calls": [{"index": i, "function": {"arguments": call.arguments[half:]}}]})
        yield event(k, {}, choice.finish)
    yield {**event(0, {}), "choices": [], "usage": form_of_response(response)["usage"]}
