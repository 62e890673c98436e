"""An OpenAI-compatible server on this machine that answers, or fails in the way a test asks for.

Real sockets, so that what is tested is the client as it is: connections, time limits, headers and hidden retries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from dspex import _host
from dspex.errors import SettingsError
from dspex.lm.messages import Choice, Message, Request, Response
from dspex.lm.transport import Transport
from dspex.testing.scripted import answer as an_answer
from dspex.testing.server import bodies
from dspex.testing.server.bodies import Vectors, read_body, request_in
from dspex.testing.server.faults import Fault, Mix, Script, check_number
from dspex.testing.server.sockets import Asked, Sockets

Answers = Callable[[Sequence[Message]], str | Choice | Response]
PATHS = ("/v1/chat/completions", "/v1/embeddings")
JSON = {"Content-Type": "application/json; charset=utf-8"}


class Server:
    """What a test sees of the running server.

    Attributes:
        base_url: what `api_base=` takes.
        hits: requests that arrived.
        requests: their bodies, as decoded JSON.
        headers: their headers.
        in_flight, peak: requests being answered, now and at most.
        dropped: requests whose client went away before the answer.
        refused: requests answered with status 429.
        latency: seconds before every answer; may be changed at any time.
        script: what goes wrong; its `limit` and `per_second` may be changed at any time.
    """

    def __init__(
        self, answer: Answers | Transport | None, latency: float, script: Script, pause: float = 0.0,
        vectors: Vectors | None = None, *, remember: bool = True,
    ) -> None:  # fmt: skip
        self.base_url = ""
        self.hits = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = 0
        self.peak = 0
        self.dropped = 0
        self.refused = 0
        self.latency = latency
        self.script = script
        if not (answer is None or callable(answer) or callable(getattr(answer, "send", None))):
            raise SettingsError(
                f"`answer` takes a function from messages to a text, or a transport, not a `{type(answer).__name__}`."
            )
        check_number("latency", latency)
        check_number("pause", pause)
        self._answer = answer
        self._pause = pause
        self._vectors = vectors
        self._remember = remember
        self._sockets = Sockets(self.handle)
        self._starting: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Server at {self.base_url}: {self.hits} hits, {self.in_flight} in flight>"

    def down(self) -> None:
        """Break every connection and refuse new ones, as a provider that is gone."""
        if _host.on_host():
            self._sockets.stop()
        else:
            _host.portal.run(self.stop())

    def up(self) -> None:
        """Take connections again, on the same address."""
        again = self._sockets.again()
        if _host.on_host():
            task: asyncio.Task[None] = asyncio.ensure_future(again)
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
        else:
            _host.portal.run(again)

    async def handle(self, asked: Asked) -> None:
        """Answer one HTTP request as the script says."""
        path = asked.path.partition("?")[0]
        if path not in PATHS or asked.method != "POST":
            asked.reply(405 if path in PATHS else 404, b"")
            return
        self.hits += 1
        body = read_body(asked.body)
        if self._remember:
            self.requests.append(body)
            self.headers.append(asked.headers)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            fault = self.script.fate(self.hits, self.in_flight)
            await self._play(asked, body, fault)
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        finally:
            self.in_flight -= 1

    async def _play(self, asked: Asked, body: dict[str, Any], fault: Fault | None) -> None:
        if fault is self.script.refusal:
            self.refused += 1
        else:
            await asyncio.sleep(self.latency + (fault.latency if fault is not None else 0.0))
        streams = bool(body.get("stream")) and (fault is None or fault.streams)
        if not streams and not (fault is None or (fault.streams and not fault.cut)):
            await _fail(asked, fault)
            return
        try:
            request = request_in(body)
        except ValueError as exc:
            wrong = Fault(status=400, message=str(exc), code="invalid_request_error")
            asked.reply(400, bodies.error(wrong), JSON)
            return
        if streams:
            await self._stream(asked, request, fault or Fault(pause=self._pause))
        else:
            asked.reply(200, await self._whole(request), JSON)

    async def _whole(self, request: Request) -> bytes:
        if request.inputs:
            return bodies.embeddings(request, self._vectors)
        return bodies.completion(await self._respond(request), request.model)

    async def _stream(self, asked: Asked, request: Request, manner: Fault) -> None:
        response = await self._respond(request)
        asked.begin(200, {"Content-Type": "text/event-stream"})
        for k, event in enumerate(bodies.events(response, request.model)):
            await asked.piece(b"data: " + msgspec.json.encode(event) + b"\n\n")
            await asyncio.sleep(manner.pause or self._pause)
            if manner.cut and k == 1:
                asked.abort()
                return
        await asked.piece(b"data: [DONE]\n\n")
        asked.end()

    async def _respond(self, asked: Request) -> Response:
        if self._answer is None:
            return an_answer(asked.messages[-1].text, n=asked.n)
        if not callable(self._answer):
            return await self._answer.send(asked)
        said = self._answer(asked.messages)
        return said if isinstance(said, Response) else an_answer(said, n=asked.n)

    async def start(self, port: int = 0) -> None:
        """Begin to serve; on the host loop."""
        await self._sockets.listen(port)
        self.base_url = f"http://127.0.0.1:{self._sockets.port}/v1"

    async def stop(self) -> None:
        """End, with all that is open; on the host loop."""
        ending = self._sockets.stop()
        if ending:
            await asyncio.wait(ending, timeout=1)
        await asyncio.sleep(0)  # a broken connection is closed in the loop's next turn


@contextmanager
def serving(
    answer: Answers | Transport | None = None,
    *,
    latency: float = 0.0,
    first: Sequence[Fault] = (),
    always: Fault | None = None,
    mix: Mix = (),
    seed: int = 0,
    limit: int | None = None,
    per_second: float | None = None,
    retry_after: float | None = None,
    pause: float = 0.0,
    vectors: Vectors | None = None,
) -> Iterator[Server]:
    """Run an OpenAI-compatible server on 127.0.0.1 for the `with` block.

    Args:
        answer: from the messages to the text, Choice or Response; or a Transport, such as the practice model's,
            to be asked; None to say the last message again.
        latency: seconds before every answer.
        first: what goes wrong with the first requests, in order.
        always: what goes wrong with all others; None to answer them.
        mix: shares of all others and what goes wrong with them, such as `[(0.1, Fault(status=503))]`.
        seed: of the chance in `mix`.
        limit: requests in flight above which one is refused with status 429, at once.
        per_second: requests in each second above which one is refused with status 429.
        retry_after: seconds that a refusal says to wait.
        pause: seconds after each piece of a streamed answer.
        vectors: from texts to their vectors, for `/v1/embeddings`; None for those of the practice model.

    Raises:
        SettingsError: a value cannot be.

    Example:
        >>> from dspex.lm.lm import LM
        >>> with serving(lambda messages: "blue") as server:
        ...     LM("openai/any", api_base=server.base_url, cache=False)("Which colour?")
        ['blue']
    """
    script = Script(
        first, always, mix, seed=seed, limit=limit, per_second=per_second, retry_after=retry_after
    )
    server = Server(answer, latency, script, pause, vectors)
    _host.portal.run(server.start(), "`serving`")
    try:
        yield server
    finally:
        _host.portal.run(server.stop(), "`serving`")


async def _fail(asked: Asked, fault: Fault) -> None:
    if fault.hang:
        await asyncio.Event().wait()
    if fault.drop:
        asked.abort()
        return
    if fault.garbage:
        asked.raw(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        return
    body = bodies.error(fault, asked.header("authorization"))
    headers = {"Content-Type": "application/json", **fault.headers}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if not (fault.cut or fault.pause):
        asked.reply(fault.status, body, headers)
        return
    # The body is as long as the head says, unless it is cut: then the client is promised more than comes.
    length = len(body) + (100 if fault.cut else 0)
    asked.begin(fault.status, {**headers, "Content-Length": str(length)}, chunked=False)
    for k in range(0, len(body), 16) if fault.pause else (0,):
        await asked.piece(body[k : k + 16] if fault.pause else body, chunked=False)
        await asyncio.sleep(fault.pause)
    if fault.cut:
        asked.abort()
