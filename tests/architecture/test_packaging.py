"""What is declared is what is used, and what is locked names no place to fetch it from."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"dspex", "dspex_widgets"}
FOUND_BY_NAME = {
    "ipywidgets": "anywidget's own base, and JupyterLab's side of every widget",
    "litellm": "its price table is read as a file, and it is imported by name when first used",
}
"""Dependencies that need no import statement, and what they are for."""

WHERE_THERE = {
    "pyarrow": "an evaluation is written as Parquet where it is installed, and says so where it is not"
}
"""Imports that are tried, and answered with words where they fail."""

COMES_ALONG = {
    "aiohappyeyeballs": "how aiohttp connects",
    "annotationlib": "the standard library's, from Python 3.14",
    "pydantic_core": "pydantic's other half",
}
"""Imports that no dependency of their own brings."""


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", r)[0].lower().replace("-", "_") for r in requirements}


def imported() -> dict[str, str]:
    """Return every foreign package our files import, with one of the files."""
    found: dict[str, str] = {}
    for path in (p for package in OWN for p in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {n.split(".")[0].lower(): path.name for n in names if n}
    return {n: p for n, p in found.items() if n not in sys.stdlib_module_names and n not in OWN}


def test_every_import_is_declared():
    """A package our files import is one the wheel asks for: none comes along by luck."""
    known = (
        set(COMES_ALONG)
        | declared(PROJECT["dependencies"])
        | declared(PROJECT["optional-dependencies"]["plot"])
        | declared(PROJECT["optional-dependencies"]["dask"])
        | set(WHERE_THERE)
    )
    assert {n: p for n, p in imported().items() if n not in known} == {}


def test_every_dependency_is_used():
    """What the wheel asks for, it needs."""
    assert sorted(declared(PROJECT["dependencies"]) - set(imported()) - set(FOUND_BY_NAME)) == []


def test_plain_install_is_narrow_about_litellm():
    """The two withdrawn releases of litellm are never installed."""
    [litellm] = [r for r in PROJECT["dependencies"] if r.startswith("litellm")]
    assert "!=1.82.7" in litellm
    assert "!=1.82.8" in litellm


@pytest.mark.parametrize("name", ["constraints.txt", "js/package-lock.json"])
def test_locks_name_no_place(name: str):
    """A lock says what and which, never where from: a mirror serves as well."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    places = [line for line in lines if re.search(r"https?://|git\+|file:", line) and '"url":' not in line]
    assert [line for line in places if "resolved" in line or not name.endswith(".json")] == []


def test_constraints_are_exact():
    """Every line of the constraints pins one package to one version, and our own is not among them."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert not any(line.startswith("dspex") for line in lines)
