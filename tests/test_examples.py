"""The examples people read: every one in a docstring and in the README runs and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import io
import re
from pathlib import Path

import pytest

import dspex

ROOT = Path(__file__).resolve().parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    """Return the name of every module that holds an example."""
    files = [p for package in ("dspex", "dspex_widgets") for p in sorted((ROOT / package).rglob("*.py"))]
    names = [p.relative_to(ROOT).with_suffix("") for p in files if ">>> " in p.read_text(encoding="utf-8")]
    return [".".join(name.parts).removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("module", modules())
def test_examples_in_docstrings_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each example can be typed as it stands, with `dspex` imported and nothing else."""
    monkeypatch.chdir(tmp_path)
    told = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    home = importlib.import_module(module)
    for test in doctest.DocTestFinder().find(home, extraglobs={"dspex": dspex}):
        runner.run(test, out=told.write)
    assert not runner.failures, told.getvalue()


def blocks(title: str) -> list[str]:
    """Return the Python blocks of a section of the README."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.mark.timeout(60)
def test_readme_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The README's plain Python program runs from top to bottom, offline, and writes its report."""
    monkeypatch.chdir(tmp_path)
    [program] = blocks("Without a notebook")
    exec(compile(program, "README.md", "exec"), {"__name__": "readme"})
    assert "practice" in Path("triage.html").read_text(encoding="utf-8")
