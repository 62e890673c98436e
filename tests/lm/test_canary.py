"""The law of the canary: a key is in nothing that a person or a file can see, whatever happens."""

from __future__ import annotations

import io
import json
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from dspex.errors import LMError
from dspex.events.event import AnyEvent
from dspex.lm.lm import LM
from dspex.lm.pool import Pool
from dspex.lm.store import default_store
from dspex.testing.server import Fault, serving

CANARY = "sk-canary-0123456789abcdef"
FORMLESS = "canary-of-no-known-form"
ECHO = "you sent {authorization}, which is wrong"


def whole(error: BaseException) -> str:
    """Return all that a reporter could show of an error: chains, attributes, locals of every frame."""
    texts: list[str] = []
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        left += [one.__cause__, one.__context__]
        texts.append(f"{one!s} {one!r} {one.__dict__}")
        texts += traceback.TracebackException.from_exception(one, capture_locals=True).format()
        frame = one.__traceback__
        while frame is not None:
            names = frame.tb_frame.f_locals
            # The test's own frame holds the canary by itself.
            if frame.tb_frame.f_code.co_filename != __file__:
                texts += [repr(value) for value in names.values()]
                texts += [repr(getattr(value, "__dict__", "")) for value in names.values()]
            frame = frame.tb_next
    return "".join(texts)


def provoke(lm: LM) -> LMError:
    try:
        lm("hi")
    except LMError as error:
        return error
    raise AssertionError("the server was to refuse")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=401, message=ECHO),
        Fault(status=429, message=ECHO),
        Fault(status=400, message=ECHO),
        Fault(status=500, message=ECHO),
        Fault(status=500, body=f"<html>{CANARY}</html>"),
        Fault(drop=True),
        Fault(cut=True),
        Fault(hang=True),
        Fault(body="<html>"),
    ],
    ids=lambda f: str(f)[:50],
)
@pytest.mark.parametrize("where", ["argument", "environment", "header"])
def test_no_failure_shows_the_key(
    fault: Fault, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Not in the error, its chain, its frames, the logs at DEBUG, the LM's repr or its history."""
    caplog.set_level(logging.DEBUG)
    if where == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    given = {
        "argument": {"api_key": CANARY},
        "header": {"headers": {"Authorization": f"Bearer {CANARY}"}},
    }.get(where, {})
    with serving(always=fault) as server:
        lm = LM("openai/m", api_base=server.base_url, cache=False, num_retries=0, timeout=0.3, **given)
        error = provoke(lm)
    assert server.headers[0]["Authorization"] == f"Bearer {CANARY}"
    assert CANARY not in whole(error)
    assert CANARY not in caplog.text
    assert CANARY not in f"{lm!r} {lm!s} {lm.history} {lm.dump_state()} {vars(lm)}"


@pytest.mark.parametrize("address", ["me:{key}@{host}", "{host}?key={key}", "{host}?subscription={key}"])
@pytest.mark.parametrize("fault", [Fault(status=401, message=f"what is {FORMLESS}?"), Fault(drop=True)])
def test_no_failure_shows_the_key_in_an_address(fault: Fault, address: str):
    """Not even to who looks into the model: neither by a known name nor by its form could anybody tell it."""
    with serving(always=fault) as server:
        there = address.format(key=FORMLESS, host=server.base_url.removeprefix("http://"))
        lm = LM("openai/m", api_base=f"http://{there}", cache=False, num_retries=0)
        error = provoke(lm)
        assert lm.pool is not None
        doors = list(lm.pool._doors())
        inside = [vars(part) for door in doors for part in (door, door.transport, door.endpoint)]
    pool = Pool([f"http://{there}"])
    assert FORMLESS not in whole(error)
    assert FORMLESS not in f"{lm!r} {lm.dump_state()} {vars(lm)} {inside} {pool!r} {pool.endpoints}"


def test_no_event_and_no_file_holds_the_key(
    happened: Callable[[], list[AnyEvent]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Not in what the bus carries, nor in the cache folder, nor in the saved settings."""
    monkeypatch.setenv("DSPEX_CACHE_DIR", str(tmp_path))
    with serving(
        lambda messages: "blue", first=[Fault(status=500, message=ECHO, retry_after=0.01)]
    ) as server:
        lm = LM("openai/m", api_base=server.base_url, api_key=CANARY)
        assert lm("hi") == ["blue"]
    assert default_store().flush()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"blue" in written
    assert CANARY.encode() not in written
    assert CANARY not in msgspec.json.encode(happened()).decode()
    assert CANARY not in json.dumps([lm.dump_state(), lm.history])


def test_ipythons_verbose_traceback_shows_no_key():
    """`%xmode Verbose` prints the values of the names in each line it shows."""
    from IPython.core.ultratb import VerboseTB

    with serving(always=Fault(status=401, message=ECHO)) as server:
        lm = LM("openai/m", api_base=server.base_url, api_key=CANARY, cache=False)
        error = provoke(lm)
    out = io.StringIO()
    VerboseTB(ostream=out)(type(error), error, error.__traceback__)
    assert "LMAuthError" in out.getvalue()
    assert CANARY not in out.getvalue()
    assert CANARY not in os.environ.values()
