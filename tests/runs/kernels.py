"""Other processes for the tests: kernels that are started, watched, interrupted and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
STRICT = ("-W", "error", "-X", "dev")
LIMIT = 15.0
"""Seconds no process of these tests may need."""


class Kernel:
    """A Python process that runs `code`; use it in a `with` block, which ends it for certain."""

    def __init__(self, code: str, home: Path | str = "", flags: tuple[str, ...] = ()) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        if home:
            env["DSPEX_HOME"] = str(home)
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-c", textwrap.dedent(code)],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Return the next line the process prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LIMIT)

    def end(self) -> tuple[int, str, str]:
        """Wait for its own end and return exit code, output and error output."""
        out, err = self.process.communicate(timeout=LIMIT)
        # Development mode remarks on slow turns of a loop, which on a busy machine say nothing.
        told = [line for line in err.splitlines(keepends=True) if not line.startswith("Executing <")]
        return self.process.returncode, out, "".join(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=LIMIT)


def output(code: str, home: Path | str = "", flags: tuple[str, ...] = STRICT) -> str:
    """Run the code in a process of its own to a clean end and return what it printed."""
    with Kernel(code, home, flags) as kernel:
        status, out, err = kernel.end()
    assert (status, err) == (0, ""), f"exit {status}\n{out}\n{err}"
    return out
