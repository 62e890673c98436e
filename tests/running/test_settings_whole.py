"""The settings as DSPy's users know them: read and set by any spelling, copied, saved and loaded, kept apart."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.errors import SettingsError


def test_every_spelling_reads_and_sets() -> None:
    """Attribute, item, `get`, `in`, and assignment."""
    dspex.settings.num_threads = 3
    dspex.settings["max_errors"] = 4
    assert (dspex.settings["num_threads"], dspex.settings.get("max_errors")) == (3, 4)
    assert "lm" in dspex.settings
    assert "ml" not in dspex.settings
    assert dspex.settings.get("ml", "none") == "none"
    with pytest.raises(SettingsError, match="Unknown setting `ml`"):
        dspex.settings.ml = 1


def test_a_copy_can_be_laid_again() -> None:
    """`context(**settings.copy())` is the same settings; a copy is a dict with attributes."""
    lm = dspex.LM("practice")
    with dspex.context(lm=lm, track_usage=True, callbacks=[]):
        kept = dspex.settings.copy()
    assert kept.lm is kept["lm"] is lm
    with dspex.context(**kept):
        assert dspex.settings.lm is lm
        assert dspex.settings.track_usage
        assert dspex.settings.config == dspex.settings.copy()
    with pytest.raises(AttributeError):
        _ = kept.nothing


def test_settings_are_saved_as_json_without_a_key(tmp_path: Path) -> None:
    """Model, adapter and plain values come back; the key and what is running do not go into the file."""
    path = tmp_path / "settings.json"
    dspex.configure(
        lm=dspex.LM("openai/gpt-4o-mini", api_key="sk-secret", temperature=0.5),
        adapter=dspex.JSONAdapter(use_native_function_calling=False), num_threads=3, callbacks=[], track_usage=True,
    )  # fmt: skip
    dspex.settings.save(path, exclude_keys=["track_usage"])
    assert "sk-secret" not in path.read_text(encoding="utf-8")
    dspex.configure(lm=None, adapter=dspex.ChatAdapter(), num_threads=8, track_usage=False)
    loaded = dspex.load_settings(path, allow_pickle=True)
    assert "track_usage" not in loaded
    dspex.configure(**loaded)
    assert dspex.settings.lm.kwargs["temperature"] == 0.5
    assert dspex.settings.adapter == dspex.JSONAdapter(use_native_function_calling=False)
    assert dspex.settings.num_threads == 3
    assert dspex.settings.load(path).keys() == loaded.keys()


@pytest.mark.parametrize("name", ["settings.pkl", "settings"])
def test_settings_are_never_pickled(tmp_path: Path, name: str) -> None:
    """Another form than JSON is refused with the name to use, both ways."""
    for act in (dspex.settings.save, dspex.load_settings):
        with pytest.raises(SettingsError, match=r"use `settings\.json`"):
            act(tmp_path / name)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"settings": 3}', '{"settings": {"adapter": {"adapter": "os"}}}']
)
def test_a_file_with_something_else_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing but our own error, and nothing imported by name."""
    path = tmp_path / "settings.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        dspex.load_settings(path)
    with pytest.raises(SettingsError, match="no file"):
        dspex.load_settings(tmp_path / "other.json")


def test_what_json_cannot_hold_is_named(tmp_path: Path) -> None:
    """An adapter of one's own cannot be saved; the message says how to leave it out."""

    class Mine(dspex.ChatAdapter):
        pass

    with dspex.context(adapter=Mine()), pytest.raises(SettingsError, match=r'exclude_keys=\["adapter"\]'):
        dspex.settings.save(tmp_path / "settings.json")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"adapter": dspex.ChatAdapter}, "`adapter` takes an adapter such as `dspex.ChatAdapter()`, not `ChatAdapter`. Write"),
        ({"adapter": 3}, "`adapter` takes an adapter"),
        ({"callbacks": "x"}, "`callbacks` takes a list of callbacks, not `str`."),
        ({"trace": {}}, "`trace` takes a list"),
        ({"max_history_size": -1}, "`max_history_size` takes a whole number of at least 0"),
        ({"tracing": 1}, "Unknown setting `tracing`. Did you mean `trace`?"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(changes: dict[str, Any], text: str) -> None:
    """One line, at once, and nothing changes."""
    before = repr(dspex.settings)
    with pytest.raises(SettingsError) as caught:
        dspex.configure(**changes)
    assert str(caught.value).startswith(text)
    assert repr(dspex.settings) == before


def test_none_means_the_usual_adapter() -> None:
    """`configure(adapter=None)` brings the chat adapter back."""
    dspex.configure(adapter=dspex.JSONAdapter())
    dspex.configure(adapter=None)
    assert dspex.settings.adapter == dspex.ChatAdapter()


def test_configure_reaches_into_an_open_context() -> None:
    """A context changes what it names and no more: later configuration of the rest is seen inside."""
    with dspex.context(num_threads=2):
        dspex.configure(max_errors=77)
        assert (dspex.settings.num_threads, dspex.settings.max_errors) == (2, 77)


def test_a_trace_notes_each_step_as_dspy_has_it() -> None:
    """(predictor, inputs, prediction) of every predictor, up to the limit; nothing is kept unless asked."""
    predict = dspex.Predict("ticket -> team")
    dspex.configure(lm=dspex.utils.DummyLM([{"team": str(k)} for k in range(9)]))
    predict(ticket="before")
    assert dspex.settings.trace is None
    with dspex.context(trace=[], max_trace_size=2):
        for k in range(4):
            predict(ticket=str(k))
        steps = dspex.settings.trace
    assert [(who, given["ticket"], said.team) for who, given, said in steps] == [
        (predict, "2", "3"),
        (predict, "3", "4"),
    ]


def test_models_of_threads_and_tasks_never_mix() -> None:
    """Two threads, each with an event loop of three tasks: every answer comes from the task's own model."""
    wrong: list[str] = []
    barrier = threading.Barrier(2)
    predict = dspex.Predict("ticket -> team")

    async def task(name: str) -> None:
        with dspex.context(lm=dspex.utils.DummyLM([{"team": name}] * 20)):
            for _ in range(20):
                await asyncio.sleep(0)
                if (await predict.acall(ticket="x")).team != name:
                    wrong.append(name)

    def thread(name: str) -> None:
        async def main() -> None:
            await asyncio.gather(*(task(f"{name}{k}") for k in range(3)))

        barrier.wait(5)
        with dspex.context(lm=dspex.utils.DummyLM([{"team": name}] * 60)):
            wrong.extend(name for _ in range(20) if predict(ticket="x").team != name)
        asyncio.run(main())

    threads = [threading.Thread(target=thread, args=(str(k),)) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_the_file_is_json_that_people_can_read(tmp_path: Path) -> None:
    """A settings file holds names and plain values."""
    dspex.settings.save(tmp_path / "s.json")
    text = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert text["settings"]["adapter"]["adapter"] == "ChatAdapter"
    assert text["settings"]["num_threads"] == dspex.settings.num_threads
