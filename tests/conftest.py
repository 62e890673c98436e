"""What every test stands on: a home of its own, no network but loopback, no settings left over.

It acts before any test module is imported, because a library that read the real home at import would already
have done harm by the time a fixture runs.
"""

from __future__ import annotations

import atexit
import dataclasses
import ipaddress
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "dspex", deadline=None, print_blob=True
)  # shared cores: time says nothing
hypothesis.settings.load_profile("dspex")

HOME = tempfile.mkdtemp(prefix="dspex-tests-")
LOOPBACK_NAMES = {"", "localhost", "ip6-localhost"}


class NetworkBlocked(RuntimeError):
    """A test tried to reach a host outside this machine."""


def _isolate() -> None:
    """Give the whole session a home of its own and take every provider's key away."""
    for name in [
        n for n in os.environ if n.startswith(("XDG_", "DSPEX_", "JUPYTER_")) or n.endswith("_API_KEY")
    ]:
        del os.environ[name]
    places = {
        "HOME": "",
        "USERPROFILE": "",
        "DSPEX_HOME": "dspex",
        "DSPEX_CACHE_DIR": "cache",
        "IPYTHONDIR": "ipython",
    }
    os.environ |= {name: str(Path(HOME, part)) for name, part in places.items()}


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return name in LOOPBACK_NAMES


def _guard(event: str, args: tuple[Any, ...]) -> None:
    """Refuse a connection or a name look-up that leaves the machine, from whichever thread or library."""
    if event in {"socket.connect", "socket.sendto"}:
        address = args[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise NetworkBlocked(f"{event} {address!r}: tests reach loopback only; use a scripted transport.")
    elif event == "socket.getaddrinfo" and not _is_loopback(args[0]):
        raise NetworkBlocked(f"look-up of {args[0]!r}: tests reach loopback only; use a scripted transport.")


_isolate()
atexit.register(
    shutil.rmtree, HOME, ignore_errors=True
)  # registered first, so it goes when all others are done
sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def _leave_nothing() -> Iterator[None]:
    """Take back what a test configured and end the runs it left going."""
    yield
    if (runs := sys.modules.get("dspex.runs")) is not None:
        for run in runs.live():
            run.cancel()
            run.wait(5)
    if (events := sys.modules.get("dspex.events.bus")) is not None:
        events.bus._over.clear()  # another test's run may have had the id that this one writes by hand
    if (endpoints := sys.modules.get("dspex.lm.endpoint")) is not None:
        endpoints.registry.forget()  # a port that is used again must not meet an open breaker
    if (settings := sys.modules.get("dspex.settings")) is not None:
        fresh = settings.Settings()
        settings.configure(**{field.name: getattr(fresh, field.name) for field in dataclasses.fields(fresh)})
