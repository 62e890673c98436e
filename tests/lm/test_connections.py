"""Laws of connections: one call at a time on each, kept for the next, and never one that may still speak."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dspex import _host
from dspex.lm import connections, http
from dspex.testing.server import Fault, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(talk: Talk, **options: object) -> AsyncIterator[str]:
    """Serve bytes as they are; `talk` is called once for each connection."""
    talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks[task] = writer
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, **options)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in talks.values():
            writer.transport.abort()
        if talks:
            await asyncio.wait(talks, timeout=5)


async def question(reader: asyncio.StreamReader) -> bytes:
    """Read one request and return its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    return await reader.readexactly(int(length.split(b":")[1]))


async def ask(where: str, body: bytes = b"hi", seconds: float = 5.0) -> http.Reply:
    return await http.post(f"http://{where}/v1", {}, body, seconds)


def on_host(coro):
    return _host.portal.run(coro)


def test_a_connection_is_used_again():
    """Call after call, as long as the server keeps it open."""
    made = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        for _ in range(3):
            await question(reader)
            writer.write(OK)
        await question(reader)
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    async def five() -> None:
        async with raw(talk) as where:
            for _ in range(5):
                assert (await ask(where)).body == b"ok"

    on_host(five())
    assert len(made) == 2


def test_what_nobody_asked_for_ends_the_connection():
    """A server that speaks out of turn can answer no one else."""
    made = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        await question(reader)
        writer.write(OK)
        await writer.drain()
        writer.write(OK.replace(b"ok", b"no"))
        await reader.read()

    async def two() -> None:
        async with raw(talk) as where:
            assert (await ask(where)).body == b"ok"
            await asyncio.sleep(0.05)
            assert (await ask(where)).body == b"ok"

    on_host(two())
    assert len(made) == 2


def test_a_call_that_ran_out_of_time_leaves_nothing_to_the_next():
    """Its answer comes late, on a connection that is closed."""
    last = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = await question(reader)
            if body == b"slow":
                await asyncio.wait_for(last.wait(), 5)
            writer.write(OK.replace(b"ok", body[:2]))

    async def late() -> None:
        async with raw(talk) as where:
            with pytest.raises(TimeoutError):
                await ask(where, b"slow", 0.05)
            assert (await ask(where, b"me")).body == b"me"
            last.set()
            assert (await ask(where, b"me")).body == b"me"

    on_host(late())


def test_whoever_waits_for_a_place_gets_the_next_one(monkeypatch: pytest.MonkeyPatch):
    """In the order they came; one who gives up waiting takes none."""
    monkeypatch.setattr(connections, "CONNECTIONS", 2)

    async def many(base: str) -> list[int]:
        url = f"{base}/chat/completions"
        body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
        tasks = [asyncio.ensure_future(http.post(url, {}, body, 5)) for _ in range(9)]
        await asyncio.sleep(0)
        tasks[4].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return [reply.status for reply in found if isinstance(reply, http.Reply)]

    with serving(latency=0.01) as server:
        assert on_host(many(server.base_url)) == [200] * 8
    assert (server.peak, server.hits) == (2, 8)


def test_a_connection_that_rests_is_closed(monkeypatch: pytest.MonkeyPatch):
    """An endpoint nobody asks any more costs nothing."""
    monkeypatch.setattr(connections, "REST", 0.02)
    monkeypatch.setattr(http, "_open", None)  # others' connections look at the time when theirs is up
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await question(reader)
        writer.write(OK)
        assert await reader.read() == b""
        gone.set()

    async def once() -> None:
        async with raw(talk) as where:
            await ask(where)
            await asyncio.wait_for(gone.wait(), 5)

    on_host(once())


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "in the midst"),
        (b"HTTP/1.1 200 OK\r\nContent-", "in the midst"),
    ],
)
def test_a_server_that_hangs_up_is_told(sent: bytes, why: str):
    """Before its answer, or in it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await question(reader)
        writer.write(sent)

    async def once() -> None:
        async with raw(talk) as where:
            with pytest.raises(ValueError, match=why):
                await ask(where)

    on_host(once())


def test_an_answer_in_pieces_waits_for_its_reader(monkeypatch: pytest.MonkeyPatch):
    """What is not read is not taken from the socket; what is read is all there."""
    monkeypatch.setattr(connections, "AHEAD", 1000)
    size = 200_000

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await question(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 1000):
            writer.write(b"x" * 1000)
            await writer.drain()

    async def slowly() -> int:
        total = 0
        async with raw(talk) as where:
            async for piece in http.pieces(f"http://{where}/v1", {}, b"hi", 10, 10):
                total += len(piece.data)
                await asyncio.sleep(0)
        return total

    assert on_host(slowly()) == size


def test_a_reader_that_leaves_closes_the_connection():
    """The provider need not write on."""
    with serving(lambda _: "word " * 500, pause=0.01) as server:

        async def a_little() -> None:
            body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
            url = f"{server.base_url}/chat/completions"
            pieces = http.pieces(url, {}, body, 10, 10)
            async for piece in pieces:
                if piece.data:
                    break
            await pieces.aclose()
            while server.in_flight:
                await asyncio.sleep(0.001)

        on_host(a_little())
    assert server.dropped == 1


def test_a_user_in_the_address_and_a_proxy_are_aiohttps_work(monkeypatch: pytest.MonkeyPatch):
    """What is not plain goes the longer way, and comes back the same."""
    monkeypatch.setenv("http_proxy", "")
    http.proxy_for.cache_clear()
    http.target_of.cache_clear()
    assert http.target_of("http://127.0.0.1:80/v1") is not None
    for strange in ("http://me:secret@127.0.0.1/v1", "http://127.0.0.1/a b", "http://bücher.example/v1"):
        assert http.target_of(strange) is None

    with serving() as server:
        monkeypatch.setenv("http_proxy", server.base_url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")
        http.proxy_for.cache_clear()
        http.target_of.cache_clear()
        try:
            reply = on_host(http.post("http://127.0.0.1:9/v1/chat/completions", {}, b"{}", 5))
        finally:
            http.proxy_for.cache_clear()
            http.target_of.cache_clear()
    assert reply.status == 404  # the path that a proxy gets is the whole address


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_checks_who_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A certificate that is trusted is answered through; any other is an error before a byte of ours is sent."""
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out",
         str(certificate), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate, key)
    asked = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await question(reader))
        writer.write(OK)
        await reader.read()

    async def once() -> bytes:
        async with raw(talk, ssl=served) as where:
            port = where.rpartition(":")[2]
            return (await http.post(f"https://localhost:{port}/v1", {}, b"hi", 10)).body

    trusted = ssl.create_default_context(cafile=str(certificate))
    with pytest.raises(OSError, match=r"(?i)certificate"):
        on_host(once())
    assert asked == []

    async def ours() -> ssl.SSLContext:
        return trusted

    monkeypatch.setattr(on_host(_the_connections()), "_certificates", ours)
    assert (on_host(once()), asked) == (b"ok", [b"hi"])


async def _the_connections() -> connections.Connections:
    return http._connections()


def test_garbage_is_an_error_of_the_connection():
    """Whatever answers there, it speaks no HTTP."""
    with serving(always=Fault(garbage=True)) as server, pytest.raises(ValueError, match="no HTTP answer"):
        on_host(http.post(f"{server.base_url}/chat/completions", {}, b"{}", 5))
