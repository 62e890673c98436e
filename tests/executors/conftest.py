"""One cluster of real processes on this machine, and one provider beside it, for all tests of executors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dspex.testing.server import Server, serving
from tests.executors.programs import KEY, echo


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of three worker processes with four threads each, which have a key."""
    distributed = pytest.importorskip("distributed")
    import dask

    from dspex.executors import give_keys

    with (
        # A busy machine takes its time to start a worker again; Dask gives one up that takes too long.
        dask.config.set(
            {"distributed.scheduler.allowed-failures": 1, "distributed.deploy.lost-worker-timeout": "120s"}
        ),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=4, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1",
            memory_limit=0,
        ) as cluster,
        distributed.Client(cluster) as one,
    ):  # fmt: skip
        give_keys(one, {"OPENAI_API_KEY": KEY})
        yield one


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(echo, latency=0.05) as one:
        yield one
