"""What the tests of the widgets draw: the recorded runs, and texts that try to be more than text."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dspex.events.event import (
    AnyEvent,
    BestChanged,
    CandidateEvaluated,
    CandidateProposed,
    EvaluateStart,
    LMEnd,
    Log,
    PhaseStart,
    RunEnd,
    RunStart,
)
from dspex.runs.state import RunState, fold

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
JOURNALS = sorted(
    path.name.removesuffix(".state.json") for path in (GOLDEN / "journals").glob("*.state.json")
)

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src onerror=alert(1)>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    "` onmouseover=`alert(1)",
    '"><script>alert(1)</script>',
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<!--<script>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '<button data-commandlinker-command="terminal:create-new" data-commandlinker-args="{}">run</button>',
    '<input autofocus onfocus="alert(1)">',
    "<details open ontoggle=alert(1)>",
    "<base href=//evil.example/>",
    '<meta http-equiv="refresh" content="0;url=//evil.example">',
    "<object data=//evil.example></object>",
    "<embed src=//evil.example>",
    "<video><source onerror=alert(1)></video>",
    "<template><script>alert(1)</script></template>",
    "<textarea></textarea><script>alert(1)</script>",
    "<title></title><script>alert(1)</script>",
    "<xmp><script>alert(1)</script></xmp>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#x3c;script&#x3e;alert(1)",
    "\u202etxt.exe\u202c and \u2066hidden\u2069",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\x1b[2J\x1b]0;owned\x07\x08\x08",
    "\x00<\x00script>",
    "\u2028\u2029\ufeff",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} %(x)s {0}",
    "url(javascript:alert(1)); background:url(//evil.example)",
    "=HYPERLINK('//evil.example')",
    "x" * 5000,
]


def a_state(name: str) -> RunState:
    """Give the state of a recorded run."""
    return msgspec.json.decode((GOLDEN / "journals" / f"{name}.state.json").read_bytes(), type=RunState)


def a_journal(name: str) -> list[AnyEvent]:
    """Give the events of a recorded run."""
    lines = (GOLDEN / "journals" / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=AnyEvent) for line in lines]


def poisoned(text: str) -> RunState:
    """Give a finished run that says `text` wherever a model or a user may say something."""
    events: list[AnyEvent] = [
        RunStart(name=text, work="optimize", method=text, metric=text, models=[text]),
        PhaseStart(name=text),
        CandidateProposed(candidate="c0", what=text, instructions={text: f"Do {text} well."}, baseline=True),
        CandidateProposed(
            candidate=text, origin=text, what=text, instructions={text: text, "p": text}, demos={text: 2}
        ),
        EvaluateStart(candidate=text, total=3),
        CandidateEvaluated(
            candidate=text, mean=0.5, low=0.2, high=0.8, n=3, failed=0, full=True, calls=9, cost=0.1
        ),
        BestChanged(candidate=text, mean=0.5),
        LMEnd(model=text, error=text),
        Log(level="error", text=text),
        RunEnd(state="failed", reason=text, best=text),
    ]
    numbered = [msgspec.structs.replace(e, seq=k, time=1e9 + k, run="r1") for k, e in enumerate(events, 1)]
    return fold(numbered)
