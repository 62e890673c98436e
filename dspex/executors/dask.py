"""Cells made on the workers of a Dask cluster: `Evaluate(..., executor=Client(...))`.

The evaluation stays here: its bounded window, the ledger, money, events, pause and stop. Each cell is one task, so a
worker that is lost has its cells done again and each counts once. What holds and what does not:

- The run's caps: an example leaves with the most it may take and the worker refuses what would go beyond, so answered
  calls do not cross a cap. Calls of a worker that was lost count as far as their events got out: a cap may be overrun
  by at most the leases that worker held.
- A provider's limits: numbers in `dspex.Pool` are cut into equal shares by the workers there are when the evaluation
  begins. A limit that is found by trying is found by each worker on its own. Workers do not see each other's breakers.
- Kept answers: workers on one machine share its cache; others have their own, so an answer may be paid once on each.
- Calls in the middle of a cell are in the ledger once their answer is here: a resumed run takes them from it, on the
  cluster or without one. Where a run began without a cluster and goes on with one, the cells that were cut off in the
  middle are made anew. What a lost worker was answered is asked once more, since Dask sends its cells on by itself.
- What models answer passes through the scheduler, as results do; it keeps the last 1000 batches of events in memory.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dspex import _host
from dspex.data.example import Example
from dspex.errors import DspexError, SettingsError, in_words
from dspex.evaluate.cells import Cell
from dspex.evaluate.elsewhere import Errand
from dspex.events.event import Log, RunPaused, RunResumed
from dspex.executors.calls import Calls
from dspex.executors.desk import Desk
from dspex.executors.lease import MORE, Lease, Leases
from dspex.executors.parcel import Slip, pack
from dspex.executors.replies import Reply, unpack_cell, unpack_error
from dspex.executors.worker import hold, run_cell, steer
from dspex.scope.scope import Scope, current
from dspex.settings import Settings, current_settings

LOOK = 0.2
"""Seconds after which a pause or a cancel has been heard at the latest."""
GRACE = 1.0
"""Seconds that the end of an evaluation waits for the workers to hear of it."""


class Dask:
    """The executor for a Dask cluster.

    Args:
        client: a `dask.distributed.Client`, not asynchronous.

    Raises:
        SettingsError: the client is asynchronous or closed.
    """

    def __init__(self, client: Any) -> None:
        if client.asynchronous:
            raise SettingsError(
                "An asynchronous Dask client lives on your own event loop, which the run must not wait for; "
                "make it without `asynchronous=True`."
            )
        self.client = client
        self.topic = topic_of(client)
        self._check_open()
        self._desks: dict[str, Desk] = {}

    def __repr__(self) -> str:
        return f"<Dask {self.client.scheduler.address if self.client.scheduler else 'closed'}>"

    def __deepcopy__(self, memo: object) -> Dask:
        return self

    @asynccontextmanager
    async def open(self, errand: Errand) -> AsyncIterator[Session]:
        """Make the workers ready for one evaluation; leaving the block cancels what they still do."""
        self._check_open()
        workers = await _host.in_worker(self.workers)
        session = Session(self, errand, current(), workers)
        desks = _desks_of(self.client)
        desks[session.id] = session.desk
        watch = asyncio.ensure_future(session.watch())
        try:
            if not workers:
                session.scope.emit(
                    Log(level="warning", text="The cluster has no workers yet; the run waits for them.")
                )
            yield session
        finally:
            watch.cancel()
            await session.close()
            desks.pop(session.id, None)

    def workers(self) -> dict[str, int]:
        """Return the threads of each worker by its address; for a plain thread."""
        return dict(self.client.nthreads())

    def _check_open(self) -> None:
        if self.client.status in ("closed", "closing"):
            raise SettingsError("The Dask client is closed; make a new `Client(...)` and pass that.")


@dataclass(slots=True)
class _Sent:
    """What a parcel was made for, so that it is made again where a person changes the model."""

    settings: Settings
    future: Any


class Session:
    """One evaluation on the cluster; lives on the host loop.

    Args:
        dask: the cluster.
        errand: what is the same for all examples.
        scope: the evaluation's.
        workers: threads by worker, when it begins.
    """

    def __init__(self, dask: Dask, errand: Errand, scope: Scope, workers: dict[str, int]) -> None:
        self.id = f"dspex-{scope.run or 'here'}-{os.urandom(4).hex()}"
        self.scope = scope
        self.desk = Desk(self.id, scope, self._held)
        self._dask = dask
        self._client = dask.client
        self._errand = errand
        self._workers = workers
        self._numbers = itertools.count()
        self._leases = Leases(scope.budget, errand.width)
        self._sent: _Sent | None = None
        self._suspects = asyncio.Lock()
        self._held_by: str | None = None
        self._told = "release"

    async def make(self, place: int, example: Example, repeat: int) -> Cell:
        """Have one example answered and scored by a worker.

        Raises:
            Interruption, UsageError, LMAuthError, LMQuotaError, LMUnavailableError: going on cannot help.
        """
        scope, times, key = current(), 1.0, example.digest
        calls = Calls(scope.ledger)
        while True:
            number = next(self._numbers)
            lease = await self._leases.take(times)
            slip = Slip(
                cell=number, place=place, example=example, repeat=repeat, span=scope.span, parent=scope.parent,
                caps=lease.caps, path=calls.path, known=calls.known,
                notes={key: self._errand.notes[key]} if key in self._errand.notes else {},
            )  # fmt: skip
            outcome = await self._done(slip, lease, scope, calls)
            if isinstance(outcome, DspexError):
                cost = scope.tally.cost
                return Cell(example=key, error=str(outcome), failure=outcome, repeat=repeat, cost=cost)
            if outcome.cell is not None:
                scope.tally.take(outcome.known_calls, outcome.known_cost)
                return unpack_cell(outcome, scope.tally.cost)
            assert outcome.failure is not None, "a go ends with a cell or with an error"
            if outcome.over and not self._leases.all_of_it(lease.caps):
                times *= MORE
                continue
            scope.cancel.check()
            if outcome.over:
                self._leases.refuse(outcome.failure.about["what"])
            raise unpack_error(outcome.failure)

    async def watch(self) -> None:
        """Tell the workers of a pause that holds calls in flight, and see which of them have gone."""
        token = self.scope.cancel
        while True:
            await asyncio.sleep(LOOK)
            verb = "cancel" if token.how == "cancel" else "hold" if token.held_now else "release"
            if verb != self._told:
                self._told = verb
                await self._steer(verb)
            if self.desk.holds or self._held_by:
                await self._look()

    async def close(self) -> None:
        """Have the workers end what they still do, and say what of their news is missing."""
        self._sent = None
        ending = asyncio.ensure_future(self._steer("end"))
        await asyncio.wait([ending], timeout=GRACE)
        self._let_go()
        if self.desk.lost:
            text = f"{self.desk.lost} batches of events of workers did not arrive: calls and costs shown are too few."
            self.scope.emit(Log(level="warning", text=text))

    # ------------------------------------------------------------------------------------------- private

    async def _done(self, slip: Slip, lease: Lease, scope: Scope, calls: Calls) -> Reply | DspexError:
        """Return what became of one go, with what it took booked, whatever that is."""
        self.desk.expect(slip.cell, calls)
        reply: Reply | None = None
        try:
            sent = await self._asked(slip)
            if isinstance(sent, DspexError):
                return sent
            reply = sent
            await self.desk.arrived(reply.mark, reply.batches)
            return reply
        finally:
            lost = self.desk.settle(slip.cell, but="" if reply is None else reply.go)
            used = {} if reply is None else reply.used
            took = {kind: used.get(kind, 0) + lost.get(kind, 0) for kind in {*used, *lost}}
            lease.settle(took)
            if reply is not None and not reply.over:
                self._leases.seen(used)
            count = int(lost.get("calls", 0)) + (0 if reply is None else reply.calls)
            cost = lost.get("usd", 0.0) + (0.0 if reply is None else reply.cost)
            for nth in range(count):
                scope.tally.add(0.0 if nth else cost)

    async def _asked(self, slip: Slip) -> Reply | DspexError:
        """Send one example and return what came back, or the error of a cell whose workers died of it."""
        died = await self._once(slip)
        if not isinstance(died, _Died):
            return died
        async with self._suspects:
            # It may only have been beside one that kills workers: once more, and no two of those at once.
            return await self._once(slip)

    async def _once(self, slip: Slip) -> Reply | DspexError:
        key = f"dspex-cell-{self.id}-{slip.cell}-{os.urandom(2).hex()}"
        future = self._client.submit(run_cell, self._parcel(), slip, key=key, pure=False)
        try:
            reply: Reply = await self._gathered(future)
            return reply
        except asyncio.CancelledError:
            self._drop(future)
            raise
        except Exception as exc:  # Dask's own errors, and those of what it could not unpack over there
            gone = future.cancelled() or isinstance(exc, concurrent.futures.CancelledError)
            if gone or self._client.status in ("closed", "closing"):
                self.scope.cancel.check()
                raise SettingsError(
                    "The Dask cluster gave the work up: its client was closed, or the scheduler was lost. "
                    "What is done is kept; resume the run with another client."
                ) from exc
            if type(exc).__name__ == "KilledWorker":
                return _Died("Every worker that took this example died while it ran; their logs may say why.")
            return DspexError(in_words(exc)[:500])
        finally:
            future.release()

    async def _gathered(self, future: Any) -> Any:
        """Return what a task gave. Who is cut off here leaves Dask's own waiting alone.

        Dask fetches the results of many tasks by one request, and cutting one of those who wait for it would fail all
        others, those of later evaluations too.
        """
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def tell(_: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_host.release, done)

        gathered = asyncio.run_coroutine_threadsafe(
            self._client.gather(future, asynchronous=True), self._client.loop.asyncio_loop
        )
        gathered.add_done_callback(tell)
        await done
        return gathered.result()

    def _parcel(self) -> Any:
        """Return the parcel on the cluster, made once for the settings there are."""
        settings = current_settings()
        sent = self._sent
        if (
            sent is None
            or sent.settings.lm is not settings.lm
            or sent.settings.adapter is not settings.adapter
        ):
            name = f"dspex-parcel-{self.id}-{os.urandom(2).hex()}"
            packed = pack(self.id, name, self._dask.topic, self._errand, settings, len(self._workers))
            sent = self._sent = _Sent(settings, self._client.submit(hold, packed, key=name, pure=False))
        return sent.future

    async def _look(self) -> None:
        """See which workers have gone: they wait for nobody."""
        try:
            self._workers = await _host.in_worker(self._dask.workers)
        except Exception:  # a cluster that cannot be asked now: what is sent there tells why
            return
        self._held()

    def _held(self) -> None:
        """Hold the run while every worker waits for a provider."""
        waiting = {worker: holds for worker, holds in self.desk.holds.items() if worker in self._workers}
        all_wait = bool(waiting) and len(waiting) == len(self._workers)
        if all_wait and self._held_by is None:
            name, reason = next(iter(next(iter(waiting.values())).items()))
            if self.scope.cancel.pause(name):
                self._held_by = name
                self.scope.emit(RunPaused(by="provider", hold=name, reason=reason))
        elif not all_wait:
            self._let_go()

    def _let_go(self) -> None:
        name, self._held_by = self._held_by, None
        if name is not None and self.scope.cancel.resume(name):
            self.scope.emit(RunResumed(by="provider", hold=name))

    async def _steer(self, verb: str) -> None:
        def tell() -> None:
            self._client.run(steer, self.id, verb, on_error="ignore")

        try:
            await _host.in_worker(tell)
        except Exception as exc:  # a cluster that is gone hears nothing, and has nothing to end
            self.scope.emit(Log(level="warning", text=f"The workers could not be told to {verb}: {exc}"))

    def _drop(self, future: Any) -> None:
        loop = self._client.loop.asyncio_loop
        if not loop.is_closed():
            asyncio.run_coroutine_threadsafe(_quietly(self._client.cancel([future], asynchronous=True)), loop)


def topic_of(client: Any) -> str:
    """Return where a client's workers put their events; the scheduler keeps the last 1000 batches of it."""
    return f"dspex-{client.id}"


class _Died(DspexError):
    """An example that no worker survived."""


async def _quietly(coro: Coroutine[Any, Any, Any]) -> None:
    try:
        await coro
    except Exception:  # what cannot be cancelled any more is over
        return


_known: dict[str, dict[str, Desk]] = {}


def _desks_of(client: Any) -> dict[str, Desk]:
    """Return the desks of a client's evaluations, by session; batches find theirs from the first time on."""
    desks = _known.get(client.id)
    if desks is None:
        desks = _known[client.id] = {}
        found = desks

        def arrive(event: tuple[float, Any]) -> None:
            message = event[1]
            if isinstance(message, dict) and (desk := found.get(message.get("dspex", ""))) is not None:
                _host.loop().call_soon_threadsafe(desk.take, message)

        client.subscribe_topic(topic_of(client), arrive)
    return desks
