"""What runs on a worker of a cluster: one example is answered and scored as it would be at home.

Runs in a thread of Dask's worker; the program itself runs on this process's host loop. Nothing here decides about the
run: what a go may take, when it is to end and where its events go is told by the driver.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from dspex import _host
from dspex.errors import BudgetExceeded, CancelRequested, in_words
from dspex.evaluate.cells import Cell, Cells
from dspex.evaluate.stream import FATAL, Go, Task, made
from dspex.evaluate.vary import Variants
from dspex.executors.calls import Satchel
from dspex.executors.outbox import Outbox, outlet
from dspex.executors.parcel import Parcel, Slip
from dspex.executors.replies import Reply, pack_cell, pack_error
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken
from dspex.scope.ledger import Ledger
from dspex.scope.scope import Scope, Tally, enter
from dspex.settings import Settings, fixed

HELD = "driver"
"""The hold of a person who paused calls in flight."""
LOOK = 0.5
"""Seconds after which a go ends that nobody waits for any more: its driver has died."""
_MINE = os.urandom(6).hex()


@dataclass(frozen=True, slots=True)
class _Ready:
    task: Task
    variants: Variants
    settings: Settings


class Session:
    """One evaluation on this worker.

    Attributes:
        token: ends and holds its goes.
        mark: names this process and this evaluation in it.
    """

    def __init__(self, id: str, send: Any) -> None:
        self.id = id
        self.mark = f"{_MINE}-{os.urandom(4).hex()}"
        self.token = CancelToken()
        self.outbox = Outbox(send, id, self.mark)
        self._ready: dict[str, _Ready] = {}

    def ready(self, parcel: Parcel) -> _Ready:
        """Return what a parcel holds, unpacked once; on the host loop."""
        if parcel.name not in self._ready:
            errand, settings = parcel.ready()
            task = Task(
                program=errand.program, metric=errand.metric, candidate="", digest="", cells=Cells(0), width=1,
                timeout=errand.timeout, retries=errand.retries, repeats=errand.repeats, traceback=errand.traceback,
            )  # fmt: skip
            self._ready[parcel.name] = _Ready(task, Variants(errand.program, errand.repeats), settings)
        return self._ready[parcel.name]


_sessions: dict[str, Session] = {}


def hold(parcel: Parcel) -> Parcel:
    """Return the parcel: as a task of its own it is sent once, and made again where the worker that had it is lost."""
    return parcel


def run_cell(parcel: Parcel, slip: Slip) -> Reply:
    """Answer and score one example; called by Dask in one of its worker's threads."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    known = {
        "worker": worker.address,
        "name": f"worker {worker.name}" if worker.name != worker.address else worker.name,
    }

    def send(message: dict[str, Any]) -> None:
        worker.log_event(parcel.topic, message | known)

    def wanted() -> bool:
        # What nobody waits for any more stays in this state while its thread is at work.
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    try:
        return _host.portal.run(_go(parcel, slip, send, wanted), "a cell")
    except (KeyboardInterrupt, GeneratorExit) as exc:
        raise RuntimeError(
            in_words(exc)
        ) from exc  # nobody sits at a worker: the user's code raised it, at one example


def steer(session: str, verb: str) -> None:
    """Do what the driver says to all goes of an evaluation: `cancel`, `hold`, `release` or `end`."""
    known = _sessions.get(session)
    if known is None:
        return
    if verb == "hold":
        known.token.pause(HELD, now=True)
    elif verb == "release":
        known.token.resume(HELD)
    else:
        known.token.request("cancel", CancelRequested("the run was asked to cancel"))
    if verb == "end":
        known.outbox.flush()
        outlet.close(session)
        _sessions.pop(session, None)


async def _go(parcel: Parcel, slip: Slip, send: Any, wanted: Callable[[], bool]) -> Reply:
    session = _sessions.get(parcel.session)
    if session is None:
        session = _sessions[parcel.session] = Session(parcel.session, send)
        outlet.open(session.id, session.outbox)
    ready = session.ready(parcel)
    go = os.urandom(4).hex()
    # What is known is counted in the cell's own tally alone: the run has it in its books already.
    new = Tally()
    tally = Tally(new)
    budget = Budget(slip.caps.get("usd"), tokens=slip.caps.get("tokens"), calls=slip.caps.get("calls"))
    scope = Scope(
        run=session.id,
        span=slip.span,
        parent=slip.parent,
        patient=True,
        cancel=session.token,
        budget=budget,
        rng=random.Random(f"{slip.span} {slip.repeat}"),
        tally=tally,
        ledger=Ledger(Satchel(f"{slip.cell}.{go}", slip.known), slip.path),
    )
    with enter(scope), fixed(ready.settings):
        said = await _said(session, ready, slip, scope, wanted)
    return Reply(
        go=go, mark=session.mark, batches=session.outbox.flush(), calls=new.calls, cost=new.cost,
        known_calls=tally.calls - new.calls, known_cost=tally.cost - new.cost, used=budget.used, **said,
    )  # fmt: skip


async def _said(
    session: Session, ready: _Ready, slip: Slip, scope: Scope, wanted: Callable[[], bool]
) -> dict[str, Any]:
    go = Go(slip.place, slip.example, slip.example.digest, slip.repeat)
    told = ready.task.traceback
    task = replace(ready.task, notes=slip.notes)
    work = session.token.guard(made(task, ready.variants, go, scope))
    try:
        return pack_cell(await _while(wanted, work), told=told)
    except BudgetExceeded as exc:
        return {"failure": pack_error(exc, told=False), "over": True}
    except FATAL as exc:
        return {"failure": pack_error(exc, told=False)}


async def _while(wanted: Callable[[], bool], work: Coroutine[Any, Any, Cell]) -> Cell:
    """Await work, cutting it off once nobody wants it.

    Raises:
        CancelRequested: nobody does.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=LOOK))[0]:
            if not wanted():
                raise CancelRequested("nobody waits for this example any more")
        return task.result()
    finally:
        task.cancel()
