"""Looks into a cluster while it works. Apart from `page.py`, because workers import this file to run what is in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TO_DO = ("waiting", "queued", "no-worker", "processing")


def cells_of(dask_scheduler: Any) -> list[str]:
    """Return the cells that the cluster has to do or does; runs on the scheduler."""
    tasks = dask_scheduler.tasks.items()
    return [str(key) for key, task in tasks if "dspex-cell" in str(key) and task.state in TO_DO]


def at_work(dask_worker: Any) -> tuple[int, list[bool]]:
    """Return how many tasks a worker runs, and of each evaluation on it whether its calls are held; on the worker."""
    from dspex.executors.worker import _sessions

    return dask_worker.state.executing_count, [one.token.held_now for one in _sessions.values()]


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Look again and again until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
