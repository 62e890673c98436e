"""Every way a provider fails, and the kind of our error for it: one table for all who carry calls."""

from __future__ import annotations

from dspex.testing.server import Fault

CANARY = "sk-canary-0123456789"
ECHO = f"you sent {CANARY}, which is wrong"
FAULTS = [
    (Fault(status=400, message=ECHO), "invalid"),
    (Fault(status=422), "invalid"),
    (Fault(status=413), "invalid"),
    (Fault(status=400, code="context_length_exceeded"), "context_window"),
    (Fault(status=401, message=ECHO), "auth"),
    (Fault(status=403), "auth"),
    (Fault(status=402), "quota"),
    (Fault(status=404), "invalid"),
    (Fault(status=408), "timeout"),
    (Fault(status=504), "timeout"),
    (Fault(status=409), "server"),
    (Fault(status=429, retry_after=2, message=ECHO), "rate_limit"),
    (Fault(status=429), "rate_limit"),
    (Fault(status=429, message="You exceeded your current quota."), "quota"),
    (Fault(status=500, message=ECHO), "server"),
    (Fault(status=502), "server"),
    (Fault(status=503), "server"),
    (Fault(status=529), "server"),
    (Fault(drop=True), "transport"),
    (Fault(body="<html>"), "unexpected"),
    (Fault(hang=True), "timeout"),
]
