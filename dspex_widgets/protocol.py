"""What kernel and browser say to each other, once for both languages.

The structs here are the wire format; `typescript()` writes the same shapes, and a blank value of each, into
`js/src/wire/types.ts`, so that nothing is typed twice. A test fails when that file is not what this one says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import inspect

from dspex.errors import UsageError
from dspex.events.event import AnyEvent, BudgetKind
from dspex.runs.state import RunState

OpName = Literal[
    "pause", "resume", "stop", "cancel", "report", "snapshot", "closed",
    "reset", "pin", "drop", "evaluate", "budget", "concurrency", "label",
]  # fmt: skip
"""What the browser may ask for; `snapshot` reports a gap, `closed` that the last view went away."""
Name = Annotated[str, msgspec.Meta(max_length=1_000)]
Text = Annotated[str, msgspec.Meta(max_length=200_000)]
Cap = Annotated[float, msgspec.Meta(gt=0, le=1e15)]


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="d"):
    """The events with `seq` in `from_ .. to`, without gaps."""

    from_: int = msgspec.field(name="from")
    to: int
    ev: Sequence[AnyEvent]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="s"):
    """The whole state after event `seq`: where the browser has a gap, or a batch would be too long."""

    seq: int
    state: RunState


class ReportReady(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="r"):
    """The report is written to `path`, relative to the notebook's folder."""

    path: str


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="e"):
    """Something asked for from the browser could not be done; `text` is shown as it is."""

    text: str


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="k"):
    """What `op` asked for is done; `text` says more where an event alone would not."""

    op: OpName
    text: str = ""


