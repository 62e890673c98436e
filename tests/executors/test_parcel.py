"""What travels to workers and back: programs without keys, errors and values as they are where that can be."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

import dspex
from dspex.errors import DspexError, LMRateLimitError, SettingsError
from dspex.evaluate.elsewhere import Errand, read_executor
from dspex.executors import give_keys
from dspex.executors.replies import pack_error, unpack_error
from dspex.lm.base import BaseLM
from dspex.lm.lm import LM
from dspex.lm.pool import Pool
from dspex.settings import current_settings
from tests.executors.programs import KEY, Answers, length


class Mine(BaseLM):
    """A model of the user's own."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> str:
        return "hello"


def travelled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def test_a_model_travels_without_its_key_and_with_all_else():
    """The key of a model stays in this process."""
    lm = LM(
        "openai/gpt-4o-mini", api_key=KEY, api_base="http://localhost:1/v1", temperature=0.3, cache=False,
        price=(1.0, 2.0), pool=Pool(concurrency=7), num_retries=5, timeout=9.0,
    )  # fmt: skip
    body = pickle.dumps(lm)
    assert KEY.encode() not in body
    other = pickle.loads(body)
    assert other.dump_state() == lm.dump_state()
    assert copy.copy(lm)._options.api_key.reveal() == KEY


def test_a_password_in_an_address_does_not_travel():
    """It is a key like any other."""
    body = pickle.dumps(LM("openai/gpt-4o-mini", api_base="http://me:secret@localhost:1/v1"))
    assert b"secret" not in body
    assert b"localhost:1" in body


def test_headers_are_refused_rather_than_lost():
    """A model that needs headers of its own would be another without them, so it says that it cannot travel."""
    with pytest.raises(SettingsError, match="not stored"):
        pickle.dumps(LM("openai/gpt-4o-mini", headers={"x-team": KEY}))


def test_a_model_of_the_users_own_travels_without_its_history():
    """What was said here stays here."""
    lm = Mine("mine")
    lm("hi")
    assert lm.history
    assert travelled(lm).history == []
    assert travelled(lm)("hi") == ["hello"]


def test_the_root_package_travels_by_name():
    """A notebook's function that names `dspex` can be sent: it finds the package of the other machine."""
    assert travelled(dspex) is dspex
    assert travelled(dspex.evaluate) is dspex.evaluate


@pytest.mark.parametrize(
    "error", [LMRateLimitError("Slow down.", retry_after=3.0), ValueError("no"), KeyError("k")]
)
def test_errors_come_back_as_they_are(error: Exception):
    """The kind of an error decides what a run does, so it is kept."""
    back = unpack_error(travelled(pack_error(error, told=False)))
    assert type(back) is type(error)
    assert str(back) == str(error)


class Odd(Exception):
    """An error that holds something of this process."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.lock = threading.Lock()


def test_an_error_that_cannot_travel_says_the_same():
    """An error that holds more than can be sent becomes one of ours with its name and words."""
    pytest.importorskip("distributed")
    back = unpack_error(travelled(pack_error(Odd(7), told=True)))
    assert isinstance(back, DspexError)
    assert str(back) == "Odd: code 7"
    assert "On the worker" in back.__notes__[0]


def test_what_an_error_came_from_stays_on_the_worker():
    """Libraries of providers keep requests with their keys in the chain of their errors."""
    pytest.importorskip("distributed")
    error = ValueError("no")
    error.__cause__ = RuntimeError(f"Authorization: Bearer {KEY}")
    assert KEY.encode() not in pickle.dumps(pack_error(error, told=False))


def test_a_parcel_holds_no_key():
    """Neither the program's models nor the settings' carry one into a task's arguments."""
    pytest.importorskip("distributed")
    from distributed.protocol.serialize import serialize

    from dspex.executors.parcel import pack

    program = Answers()
    program.set_lm(LM("openai/gpt-4o-mini", api_key=KEY))
    with dspex.context(lm=LM("openai/gpt-4o", api_key=KEY)):
        packed = pack("s", "p", "t", Errand(program=program, metric=length), current_settings(), 3)
    _, frames = serialize(packed, on_error="raise")
    assert not any(KEY.encode() in bytes(frame) for frame in frames)
    assert any(b"gpt-4o-mini" in bytes(frame) for frame in frames)


def test_limits_are_shared_equally():
    """Workers that do not see each other's calls have a part of the limit each, and at least one call."""
    from dspex.executors.parcel import shared

    lm = LM("openai/gpt-4o-mini", pool=Pool(concurrency=10, rpm=90, tpm=900))
    assert shared(lm, 3).dump_state()["pool"] == {"concurrency": 3, "rpm": 30.0, "tpm": 300.0}
    assert shared(lm, 100).dump_state()["pool"]["concurrency"] == 1
    assert shared(lm, 1) is lm


def test_what_is_no_executor_is_refused():
    """Only a client of Dask, or an object that can be opened, makes cells elsewhere."""
    with pytest.raises(SettingsError, match=r"dask\.distributed\.Client"):
        read_executor(3)


@pytest.mark.parametrize("keys", [{}, {"openai": "x"}, {"OPENAI_API_KEY": " "}, {"OPENAI_API_KEY": 3}])
def test_keys_are_checked(keys: dict[str, Any]):
    """A name that no provider reads, or an empty key, is told at once."""
    with pytest.raises(SettingsError):
        give_keys(object(), keys)
