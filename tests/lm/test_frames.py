"""Laws of the frames between kernel and worker."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import LMError
from dspex.lm.frames import (
    LONGEST,
    Answer,
    Ask,
    FrameError,
    Frames,
    Leave,
    Surroundings,
    error_of,
    failure_of,
    of_kernel,
    of_worker,
    pack,
)
from dspex.lm.litellm import LiteLLMTransport
from dspex.lm.messages import Choice, Message, Request, Response, ToolSpec
from dspex.lm.providers import Route
from dspex.lm.secret import Secret

ROUTE = Route(wire="litellm", provider="p", model="p/m", keys=("P_API_KEY",))
KEY = "sk-canary-0123456789"


def kinds(of: type[LMError] = LMError) -> list[type[LMError]]:
    return [of, *(kind for below in of.__subclasses__() for kind in kinds(below))]


@given(st.lists(st.text(), max_size=8), st.lists(st.integers(0, 200), max_size=8))
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(texts: list[str], cuts: list[int]):
    """A pipe knows no frames: it gives bytes in pieces of any size."""
    sent = [Surroundings(values={"X": text}) for text in texts]
    data = b"".join(pack(frame) for frame in sent)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    frames = Frames()
    came = [frame for a, b in itertools.pairwise(places) for frame in frames.feed(data[a:b])]
    assert [of_kernel.decode(frame) for frame in came] == sent


def test_what_is_no_frame_is_refused_before_it_is_waited_for():
    """A length nobody would send is not waited for."""
    with pytest.raises(FrameError, match="cannot be"):
        list(Frames().feed((LONGEST + 1).to_bytes(4, "big")))


def test_what_came_before_no_frame_counts():
    """Of a process that goes mad it is known whether it had begun to work."""
    came = Frames().feed(pack(Leave(id=1)) + b"\xff" * 8)
    assert of_kernel.decode(next(came)) == Leave(id=1)
    with pytest.raises(FrameError):
        next(came)


def test_a_request_crosses_whole():
    """With raw JSON inside, texts of any language and all that leads to the provider."""
    request = Request(
        model="p/m",
        messages=(Message(role="user", content="é 😀 \x00"),),
        tools=(ToolSpec(name="add"),),
        response_format=msgspec.Raw(b'{"type":"json_object"}'),
        options={"top_p": msgspec.Raw(b"0.5")},
    )
    ask = LiteLLMTransport(ROUTE, api_key=Secret(KEY), timeout=2.5)._frame(request, stream=True)
    [frame] = Frames().feed(pack(ask))
    came = of_kernel.decode(frame)
    assert isinstance(came, Ask)
    assert (came.route, came.timeout, came.stream, came.api_key) == (ROUTE, 2.5, True, KEY)
    assert msgspec.json.encode(came.asked()) == msgspec.json.encode(request)


def test_an_answer_crosses_whole():
    """Vectors too, which are bytes."""
    answer = Answer(
        id=1, response=Response(choices=(Choice(text="x", citations=({"a": [1, None]},)),), cost=0.5)
    )
    [frame] = Frames().feed(pack(answer))
    assert of_worker.decode(frame) == answer


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_error_crosses_with_its_fields(kind: type[LMError]):
    """Its class, its words and what retry and breaker look at."""
    error = kind("no", model="p/m", provider="p", status=429, retry_after=2.5, request_id="r")
    [frame] = Frames().feed(pack(failure_of(7, error)))
    came = error_of(of_worker.decode(frame))
    assert type(came) is kind
    assert (str(came), vars(came)) == (str(error), vars(error))


def test_an_error_of_a_kind_nobody_knows_is_an_error():
    """Both sides are one version, but a call must end all the same."""
    failure = failure_of(1, LMError("no"))
    failure.kind = "new"
    assert type(error_of(failure)) is LMError


def test_no_frame_shows_a_key():
    """It may stand in somebody's traceback."""
    ask = Ask(route=ROUTE, request=Request(model="p/m", messages=()), timeout=1, api_key=KEY)
    assert KEY not in f"{ask!r} {ask!s} {Surroundings(values={'P_API_KEY': KEY})!r}"


def test_half_a_character_is_said_as_such():
    """JSON text can hold one; UTF-8 cannot."""
    with pytest.raises(FrameError, match="half a character"):
        pack(Surroundings(values={"X": "\ud800"}))
    assert pack(Leave(id=1))
