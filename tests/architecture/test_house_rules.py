"""The house's rules that no linter knows, read off the syntax tree of every file.

Floors and forbidden packages are import-linter's work (pyproject.toml); here stand the rules about what a file
says and does. A new exception is added here with its reason or not at all.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p for package in ("dspex", "dspex_widgets") for p in (ROOT / package).rglob("*.py"))
LIBRARY = [p for p in FILES if p.is_relative_to(ROOT / "dspex")]
MODULES = {p.stem for p in LIBRARY if p.parent.name == "dspex"} | {p.parent.name for p in LIBRARY} - {"dspex"}
"""What `from dspex import ...` may name: concrete modules, never what the root package collects."""

MAX_FILE = 400
MAX_FUNCTION = 60

BROAD_EXCEPT = {
    "dspex/_host.py": "whatever a user's function raises is handed to whoever waits for it",
    "dspex/evaluate/recorded.py": "a program made to say once more what it said, whose failure is known already",
    "dspex/evaluate/stream.py": "an example that fails is a failed cell, whatever the user's code raised",
    "dspex/executors/dask.py": "Dask's own errors and those of unpacking become failed cells, or the end with words",
    "dspex/executors/parcel.py": "whatever an object raises that cannot be sent is told as what it is about",
    "dspex/executors/replies.py": "what cannot travel is replaced by something plainer",
    "dspex/events/listeners.py": "a listener that raises is unhooked and must not break the work",
    "dspex/lm/litellm.py": "the border: litellm raises its own, openai's, httpx's and builtin errors alike",
    "dspex/lm/stream.py": "who takes the pieces of an answer may raise; it is raised to them with the answer there",
    "dspex/modules/attempts.py": "an attempt that fails is one of those that may; too many end the search",
    "dspex/modules/executor.py": "an item that fails is kept beside the results; too many end the work",
    "dspex/optimize/candidate.py": "a person's candidate that cannot run is told and must not end the method's work",
    "dspex/optimize/harvest.py": "a row that fails is skipped and told; too many end the search",
    "dspex/scope/callbacks.py": "a callback only watches: what it raises is told, and the work goes on",
    "dspex/runs/engine.py": "the outer edge of a run: whatever ends it becomes its last event",
    "dspex/runs/feed.py": "a follower that raises is taken off; the journal and the run go on",
    "dspex/runs/journal.py": "one thread writes all runs: what befalls one of them must not end it",
    "dspex_widgets/broadcaster.py": "a comm that fails is unhooked; the other panels and the run go on",
    "dspex_widgets/controls.py": "the browser waits for an answer, and the thread has no caller",
}
"""Files where an error of any kind may end, and why; each such place needs its own comment too."""

THREADS = {"dspex/_host.py": "the one background thread with the one event loop, and the one way to spawn"}
"""Files that may start threads and loops."""

RUNS_CODE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
STARTERS = {
    "threading": {"Thread", "Timer"},
    "asyncio": {"run", "Runner", "new_event_loop", "set_event_loop", "to_thread"},
    "concurrent.futures": {"ThreadPoolExecutor", "ProcessPoolExecutor"},
    "_thread": {"start_new_thread"},
    "multiprocessing": {"Process", "Pool"},
}
LOOP_METHODS = {"run_in_executor", "run_until_complete", "run_forever"}

Finder = Callable[[ast.Module, list[str]], Iterator[tuple[int, str]]]


@cache
def parsed(path: Path) -> tuple[ast.Module, list[str]]:
    with tokenize.open(path) as file:
        text = file.read()
    return ast.parse(text), text.splitlines()


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def breaches(find: Finder, files: list[Path], allowed: dict[str, str] | None = None) -> list[str]:
    """Return `file:line: what` for everything `find` sees outside the allowed files."""
    return [
        f"{place(path)}:{line}: {what}"
        for path in files
        if place(path) not in (allowed or {})
        for line, what in find(*parsed(path))
    ]


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of names, or "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield node.lineno, name


def imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name; the name is "" for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def missing_head(tree: ast.Module, lines: list[str]) -> Iterator[tuple[int, str]]:
    if lines and not ast.get_docstring(tree):
        yield 1, "no docstring that says what this file is and why it is apart"


def too_long(tree: ast.Module, lines: list[str]) -> Iterator[tuple[int, str]]:
    if len(lines) > MAX_FILE:
        yield 1, f"{len(lines)} lines, the house allows {MAX_FILE}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = node.body[0] if ast.get_docstring(node) else None
            spoken = (said.end_lineno or 0) - said.lineno + 1 if said else 0
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - spoken
            if length > MAX_FUNCTION:
                yield node.lineno, f"`{node.name}` has {length} lines, the house allows {MAX_FUNCTION}"


def prints(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    yield from ((line, "prints; emit an event") for line, name in calls(tree) if name == "print")


def code_runners(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    unsafe = {"eval", "exec", "builtins.eval", "builtins.exec", "yaml.load", "yaml.unsafe_load"}
    yield from ((line, f"calls `{name}`") for line, name in calls(tree) if name in unsafe)
    for line, module, _name in imports(tree):
        if module.split(".")[0] in RUNS_CODE:
            yield line, f"imports `{module}`"


def bare_excepts(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "catches everything without a name"


def broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(c, ast.Name) and c.id in {"Exception", "BaseException"} for c in caught)


def goes_on(handler: ast.ExceptHandler) -> bool:
    """Tell whether the error ends here: its last statement does not raise."""
    return not isinstance(handler.body[-1], ast.Raise)


def broad_excepts(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and broad(node) and goes_on(node):
            yield node.lineno, "ends every `Exception` in a file that may not"


def unexplained_excepts(tree: ast.Module, lines: list[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and broad(node):
            head = lines[node.lineno - 1 : node.body[0].lineno]
            if not any("#" in line for line in head):
                yield node.lineno, "catches `Exception` without a comment that says why"


def starts_work(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    for line, module, name in imports(tree):
        if name in STARTERS.get(module, ()):
            yield line, f"takes `{module}.{name}`; ask `_host`"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if node.attr in STARTERS.get(dotted(node.value), ()) or node.attr in LOOP_METHODS:
            yield node.lineno, f"uses `{dotted(node) or node.attr}`; ask `_host`"


def own_root(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    for line, module, name in imports(tree):
        if module == "dspex" and name not in MODULES:
            yield line, f"imports `{name or module}` of the root package; name the concrete module"


def reaches_up(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    for line, module, _name in imports(tree):
        if module.split(".")[0] == "dspex_widgets":
            yield line, f"imports `{module}`"


def relative(tree: ast.Module, _: list[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "imports relative to itself"


LAWS: dict[str, tuple[Finder, list[Path], dict[str, str]]] = {
    "every file opens by saying what it is": (missing_head, FILES, {}),
    "no file and no function is too long to read": (too_long, FILES, {}),
    "the library never prints": (prints, FILES, {"dspex_widgets/magics.py": "a magic answers its user"}),
    "nothing runs code from data": (code_runners, FILES, {}),
    "no except without a name": (bare_excepts, FILES, {}),
    "only the edges catch everything": (broad_excepts, FILES, BROAD_EXCEPT),
    "what catches everything says why": (unexplained_excepts, FILES, {}),
    "one file starts threads and loops": (starts_work, FILES, THREADS),
    "the library never imports its own root": (own_root, LIBRARY, {"dspex/__init__.py": "it is the root"}),
    "the library never reaches up to the widgets": (
        reaches_up,
        LIBRARY,
        {"dspex/__init__.py": "`load_ipython_extension` does, inside the function, as another test holds"},
    ),
    "imports are absolute": (relative, FILES, {}),
}


@pytest.mark.parametrize("law", LAWS)
def test_house_rule(law: str):
    """Every rule of the house holds in every file."""
    find, files, allowed = LAWS[law]
    assert not (found := breaches(find, files, allowed)), "\n".join(found)


def test_root_package_reaches_the_widgets_only_in_the_extension_hooks():
    """`import dspex` cannot bring in a notebook library: only the two hooks of IPython may."""
    tree, _ = parsed(ROOT / "dspex" / "__init__.py")
    hooks = {"load_ipython_extension", "unload_ipython_extension"}
    inside = {
        line
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in hooks
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    assert [line for line, _what in reaches_up(tree, []) if line not in inside] == []


def test_exceptions_name_files_that_exist():
    """An exception for a file that is gone is gone too."""
    named = set().union(*(allowed for _, _, allowed in LAWS.values()))
    assert sorted(n for n in named if not (ROOT / n).is_file()) == []


OFFENDERS = {
    "every file opens by saying what it is": "x = 1\n",
    "no file and no function is too long to read": "def f():\n" + "    x = 1\n" * MAX_FUNCTION,
    "the library never prints": "print('x')\n",
    "nothing runs code from data": "eval('1')\n",
    "no except without a name": "try:\n    pass\nexcept:\n    pass\n",
    "only the edges catch everything": "try:\n    pass\nexcept (ValueError, Exception):\n    pass\n",
    "what catches everything says why": "try:\n    pass\nexcept BaseException:\n    pass\n",
    "one file starts threads and loops": "import threading\nthreading.Thread()\n",
    "the library never imports its own root": "from dspex import LM\n",
    "the library never reaches up to the widgets": "def f():\n    import dspex_widgets.panel\n",
    "imports are absolute": "from . import x\n",
}


@pytest.mark.parametrize("law", LAWS)
def test_house_rule_sees_an_offender(law: str):
    """A rule that could not fail would hold nothing."""
    source = OFFENDERS[law]
    assert list(LAWS[law][0](ast.parse(source), source.splitlines()))
