"""Anybody may listen; nobody who listens can hold up the work, lose their place silently, or starve the others."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dspex.errors import SettingsError
from dspex.events import listeners
from dspex.events.bus import bus
from dspex.events.event import LMStart, Log
from dspex.events.listeners import Subscription, drain, subscribe
from tests.runs.kernels import output

LIMIT = 10


def say(text: str) -> None:
    bus.emit(Log(level="info", text=text))


@contextmanager
def listening(listener: Any, pattern: str = "log", **options: Any) -> Iterator[Subscription]:
    with subscribe(pattern, listener, **options) as subscription:
        yield subscription


def texts(seen: list[Any]) -> list[str]:
    return [event.text for event in seen]


def test_a_listener_hears_what_it_asked_for() -> None:
    """Only kinds that match the pattern arrive, in order."""
    seen: list[Any] = []
    with listening(seen.append, "l?g"):
        say("a")
        bus.emit(LMStart(model="m"))
        say("b")
    say("after")
    assert texts(seen) == ["a", "b"]


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    """A typing error is told with the nearest kind instead of silence."""
    with pytest.raises(SettingsError, match=r"No event matches `lm_ends`\. Did you mean `lm_end`\?"):
        subscribe("lm_ends", print)


def test_a_listener_runs_on_one_thread_of_its_own() -> None:
    """Never in the thread that emits."""
    seen: set[str] = set()
    with listening(lambda _: seen.add(threading.current_thread().name)):
        say("a")
        say("b")
    assert seen == {"dspex-listeners"}


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit("boom")])
def test_a_failing_listener_is_unhooked_and_it_is_said(error: BaseException) -> None:
    """It is called once, the others go on, and a log event names it with its error."""
    others: list[Any] = []
    calls: list[Any] = []

    def fragile(event: Log) -> None:
        calls.append(event)
        raise error

    with listening(others.append), listening(fragile):
        say("a")
        say("b")
        assert drain()
        say("c")
    assert len(calls) == 1
    name = type(error).__name__
    said = [e for e in others if e.level == "error"]
    assert len(said) == 1
    assert f"fragile` was unhooked: it raised {name}: boom" in said[0].text
    assert [e.text for e in others if e.level == "info"] == ["a", "b", "c"]


def test_a_slow_listener_loses_the_oldest_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded; how many were dropped is in the subscription and in a log event."""
    monkeypatch.setattr(listeners, "QUEUE", 10)
    entered, go = threading.Event(), threading.Event()
    seen: list[str] = []
    told: list[Any] = []

    def slow(event: LMStart) -> None:
        entered.set()
        assert go.wait(LIMIT)
        seen.append(event.model)

    with listening(told.append), listening(slow, "lm_start") as subscription:
        bus.emit(LMStart(model="first"))
        assert entered.wait(LIMIT)
        for n in range(25):
            bus.emit(LMStart(model=str(n)))
        go.set()
        assert drain()
        assert drain()  # what a listener's own thread said reaches the others in the next round
        assert subscription.dropped == 15
    assert seen == ["first", *map(str, range(15, 25))]
    assert [e.text.endswith("too slow: 15 events were dropped.") for e in told] == [True]


