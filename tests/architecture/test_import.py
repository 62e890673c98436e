"""`import dspex` does nothing: it is quick, takes no heavy package and touches neither disk nor network.

Each test looks at a fresh interpreter, because this one has long imported everything.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    "IPython", "aiohttp", "anywidget", "diskcache", "ipywidgets", "litellm", "openai", "optuna", "pandas", "plotly",
]  # fmt: skip

WATCH = """
import os, sys
import asyncio, pydantic
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "sqlite3.connect", "subprocess.Popen")
seen = []
def hook(event, args):
    if event == "open":
        path, mode, flags = args
        if flags & WRITES or (isinstance(mode, str) and set(mode) & set("wax+")):
            seen.append(f"{event} {path!r} {mode}")
    elif event.startswith("socket.") or event in CHANGES:
        seen.append(f"{event} {args!r}")
sys.addaudithook(hook)
import dspex
threads = [f"thread {t.name}" for t in __import__("threading").enumerate()][1:]
sys.stdout.write("\\n".join(seen + threads))
"""


def python(code: str) -> str:
    """Run code in a fresh interpreter that writes no bytecode and return what it wrote."""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seconds(code: str, compiled: Path) -> float:
    """Return the processor time of a fresh interpreter that finds its bytecode in `compiled`.

    An installed package has its bytecode; and processor time says little of how busy the machine is.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=20)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_import_takes_no_heavy_package():
    """A user who only wants a signature does not wait for pandas or litellm."""
    code = "import sys, dspex; sys.stdout.write(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    assert sorted(set(python(code).split()) & set(HEAVY)) == []


def test_import_touches_neither_disk_nor_network_and_starts_no_thread():
    """Importing writes no file, opens no socket or database, and starts no thread or process."""
    assert python(WATCH) == ""


def test_watch_sees_a_write():
    """The test above would notice: the same hook reports an import that writes."""
    spy = WATCH.replace("import dspex\n", "open('/dev/null', 'w').close()\n")
    assert "/dev/null" in python(spy)


@pytest.mark.timeout(60)
def test_import_is_quick(tmp_path: Path):
    """`import dspex` costs at most 1.67 times asyncio and pydantic alone (0.25 s where they take 0.15 s).

    Interleaved runs and the minimum of each; the first round only compiles.
    """
    base, ours = [], []
    for _ in range(8):
        base.append(seconds("import asyncio, pydantic", tmp_path))
        ours.append(seconds("import dspex", tmp_path))
    ratio = min(ours[1:]) / min(base[1:])
    assert ratio <= 1.67, f"{ratio:.2f} times; `python -X importtime -c 'import dspex'` shows what grew"
