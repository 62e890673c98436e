"""Laws of `dspex.LM`: what the user writes, what is shown, kept, saved and asked."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
import threading
from typing import Any

import pydantic
import pytest

import dspex
from dspex import _host
from dspex.errors import LMAuthError, LMServerError, ProgramError, SettingsError
from dspex.lm import asking
from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Message
from dspex.lm.transport import Capabilities
from dspex.testing.scripted import Scripted, call
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
        scripted("x", watcher=print)[0]("hi")


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
    """The last calls, as values that JSON can hold, under DSPy's names."""
    lm, _ = scripted("x", temperature=0.5)
    with dspex.context(max_history_size=3):
        for k in range(5):
            lm(str(k), n=1)
    assert [entry["prompt"] for entry in lm.history] == ["2", "3", "4"]
    entry = json.loads(json.dumps(lm.history[-1]))
    assert entry["messages"] == [{"role": "user", "content": "4"}]
    assert entry["kwargs"] == {"temperature": 0.5, "n": 1}
    assert (entry["outputs"], entry["usage"]["total_tokens"], entry["model"]) == (["x"], 15, "openai/m")
    assert lm.history[-1]["response"].choices[0].message.content == "x"
    dspys = (
        "prompt messages kwargs response outputs usage cost timestamp uuid model response_model model_type"
    )
    assert set(dspys.split()) <= entry.keys()
    with dspex.context(disable_history=True):
        lm("unheard")
    assert len(lm.history) == 3


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


def test_who_never_waits_is_asked_in_the_caller_s_thread(monkeypatch: pytest.MonkeyPatch):
    """A fake and the practice model cost no turn on the host loop."""

    def no_hop(*_: object) -> None:
        raise AssertionError("the host loop was asked")

    monkeypatch.setattr(_host, "submit", no_hop)
    assert scripted("x")[0]("hi") == ["x"]
    assert LM("practice")("Hello.") != []


def test_who_never_waits_is_tried_again_all_the_same(waits: list[float]):
    """The wait between is the one thing that takes a turn on the loop."""
    lm = LM("test/m", transport=Scripted(LMServerError("down"), "up"), num_retries=1)
    assert lm("hi") == ["up"]
    assert len(waits) == 1


def test_a_call_may_go_past_the_cache():
    """`cache=False` for one call, as in DSPy; the word itself goes to nobody."""
    with serving(lambda messages: "blue") as server:
        lm = LM("openai/past-the-cache", api_base=server.base_url)
        lm("hi")
        lm("hi", cache=False)
        lm("hi")
    assert server.hits == 2
    assert [entry["cached"] for entry in lm.history] == [False, False, True]
    assert all("cache" not in body for body in server.requests)


def test_a_key_is_no_part_of_a_call():
    """It would be sent in the body, hashed into the cache's key and shown in the history."""
    lm, script = scripted("x")
    with pytest.raises(SettingsError, match="belongs to the model"):
        lm("hi", api_key="sk-canary")
    assert script.requests == []


def test_reasoning_models_keep_openai_s_word_for_the_limit():
    """In `kwargs` and in saved files; a request has one limit whatever the word."""
    lm = LM("openai/o3-mini", transport=Scripted("x", repeat=True), max_tokens=20_000)
    assert lm.kwargs == {"temperature": None, "max_completion_tokens": 20_000}
    assert asking.request_of("m", (), lm.kwargs, {}).max_tokens == 20_000
    assert asking.request_of("m", (), lm.kwargs, {"max_tokens": 5}).max_tokens == 5
    assert lm.copy(max_tokens=7).kwargs["max_completion_tokens"] == 7
    assert LM.load_state({**lm.dump_state()}).kwargs["max_completion_tokens"] == 20_000


def test_what_is_more_than_text_is_a_dict():
    """Calls of tools, reasoning and citations, in DSPy's shape."""
    said = Choice(text="", calls=(call("add", a=1),), reasoning="hm", citations=({"cited_text": "y"},))
    lm, script = scripted(said)
    tool = {
        "type": "function",
        "function": {"name": "add", "description": "", "parameters": {"type": "object"}},
    }
    (output,) = lm("hi", tools=[tool], response_format={"type": "json_object"}, tool_choice="auto")
    function = {"name": "add", "arguments": '{"a":1}'}
    assert output == {
        "text": None,
        "reasoning_content": "hm",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        "citations": [{"cited_text": "y"}],
    }
    asked = script.requests[0]
    assert (asked.tools[0].name, bytes(asked.response_format or b"")) == ("add", b'{"type":"json_object"}')
    assert list(asked.options or {}) == ["tool_choice"]
    entry = json.loads(json.dumps(lm.history[-1]))
    assert entry["kwargs"]["tools"] == [tool]
    assert entry["response"]["choices"][0]["message"]["tool_calls"][0]["function"] == function


def test_a_provider_s_own_tools_go_as_they_are():
    """What we have no form for loses nothing."""
    lm, script = scripted("x")
    lm("hi", tools=[{"type": "web_search"}])
    assert script.requests[0].tools == ()
    assert bytes((script.requests[0].options or {})["tools"]) == b'[{"type":"web_search"}]'


def test_a_pydantic_model_is_a_response_format():
    """Its schema is what the provider is given."""

    class Colour(pydantic.BaseModel):
        name: str

    lm, script = scripted("x")
    lm("hi", response_format=Colour)
    sent = json.loads(bytes(script.requests[0].response_format or b""))
    assert (sent["type"], sent["json_schema"]["name"]) == ("json_schema", "Colour")
    with pytest.raises(SettingsError, match="response_format"):
        lm("hi", response_format=3)


def test_what_it_can_do_is_told():
    """By the table, by the transport of one's own, or not at all."""
    can = Capabilities(function_calling=True, params=frozenset({"tools"}))
    lm = LM("openai/m", transport=Scripted(capabilities=can))
    assert (lm.supports_function_calling, lm.supports_reasoning, lm.supported_params) == (
        True,
        False,
        {"tools"},
    )
    assert LM("openai/gpt-4o-mini").supports_response_schema
    assert not LM("practice").supports_function_calling
    assert LM("practice").supported_params == set()


def test_system_messages_may_have_openai_s_newer_name():
    """On the wire only: the history says what was asked."""
    lm, script = scripted("x", use_developer_role=True)
    lm(messages=[{"role": "system", "content": "Be short."}, {"role": "user", "content": "hi"}])
    assert [message.role for message in script.requests[0].messages] == ["developer", "user"]
    assert lm.history[-1]["messages"][0]["role"] == "system"
    assert LM.load_state(LM("openai/m", use_developer_role=True).dump_state()).use_developer_role
