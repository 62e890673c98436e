"""What runs on a worker of a cluster: one example is answered and scored as it would be at home.

Runs in a thread of Dask's worker; the program itself runs on this process's host loop. Nothing here decides about the
run: what a go may take, when it is to end and where its events go is told by the driver.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

from dspex import _host
from dspex.errors import BudgetExceeded, CancelRequested
from dspex.evaluate.cells import Cells
from dspex.evaluate.stream import FATAL, Go, Task, made
from dspex.evaluate.vary import Variants
from dspex.executors.outbox import Outbox, outlet
from dspex.executors.parcel import Parcel, Slip
from dspex.executors.replies import Reply, pack_cell, pack_error
from dspex.scope.budget import Budget
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, Tally, enter
from dspex.settings import Settings, fixed

MARK = "\x1f"
"""Between a span and the go it belongs to, on the way to the driver."""
HELD = "driver"
"""The hold of a person who paused calls in flight."""
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
    known = {
        "worker": worker.address,
        "name": f"worker {worker.name}" if worker.name != worker.address else worker.name,
    }

    def send(message: dict[str, Any]) -> None:
        worker.log_event(parcel.topic, message | known)

    return _host.portal.run(_go(parcel, slip, send), "a cell")


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


async def _go(parcel: Parcel, slip: Slip, send: Any) -> Reply:
    session = _sessions.get(parcel.session)
    if session is None:
        session = _sessions[parcel.session] = Session(parcel.session, send)
        outlet.open(session.id, session.outbox)
    ready = session.ready(parcel)
    go = os.urandom(4).hex()
    budget = Budget(slip.caps.get("usd"), tokens=slip.caps.get("tokens"), calls=slip.caps.get("calls"))
    scope = Scope(
        run=session.id,
        span=f"{slip.span}{MARK}{slip.cell}.{go}",
        parent=slip.parent,
        patient=True,
        cancel=session.token,
        budget=budget,
        rng=random.Random(f"{slip.span} {slip.repeat}"),
        tally=Tally(),
    )
    with enter(scope), fixed(ready.settings):
        said = await _said(session, ready, slip, scope)
    return Reply(
        go=go, mark=session.mark, batches=session.outbox.flush(), calls=scope.tally.calls, cost=scope.tally.cost,
        used=budget.used, **said,
    )  # fmt: skip


async def _said(session: Session, ready: _Ready, slip: Slip, scope: Scope) -> dict[str, Any]:
    go = Go(slip.place, slip.example, slip.example.digest, slip.repeat)
    told = ready.task.traceback
    try:
        return pack_cell(await session.token.guard(made(ready.task, ready.variants, go, scope)), told=told)
    except BudgetExceeded as exc:
        return {"failure": pack_error(exc, told=False), "over": True}
    except FATAL as exc:
        return {"failure": pack_error(exc, told=False)}
