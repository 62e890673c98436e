"""Examples evaluated a second, and what one costs: run in a process of its own for each library, by `make bench`.

    python throughput.py dspex|dspy <address> bare|cache <rows>x<in flight>...

Evaluates `Predict("question -> answer")` against a test server, without a cache or with one to fill, and writes a
JSON line for each size. Without sizes it asks one and the same question again and again and writes the microseconds
of an answer from memory.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

ANSWER = "[[ ## answer ## ]]\nblue\n\n[[ ## completed ## ]]"
CALLS, ROUNDS = 200, 7


def same(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Tell whether the answer is the expected one."""
    return bool(example.answer == prediction.answer)


same.inline = True  # type: ignore[attr-defined]  # it never blocks; DSPy looks at no such word


def rows(library: Any, count: int, go: str = "") -> list[Any]:
    """Return distinct examples, others in each go."""
    question = (
        f"Which colour is the sky on a clear day, seen from the ground? Answer in one word. {go} Number"
    )
    return [
        library.Example(question=f"{question} {k}.", answer="blue").with_inputs("question")
        for k in range(count)
    ]


def memory() -> float:
    """Return the most memory this process ever held, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1024


def model(library: Any, address: str, cache: bool) -> Any:
    """Return a model behind the address."""
    return library.LM("openai/bench", api_base=address, api_key="none", cache=cache)


def evaluated(library: Any, address: str, count: int, width: int, cache: bool) -> dict[str, float]:
    """Evaluate once and tell how fast that was."""
    program = library.Predict("question -> answer")
    with library.context(lm=model(library, address, cache)):
        evaluate = library.Evaluate(
            devset=rows(library, count, f"{width} {cache}"), metric=same, num_threads=width
        )
        wall, cpu = time.perf_counter(), time.process_time()
        result = evaluate(program)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert result.score == 100.0, f"the server did not answer: {result}"
    return {
        "width": width, "cache": cache, "per_second": count / wall, "cpu_ms": cpu / count * 1000, "mb": memory()
    }  # fmt: skip


def cached(library: Any, address: str) -> dict[str, float]:
    """Return the microseconds of an answer from memory: of the model alone, and of a program."""
    lm = model(library, address, True)
    program = library.Predict("question -> answer")
    with library.context(lm=lm):
        ask = {"lm": lambda: lm("Which colour?"), "predict": lambda: program(question="Which colour?")}
        return {name: microseconds(act) for name, act in ask.items()}


def microseconds(act: Any) -> float:
    """Return the cost of one go, the least of a few rounds."""
    act()
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        for _ in range(CALLS):
            act()
        best = min(best, time.perf_counter() - began)
    return best / CALLS * 1e6


def quiet(library: Any) -> None:
    """Keep a library's own bars and log lines out of the measured time."""
    if hasattr(library, "disable_logging"):
        library.disable_logging()
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the life of the process


if __name__ == "__main__":
    which, where, how, *sizes = sys.argv[1:]
    chosen = importlib.import_module(which)
    quiet(chosen)
    if not sizes:
        sys.stdout.write(json.dumps(cached(chosen, where)) + "\n")
    else:
        evaluated(chosen, where, 64, 16, False)  # imports, connections and the like are not what is measured
        for size in sizes:
            amount, at_once = (int(part) for part in size.split("x"))
            sys.stdout.write(json.dumps(evaluated(chosen, where, amount, at_once, how == "cache")) + "\n")
            sys.stdout.flush()