class Op(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request from the browser."""

    op: OpName
    now: bool = False
    """Of `pause`: calls in flight are held, too."""
    candidate: Name = ""
    """Of `pin` and `drop`; of `evaluate`, whose other parts are kept."""
    pinned: bool = True
    """Of `pin`: False lets the candidate go."""
    reason: Text = ""
    """Of `drop`."""
    predictor: Name = ""
    instruction: Text = ""
    """Of `evaluate`: what that predictor is told in the person's candidate."""
    caps: dict[BudgetKind, Cap] = {}
    """Of `budget`: the new caps by kind."""
    n: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    """Of `concurrency`: examples at once; at least one."""
    example: Name = ""
    comment: Text = ""
    """Of `label`: what a person says of that example."""


Message = Delta | Snapshot | ReportReady | Failure | Done
"""Everything the kernel sends."""


def encode(message: Message) -> dict[str, object]:
    """Return the message as plain JSON values, ready for `widget.send`.

    It passes through JSON text on purpose: what JSON cannot say (NaN, infinity) becomes null here, and not a
    broken message in the browser.

    Example:
        >>> encode(ReportReady(path="dspex-r3.html"))
        {'t': 'r', 'path': 'dspex-r3.html'}
    """
    return values_of(text_of(message))


def text_of(message: Message) -> bytes:
    """Return the message as JSON text, for whoever has to know how long it is."""
    return msgspec.json.encode(message)


def values_of(text: bytes) -> dict[str, object]:
    """Return the values of a message's JSON text, as `encode` does."""
    values: dict[str, object] = msgspec.json.decode(text)
    return values


def decode(plain: object) -> Message:
    """Return the message that `encode` made `plain` from.

    Example:
        >>> decode({"t": "e", "text": "no space left"})
        Failure(text='no space left')
    """
    message: Message = msgspec.convert(plain, type=Message)
    return message


def encode_state(state: RunState) -> str:
    """Return the state as the JSON text of the `snapshot` trait and of the report."""
    return msgspec.json.encode(state).decode()


def decode_state(text: str | bytes) -> RunState:
    """Return the state that `encode_state` wrote."""
    return msgspec.json.decode(text, type=RunState)


def decode_op(content: object) -> Op | None:
    """Return what the browser asked for, or None for words this version does not know.

    Raises:
        UsageError: the word is known, but not what came with it.

    Example:
        >>> decode_op({"op": "pause"}).op, decode_op({"op": "dance"}), decode_op("pause")
        ('pause', None, None)
    """
    word = content.get("op") if isinstance(content, dict) else None
    if not isinstance(word, str) or word not in get_args(OpName):
        return None  # a newer or foreign front end: not knowing a word is no fault of the kernel's user
    try:
        return msgspec.convert(content, type=Op)
    except msgspec.ValidationError as exc:
        raise UsageError(f"The button's `{word}` came with something else than it needs: {exc}.") from None


# ------------------------------------------------------------------------------------- TypeScript

_HEAD = """\
/* What kernel and browser say to each other: made by `dspex_widgets/protocol.py`, do not edit.
 * Optional fields are those the kernel leaves out when they hold their default; the BLANK values hold those
 * defaults (and a zero for each required field), so that decode.ts can complete whatever arrives. */
"""


def write_types(path: str | Path) -> None:
    """Write `typescript()` to `path`; `make types` calls this for `js/src/wire/types.ts`."""
    Path(path).write_text(typescript(), encoding="utf-8")


def typescript() -> str:
    """Return the TypeScript file of all events, the run's state and the messages."""
    events = _structs(get_args(AnyEvent))
    parts = [s for s in _structs([RunState]) if s.cls not in {e.cls for e in events}]
    messages = _structs([Delta, Snapshot, ReportReady, Failure, Done], nested=False)
    return "\n".join(
        [
            _HEAD,
            *(_interface(s) for s in [*events, *parts, *messages, *_structs([Op], nested=False)]),
            _union("AnyEvent", [e.cls.__name__ for e in events]),
            _union("Message", [m.cls.__name__ for m in messages]),
            _union("OpName", [f'"{name}"' for name in get_args(OpName)]),
            *(_blank(s) for s in parts),
            _blank_events(events),
        ]
    )


def _structs(types: Iterable[type], nested: bool = True) -> list[inspect.StructType]:
    """Return the structs of `types`, each after those it is made of."""
    found: dict[type, inspect.StructType] = {}

    def visit(kind: inspect.Type) -> None:
        if isinstance(kind, inspect.StructType):
            if kind.cls in found:
                return
            for field in kind.fields if nested else ():
                visit(field.type)
            found[kind.cls] = kind
        for inner in _inner(kind):
            visit(inner)

    for each in types:
        visit(inspect.type_info(each))
    return list(found.values())


def _inner(kind: inspect.Type) -> Iterator[inspect.Type]:
    match kind:
        case inspect.CollectionType():
            yield kind.item_type
        case inspect.DictType():
            yield kind.value_type
        case inspect.UnionType():
            yield from kind.types


def _interface(struct: inspect.StructType) -> str:
    summary = (struct.cls.__doc__ or "").strip().splitlines()[0]
    lines = [f"/** {summary} */", f"export interface {struct.cls.__name__} {{"]
    if struct.tag is not None:
        lines.append(f'  readonly {struct.tag_field}: "{struct.tag}";')
    omits = bool(struct.cls.__struct_config__.omit_defaults)
    for field in struct.fields:
        mark = "?" if omits and not field.required else ""
        lines.append(f"  readonly {field.encode_name}{mark}: {_type(field.type)};")
    return "\n".join([*lines, "}", ""])


def _type(kind: inspect.Type) -> str:
    match kind:
        case inspect.BoolType():
            return "boolean"
        case inspect.IntType() | inspect.FloatType():
            return "number"
        case inspect.StrType():
            return "string"
        case inspect.NoneType():
            return "null"
        case inspect.LiteralType():
            return " | ".join(_json(value) for value in kind.values)
        case inspect.CollectionType():
            return f"readonly {_item(kind.item_type)}[]"
        case inspect.DictType():
            return f"Readonly<Record<string, {_type(kind.value_type)}>>"
        case inspect.StructType():
            return kind.cls.__name__
        case inspect.UnionType():
            return " | ".join(_type(each) for each in kind.types)
    raise TypeError(f"`{kind}` has no TypeScript form yet; add it to `_type` in {__name__}.")


def _item(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.UnionType) and any(isinstance(t, inspect.StructType) for t in kind.types):
        return "AnyEvent"
    return _type(kind)


def _union(name: str, members: Sequence[str]) -> str:
    return f"export type {name} =\n" + "\n".join(f"  | {member}" for member in members) + ";\n"


def _blank(struct: inspect.StructType) -> str:
    name = struct.cls.__name__
    rows = "".join(f"  {f.encode_name}: {_value(f)},\n" for f in struct.fields)
    return f"export const BLANK_{name}: {name} = {{\n{rows}}};\n"


def _blank_events(events: Sequence[inspect.StructType]) -> str:
    head = 'export const BLANK_EVENTS: { readonly [E in AnyEvent as E["kind"]]: Required<E> } = {\n'
    rows = []
    for struct in events:
        fields = ", ".join(f"{f.encode_name}: {_value(f)}" for f in struct.fields)
        rows.append(f'  {struct.tag}: {{ kind: "{struct.tag}", {fields} }},\n')
    return head + "".join(rows) + "};\n"


def _value(field: inspect.Field) -> str:
    """Return the field's default, or the nothing of its type where it has none."""
    if not field.required:
        made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        return _json(made)
    match field.type:
        case inspect.BoolType():
            return "false"
        case inspect.IntType() | inspect.FloatType():
            return "0"
        case inspect.LiteralType():
            return _json(field.type.values[0])
        case inspect.UnionType():
            return "null"
    return '""'


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
