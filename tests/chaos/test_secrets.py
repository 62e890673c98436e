"""One key through everything that can go wrong, in a real kernel: nothing that anybody can see or keep shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbclient
import nbformat
import pytest

from dspex.testing.server import Fault, Server, serving
from tests.chaos.running import echo

pytestmark = pytest.mark.timeout(120)  # a kernel, and litellm's seconds of import
CANARY = "canary-0123456789abcdef-of-no-known-form"
"""It looks like no provider's key, so that no pattern finds it: only who knows it can keep it out."""
SAYS = "you sent {authorization}, which is wrong"
FAULTS = {
    "auth": Fault(status=401, message=SAYS),
    "invalid": Fault(status=400, message=SAYS),
    "limited": Fault(status=429, message=SAYS, retry_after=0.01),
    "quota": Fault(status=429, message=SAYS, code="insufficient_quota"),
    "server": Fault(status=500, message=SAYS),
    "page": Fault(status=502, body=f"<html>Bearer {CANARY}</html>"),
    "garbage": Fault(garbage=True),
    "dropped": Fault(drop=True),
    "cut": Fault(cut=True),
    "hang": Fault(hang=True),
}

SETUP = """
%load_ext dspex
%xmode Verbose
import json, logging, os, sys, traceback, warnings
from pathlib import Path
import dspex, msgspec
from dspex import _host
from dspex.errors import DspexError
from dspex.events.listeners import drain, subscribe
from dspex.lm import endpoint
from dspex.lm.messages import Message
out, keys, urls = Path({out!r}), Path({keys!r}), {urls!r}
logging.basicConfig(level=logging.DEBUG, filename=out / "log.txt", force=True)
logging.captureWarnings(True)
seen = []
listening = subscribe("*", seen.append, lossless=True)
program = dspex.Predict("question -> answer")
rows = [dspex.Example(question=f"question number {{k}}", answer=str(k)).with_inputs("question") for k in range(6)]
metric = dspex.exact("answer")
ways = {{
    "argument": lambda model="openai/m", **more: dspex.LM(model, api_key=keys.read_text(), **more),
    "header": lambda model="openai/m", **more: dspex.LM(
        model, headers={{"Authorization": "Bearer " + keys.read_text()}}, **more),
    "environment": lambda model="openai/m", **more: dspex.LM(model, **more),
    "pool": lambda model="openai/m", api_base="", **more: dspex.LM(
        model, pool=dspex.Pool([{{"api_base": api_base, "api_key": keys.read_text()}}]), **more),
}}
def an_lm(way, name, model="openai/m", **more):
    endpoint.registry.forget()  # what failed before must not keep this one from being asked
    os.environ.pop("OPENAI_API_KEY", None)
    if way == "environment":
        os.environ["OPENAI_API_KEY"] = keys.read_text()
    given = {{"cache": False, "num_retries": 0, "timeout": 30.0 if name != "hang" else 0.3, **more}}
    return ways[way](model, api_base=urls[name], **given)
def whole(error):
    texts, left, known = [], [error], set()
    while left:
        one = left.pop()
        if one is None or id(one) in known:
            continue
        known.add(id(one))
        left += [one.__cause__, one.__context__]
        texts += [f"{{one!s}} {{one!r}} {{one.__dict__}}"]
        texts += traceback.TracebackException.from_exception(one, capture_locals=True).format()
        frame = one.__traceback__
        while frame is not None:
            for value in frame.tb_frame.f_locals.values():
                texts += [repr(value)[:2000], repr(getattr(value, "__dict__", ""))[:2000]]
            frame = frame.tb_next
    return "\\n".join(texts)
def note(name, text):
    with (out / name).open("a") as file:
        file.write(str(text) + "\\n")
"""
FAIL = """
lm = an_lm({way!r}, {name!r}, {model!r})
program.lm = lm
try:
    lm("hi")
except DspexError as error:
    note("errors.txt", whole(error))
try:
    _host.drive(lm.acomplete([Message(role="user", content="hi")], on_chunk=lambda chunk: None))
except DspexError as error:
    note("errors.txt", whole(error))
note("lm.txt", f"{{lm!r}} {{lm!s}} {{lm.pool!r}} {{vars(lm)}} {{lm.history}} {{lm.dump_state()}} {{lm.__reduce__()}}")
note("lm.txt", f"{{vars(lm.pool)}} {{[(d, d.endpoint, vars(d.endpoint)) for d in lm.pool._doors()]}}")
lm, program, lm.pool
"""
RAISE = "program(question='question number 1')"
PLAIN = """
# As frames are shown where nobody shortens them.
for kind in list(vars(dspex.errors).values()):
    if isinstance(kind, type) and "_render_traceback_" in vars(kind):
        del kind._render_traceback_
"""
RUN = """
run = dspex.Evaluate(devset=rows, metric=metric, num_threads=2).start(program)
run.wait(0.5)
note("run.txt", f"{run!r} {run.state} {run.snapshot()} {run.events} {list(run.payloads())}")
run.cancel()
run.wait(5)
run.report(out / f"{run.id}.html")
dspex.runs.export(run.id, out / f"{run.id}.jsonl")
run
"""
GOOD = """
lm = an_lm("argument", "sometimes", cache=True, num_retries=3)
program.lm = lm
with dspex.testing.cassette(out / "cassette.jsonl", mode="record"):
    lm("question number 3")
result = dspex.Evaluate(devset=rows, metric=metric, display_table=True)(program)
program.save(out / "program.json")
dspex.cache.export(out / "cache.jsonl")
(out / "lm.json").write_text(json.dumps(lm.dump_state()))
dspex.inspect_history(n=5)
result
"""
RAISING = """
def wrong(example, prediction, trace=None):
    model = program.lm
    raise ValueError(f"no metric for {model}")
dspex.Evaluate(devset=rows, metric=wrong)(program)
"""
WORKER = """
async def processes():
    from dspex.lm import workers
    return workers.shared().pids
for pid in _host.portal.run(processes()):
    note("process.txt", Path(f"/proc/{pid}/cmdline").read_text())
    note("process.txt", Path(f"/proc/{pid}/environ").read_text())
"""
END = """
drain()
note("events.txt", msgspec.json.encode(seen).decode())
dspex.cache.flush()
dspex.runs
"""


