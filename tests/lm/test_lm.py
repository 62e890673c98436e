"""Laws of `dspex.LM`: what the user writes, what is shown, kept, saved and asked."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from dspex import _host
from dspex.errors import LMAuthError, ProgramError, SettingsError
from dspex.lm.lm import HISTORY_LENGTH, LM
from dspex.lm.messages import Message
from dspex.testing.scripted import Scripted
from dspex.testing.server import Fault, serving


def scripted(*lines: Any, **settings: Any) -> tuple[LM, Scripted]:
    script = Scripted(*lines, repeat=True)
    return LM("openai/m", transport=script, **settings), script


def test_a_prompt_or_messages():
    """Both forms are a conversation; the answer is a list of texts."""
    lm, script = scripted("blue")
    assert lm("Which colour?") == ["blue"]
    assert lm(
        messages=[{"role": "system", "content": "Be short."}, Message(role="user", content="Colour?")], n=2
    ) == [
        "blue",
        "blue",
    ]
    assert [m.role for m in script.requests[1].messages] == ["system", "user"]
    assert asyncio.run(lm.acall("Which colour?")) == ["blue"]


@pytest.mark.parametrize(
    "asked", [{}, {"prompt": "a", "messages": []}, {"messages": [{"role": "user"}]}, {"messages": [1]}]
)
def test_what_is_no_conversation_is_refused(asked: dict[str, Any]):
    """The error shows what to write."""
    with pytest.raises(SettingsError, match=r"content|prompt"):
        scripted("x")[0](**asked)


def test_settings_go_with_each_call_and_a_call_may_change_them():
    """What the LM was given holds, until a call says otherwise."""
    lm, script = scripted("x", temperature=0.5, max_tokens=10, top_p=0.9, stop="END")
    lm("a")
    lm("a", temperature=1.0, top_p=0.1, rollout_id=4, n=3, seed=1)
    first, second = script.requests
    assert (first.temperature, first.max_tokens, first.stop, first.n, first.rollout_id) == (
        0.5,
        10,
        ("END",),
        1,
        None,
    )
    assert first.options is not None
    assert bytes(first.options["top_p"]) == b"0.9"
    assert (second.temperature, second.max_tokens, second.rollout_id, second.n) == (1.0, 10, 4, 3)
    assert second.options is not None
    assert sorted(second.options) == ["seed", "top_p"]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1},
        {"temperature": "hot"},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"num_retries": -1},
        {"num_retries": True},
        {"timeout": 0},
        {"model_type": "poem"},
        {"latency": 0.1},
        {"price": 3},
        {"api_base": "nowhere"},
        {"aws_session_token": "x"},
    ],
)
def test_an_impossible_setting_is_refused_where_it_is_written(settings: dict[str, Any]):
    """One line, at once, not at the first call."""
    with pytest.raises(SettingsError) as caught:
        LM("openai/m", **settings)
    assert "\n" not in str(caught.value)


def test_a_parameter_without_a_json_form_is_refused():
    """What cannot be sent is said before it is."""
    with pytest.raises(SettingsError, match="cannot be sent"):
        scripted("x", callbacks=[print])[0]("hi")


def test_an_unknown_provider_and_a_missing_key_are_one_line():
    """The first errors a newcomer meets say what to do."""
    with pytest.raises(SettingsError, match="Unknown provider `opena`"):
        LM("opena/gpt-4o")
    with pytest.raises(LMAuthError) as caught:
        LM("openai/gpt-4o-mini")("hi")
    assert str(caught.value) == "No key for `openai`: set OPENAI_API_KEY or pass api_key=."
    assert caught.value._render_traceback_() == [f"LMAuthError: {caught.value}"]


def test_the_practice_model_answers_at_simulated_prices():
    """No key, no network; a cost that is not real, and said to be so."""
    lm = LM("practice")
    assert lm.practice
    assert not lm.cache
    response = asyncio.run(lm.acomplete([Message(role="user", content="Hello.")]))
    assert response.text
    assert response.cost is not None
    assert response.cost > 0
    assert not scripted("x")[0].practice


def test_a_kept_answer_needs_no_change_of_thread(monkeypatch: pytest.MonkeyPatch):
    """A hit is found where the caller is; only the first call goes to the host loop."""
    with serving(lambda messages: "blue") as server:
        lm = LM("openai/thread-test", api_base=server.base_url)
        assert lm.cache
        assert lm("hi") == ["blue"]

        def no_hop(*_: object) -> None:
            raise AssertionError("a kept answer was sought on the host loop")

        with monkeypatch.context() as patch:
            patch.setattr(_host, "submit", no_hop)
            assert lm("hi") == ["blue"]
    assert server.hits == 1
    assert (lm.history[0]["cached"], lm.history[1]["cached"], lm.history[1]["cost"]) == (False, True, 0.0)


def test_failures_are_tried_again_once_for_each_retry():
    """The one retry layer: three tries asked for are three requests at the server."""
    with serving(lambda messages: "blue", first=[Fault(status=503, retry_after=0.01)] * 2) as server:
        assert LM("openai/m", api_base=server.base_url, cache=False, num_retries=2)("hi") == ["blue"]
    assert server.hits == 3


def test_the_history_is_bounded_and_plain():
    """The last calls, as values that JSON can hold."""
    lm, _ = scripted("x")
    for k in range(HISTORY_LENGTH + 5):
        lm(str(k))
    assert len(lm.history) == HISTORY_LENGTH
    entry = json.loads(json.dumps(lm.history[-1]))
    assert entry["messages"] == [{"role": "user", "content": str(HISTORY_LENGTH + 4)}]
    assert (entry["outputs"], entry["usage"]["total_tokens"], entry["model"]) == (["x"], 15, "openai/m")


def test_a_copy_has_other_settings_and_its_own_history():
    """The original is untouched; the key and the headers come along."""
    lm = LM(
        "openai/m",
        temperature=0.1,
        top_p=0.5,
        api_key="sk-x",
        headers={"X-Team": "a"},
        api_base="http://h/v1",
    )
    lm.history.append({})
    other = lm.copy(temperature=0.9, model="openai/n")
    assert (other.model, other.kwargs["temperature"], other.kwargs["top_p"], other.history) == (
        "openai/n",
        0.9,
        0.5,
        [],
    )
    assert (lm.model, lm.kwargs["temperature"]) == ("openai/m", 0.1)
    assert other._options.api_key is lm._options.api_key
    assert list(other._options.headers) == ["X-Team"]
    assert copy.deepcopy({"lm": lm})["lm"] is lm


def test_headers_of_ones_own_are_sent():
    """A gateway's header goes along, and no cache key or history knows it."""
    with serving() as server:
        lm = LM("openai/m", api_base=server.base_url, cache=False, extra_headers={"X-Gateway": "opensesame"})
        lm("hi")
    assert server.headers[0]["X-Gateway"] == "opensesame"
    assert "opensesame" not in f"{lm!r}{lm.history}{lm.dump_state()}{vars(lm)}"