def test_a_lossless_listener_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It pays with memory instead."""
    monkeypatch.setattr(listeners, "QUEUE", 10)
    go = threading.Event()
    seen: list[str] = []

    def slow(event: Log) -> None:
        assert go.wait(LIMIT)
        seen.append(event.text)

    with listening(slow, lossless=True) as subscription:
        for n in range(100):
            say(str(n))
        go.set()
    assert seen == [str(n) for n in range(100)]
    assert subscription.dropped == 0


def test_a_listener_that_causes_what_it_hears_does_not_starve_others() -> None:
    """Rounds are finite: everybody gets a turn although one queue never runs empty."""
    heard = threading.Event()
    stop = threading.Event()

    def echo(event: Log) -> None:
        if not stop.is_set():
            say("echo")

    def other(event: LMStart) -> None:
        heard.set()

    with listening(echo), listening(other, "lm_start"):
        say("start")
        bus.emit(LMStart(model="m"))
        try:
            assert heard.wait(LIMIT)
        finally:
            stop.set()


def test_drain_waits_for_all_that_was_emitted_before_it() -> None:
    """After `drain` every event of this thread has been handed over, however often it is tried."""
    seen: list[Any] = []
    with listening(seen.append):
        for n in range(2000):
            say(str(n))
            assert drain()
            assert len(seen) == n + 1


def test_drain_returns_at_once_where_nobody_ever_listened() -> None:
    """There is nothing to wait for."""
    said = output("""
        import time
        from dspex.events.listeners import drain
        before = time.monotonic()
        print(drain(), time.monotonic() - before < 1)
    """)
    assert said.split() == ["True", "True"]


def a_cell(body: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run source as a notebook cell runs: again and again in one namespace."""
    exec(body, names)
    return names


NAMED = """
def listener(event):
    seen.append(({version}, event.text, [w for w in event.text.split()]))
subscribe("log", listener)
"""


def closing_all() -> None:
    for subscription in list(listeners._service._open.values()):
        subscription.close()


@pytest.mark.parametrize("edited", [False, True])
def test_a_rerun_cell_replaces_its_listener(edited: bool) -> None:
    """The same function, defined anew with the same or with corrected code, listens once."""
    seen: list[Any] = []
    names = {"seen": seen, "subscribe": subscribe, "__name__": "__main__"}
    try:
        a_cell(NAMED.format(version=1), names)
        a_cell(NAMED.format(version=2 if edited else 1), names)
        say("once")
        assert drain()
        assert seen == [(2 if edited else 1, "once", ["once"])]
    finally:
        closing_all()


def test_different_small_functions_all_listen() -> None:
    """Lambdas with the same shape but other names or defaults are not taken for one another."""
    a: list[Any] = []
    b: list[Any] = []
    c: list[Any] = []
    names = {"a": a, "b": b, "c": c, "subscribe": subscribe, "__name__": "__main__"}
    cell = """
subscribe("log", lambda e: a.append(e))
subscribe("log", lambda e: b.append(e))
subscribe("log", lambda e, q=c: q.append(e))
subscribe("log", lambda e, q=a: q.append(e))
"""
    try:
        a_cell(cell, names)
        a_cell(cell, names)
        say("x")
        assert drain()
        assert (len(a), len(b), len(c)) == (2, 1, 1)
    finally:
        closing_all()


def test_bound_methods_and_closures_listen_each_for_itself() -> None:
    """Two lists' `append`, two closures and two partials are different listeners."""
    lists: list[list[Any]] = [[], [], [], [], [], []]

    def closure(into: list[Any]) -> Any:
        return lambda event: into.append(event)

    def keep(into: list[Any], event: Any) -> None:
        into.append(event)

    hooked = [
        lists[0].append,
        lists[1].append,
        closure(lists[2]),
        closure(lists[3]),
        functools.partial(keep, lists[4]),
        functools.partial(keep, lists[5]),
    ]
    try:
        for listener in hooked:
            subscribe("log", listener)
        say("x")
        assert drain()
        assert [len(seen) for seen in lists] == [1] * 6
    finally:
        closing_all()


def test_closing_twice_is_harmless() -> None:
    """A subscription may be closed by hand inside its own block."""
    seen: list[Any] = []
    with listening(seen.append) as subscription:
        say("a")
        assert drain()
        subscription.close()
        subscription.close()
        say("b")
    assert texts(seen) == ["a"]


def test_who_listens_from_many_threads_hears_all() -> None:
    """Nothing is lost between eight emitters and the one thread that serves."""
    seen: list[Any] = []
    with listening(seen.append, lossless=True):
        threads = [threading.Thread(target=lambda: [say(str(n)) for n in range(300)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
    assert len(seen) == 2400
    assert [e.seq for e in seen] == list(range(seen[0].seq, seen[0].seq + 2400))
