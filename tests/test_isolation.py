"""The ground the other tests stand on: no network, no real home, no keys."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_no_test_reaches_the_network():
    """A connection or a look-up that leaves this machine is refused before a packet goes out."""
    with pytest.raises(RuntimeError, match="loopback only"):
        socket.create_connection(("192.0.2.1", 9), timeout=0.1)
    with pytest.raises(RuntimeError, match="loopback only"):
        socket.getaddrinfo("example.invalid", 80)


def test_loopback_is_open():
    """Tests may talk to servers that they started themselves."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_home_and_keys_are_not_the_users():
    """Whatever writes to the home writes to one that is thrown away, and no provider's key is at hand."""
    assert "dspex-tests-" in str(Path.home())
    assert [name for name in os.environ if name.endswith("_API_KEY")] == []