def test_saved_settings_come_back_without_a_key():
    """A round trip through JSON; the key is not in it."""
    lm = LM(
        "hosted_vllm/m",
        temperature=0.2,
        api_key="sk-canary-1",
        api_base="http://localhost:1/v1",
        price=(1, 2),
        seed=3,
    )
    text = json.dumps(lm.dump_state())
    assert "canary" not in text
    again = LM.load_state(json.loads(text))
    assert again.dump_state() == lm.dump_state()
    assert (
        repr(again)
        == repr(lm)
        == "LM('hosted_vllm/m', temperature=0.2, seed=3, api_base='http://localhost:1/v1')"
    )


@pytest.mark.parametrize(
    "state",
    [
        {"model": "openai/m", "api_base": "https://evil.example/v1"},
        {"model": "openai/m", "api_base": "http://169.254.169.254/v1"},
        {"model": "openai/m", "base_url": "http://localhost/v1"},
        {"model": "openai/m", "api_key": "sk-planted"},
        {"model": "openai/m", "extra_headers": {"a": "b"}},
        {"temperature": 1.0},
    ],
)
def test_a_strangers_settings_are_not_obeyed(state: dict[str, Any]):
    """A loaded program sends no prompt and no key to an address its file names."""
    with pytest.raises(SettingsError):
        LM.load_state(state)


def test_an_address_known_to_the_user_is_obeyed():
    """The user may say that the file is their own."""
    state = {"model": "openai/m", "api_base": "https://proxy.example/v1"}
    assert (
        LM.load_state(state, allow_unsafe_lm_state=True).dump_state()["api_base"]
        == "https://proxy.example/v1"
    )


def test_a_sync_call_on_the_host_loop_is_refused():
    """It would wait for itself; the error names the async form."""

    async def wrong() -> list[str]:
        return scripted("x")[0]("hi")

    with pytest.raises(ProgramError, match="await"):
        _host.portal.run(wrong())


def test_a_sync_call_inside_a_running_loop_works():
    """A notebook's cell runs inside a loop that is not ours."""

    async def cell() -> list[str]:
        return scripted("x")[0]("hi")

    assert asyncio.run(cell()) == ["x"]


def test_one_lm_serves_many_threads():
    """Each caller gets its own answer."""
    with serving() as server:
        lm = LM("openai/m", api_base=server.base_url, cache=False)
        answers: dict[int, list[str]] = {}
        threads = [threading.Thread(target=lambda k=k: answers.update({k: lm(str(k))})) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {k: [str(k)] for k in range(8)}


def test_the_lm_is_light_until_it_is_used():
    """Neither import nor making an LM loads a client, a cache or a table, or touches the disk."""
    code = (
        "import sys, os, pathlib, tempfile; home = tempfile.mkdtemp(); os.environ['DSPEX_CACHE_DIR'] = home\n"
        "from dspex.lm.lm import LM; LM('openai/gpt-4o-mini'); LM('anthropic/claude-haiku')\n"
        "heavy = {'litellm', 'openai', 'aiohttp', 'diskcache', 'platformdirs', 'pandas', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert not any(pathlib.Path(home).iterdir())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