def execute(cells: list[str], path: Path) -> None:
    """Run the cells in a real kernel, whatever they raise, and save the notebook with all that it showed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute()
    nbformat.write(notebook, path)


def holding(folder: Path) -> list[Path]:
    """Return the files in which the key stands."""
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_a_key_is_in_nothing_that_anybody_can_see_or_keep(
    own_home: Path, tmp_path_factory: pytest.TempPathFactory
):
    """Whatever fails and however the key was given: not in errors, their frames, logs, events, files or outputs."""
    out, keys = own_home / "out", tmp_path_factory.mktemp("given") / "key"
    out.mkdir()
    keys.write_text(CANARY)
    with _all_servers() as servers:
        urls = {name: server.base_url for name, server in servers.items()}
        cells = [SETUP.format(out=str(out), keys=str(keys), urls=urls)]
        for way in ("argument", "header", "environment", "pool"):
            for name in FAULTS if way == "argument" else ("auth", "server", "cut"):
                cells += [FAIL.format(way=way, name=name, model="openai/m"), RAISE]
        for name in ("auth", "page", "cut"):
            cells += [FAIL.format(way="argument", name=name, model="custom_openai/m"), RAISE]
        cells += [WORKER, PLAIN]
        for name, model in (("auth", "openai/m"), ("server", "custom_openai/m")):
            cells += [FAIL.format(way="argument", name=name, model=model), RAISE, RUN]
        cells += [GOOD, RAISING, RUN, END]
        execute(cells, out / "notebook.ipynb")
        came = {name: {h.get("Authorization") for h in server.headers} for name, server in servers.items()}
    assert all(f"Bearer {CANARY}" in sent for sent in came.values()), came
    _was_there(own_home)
    assert holding(own_home) == []


def _was_there(home: Path) -> None:
    """Check that each place was written at all, so that a key could have been in it."""
    out = home / "out"
    for name, text in {
        "errors.txt": "you sent ***, which is wrong",
        "lm.txt": "<Pool openai/m",
        "log.txt": "DEBUG",
        "events.txt": "lm_end",
        "run.txt": "ExampleScored",
        "process.txt": "dspex.lm.worker",
        "program.json": "openai/m",
        "lm.json": "openai/m",
        "cassette.jsonl": "question number 3",
        "cache.jsonl": "dspex answers",
        "notebook.ipynb": "Verbose",
        "r1.html": "dspex",
        "r1.jsonl": "run_start",
    }.items():
        assert text in (out / name).read_text(), name
    shown = nbformat.read(out / "notebook.ipynb", as_version=4)
    errors = [o for cell in shown.cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert {"LMAuthError", "LMServerError", "MetricError"} <= {error.ename for error in errors}
    assert any(len(error.traceback) > 5 for error in errors), "a traceback with its frames"
    assert [path for path in (home / "cache").rglob("*") if path.is_file()]
    assert [path for path in (home / "home").rglob("*") if path.is_file()]


@contextmanager
def _all_servers() -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(echo, always=fault)) for name, fault in FAULTS.items()}
        first = [FAULTS["server"], FAULTS["limited"]]
        yield servers | {"sometimes": stack.enter_context(serving(echo, first=first))}
