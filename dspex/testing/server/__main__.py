"""`python -m dspex.testing.server --latency 0.05`: the test server in a process of its own; it writes its address."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence

from dspex import _host
from dspex.lm.transport import Transport
from dspex.testing.server.faults import Script
from dspex.testing.server.serving import Answers, Server


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is told to end; the first line written is the address."""
    told = _read(arguments)
    answer: Answers | Transport | None = None
    if told.answer is not None:
        answer = _saying(told.answer.replace("\\n", "\n"))
    elif told.practice:
        from dspex.lm.practice import PracticeTransport

        answer = PracticeTransport(0.0)
    script = Script(limit=told.limit, per_second=told.per_second, retry_after=told.retry_after)
    server = Server(answer, told.latency, script, told.pause, remember=False)
    _host.portal.run(server.start(told.port))
    sys.stdout.write(f"{server.base_url}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        if told.while_open:
            sys.stdin.read()
        else:
            _host.portal.run(asyncio.Event().wait())
    _host.portal.run(server.stop())


def _saying(text: str) -> Answers:
    return lambda _messages: text


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dspex.testing.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds after each piece of a stream")
    parser.add_argument("--answer", help=r"what to say, `\n` for a new line; the last message otherwise")
    parser.add_argument("--practice", action="store_true", help="have the practice model answer")
    parser.add_argument("--limit", type=int, help="requests in flight above which one is refused (429)")
    parser.add_argument("--per-second", type=float, help="requests a second above which one is refused (429)")
    parser.add_argument("--retry-after", type=float, help="seconds that a refusal says to wait")
    parser.add_argument("--while-open", action="store_true", help="end when standard input is closed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
