"""OpenAI's forms of messages, parts, tools and answers as plain dicts, read and written.

Users write them, most providers and litellm take them, and a history shows them: one file knows how they look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

import msgspec

from dspex import _canon
from dspex.errors import DataError, SettingsError
from dspex.lm.messages import (
    AudioPart,
    Call,
    Choice,
    FilePart,
    ImagePart,
    Message,
    OtherPart,
    Part,
    Response,
    Role,
    TextPart,
    ToolSpec,
)

_ROLES = get_args(Role)
_KNOWN = {"role", "content", "tool_calls", "tool_call_id"}
_OF_ANSWERS = {
    "name", "refusal", "annotations", "audio", "function_call", "reasoning_content", "provider_specific_fields",
    "thinking_blocks",
}  # fmt: skip
"""What a message holds that was copied from an answer; a model needs none of it back."""


# ------------------------------------------------------------------------------------------------- writing


def form_of_message(message: Message) -> dict[str, Any]:
    """Return a message as a dict.

    Example:
        >>> form_of_message(Message(role="user", content="hi"))
        {'role': 'user', 'content': 'hi'}
    """
    content = message.content
    if isinstance(content, str):
        form: dict[str, Any] = {"role": message.role, "content": content}
    else:
        form = {"role": message.role, "content": [form_of_part(part) for part in content]}
    if message.calls:
        form["content"] = form["content"] or None
        form["tool_calls"] = [form_of_call(call) for call in message.calls]
    if message.call_id:
        form["tool_call_id"] = message.call_id
    return form


def form_of_part(part: Part) -> dict[str, Any]:
    """Return a part of a message's content as a dict."""
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart(url=url, detail=detail):
            return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}
        case AudioPart(data=data, format=format):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format}}
        case FilePart(data=data, id=id, name=name):
            named = {"file_data": data, "file_id": id, "filename": name}
            return {"type": "file", "file": {key: value for key, value in named.items() if value is not None}}
        case OtherPart(body=body):
            return cast(dict[str, Any], msgspec.json.decode(body))


def form_of_call(call: Call) -> dict[str, Any]:
    """Return a model's wish to have a tool called as a dict."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def form_of_tool(tool: ToolSpec) -> dict[str, Any]:
    """Return a tool as a dict."""
    parameters = msgspec.json.decode(tool.parameters)
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def form_of_choice(choice: Choice) -> str | dict[str, Any]:
    """Return a completion as `lm(...)` gives it: its text, or a dict where it holds more than text."""
    if not (choice.calls or choice.reasoning or choice.citations):
        return choice.text
    form: dict[str, Any] = {"text": choice.text}
    if choice.reasoning:
        form["reasoning_content"] = choice.reasoning
    if choice.calls:
        form["text"] = choice.text or None
        form["tool_calls"] = [form_of_call(call) for call in choice.calls]
    if choice.citations:
        form["citations"] = list(choice.citations)
    return form


class Form(dict[str, Any]):
    """A dict whose values are attributes too, as on the objects of OpenAI's own client.

    Example:
        >>> Form(model="m").model
        'm'
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no `{name}` here; there is {', '.join(self) or 'nothing'}") from None


def form_of_response(response: Response) -> Form:
    """Return an answer as a chat completion.

    Example:
        >>> form_of_response(Response(choices=(Choice(text="blue"),))).choices[0].message.content
        'blue'
    """
    return Form(
        object="chat.completion",
        model=response.model,
        choices=[_form(k, choice) for k, choice in enumerate(response.choices)],
        usage=Form(form_of_usage(response)),
    )


def form_of_usage(response: Response) -> dict[str, int]:
    """Return the tokens of an answer as a dict."""
    usage = response.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _form(index: int, choice: Choice) -> Form:
    message = Form(role="assistant", content=choice.text)
    if choice.calls:
        message["content"] = choice.text or None
        message["tool_calls"] = [
            Form(id=c.id, type="function", function=Form(name=c.name, arguments=c.arguments))
            for c in choice.calls
        ]
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.citations:
        message["provider_specific_fields"] = Form(citations=list(choice.citations))
    return Form(index=index, message=message, finish_reason=choice.finish)


# ------------------------------------------------------------------------------------------------- reading


def conversation(prompt: str | None, messages: Iterable[Any] | None) -> tuple[Message, ...]:
    """Return what a user gave an LM as messages.

    Raises:
        SettingsError: both or neither were given, or something is no message.
    """
    if (prompt is None) == (messages is None):
        raise SettingsError('An LM takes a prompt or messages=, one of the two: `lm("Hello")`.')
    if messages is None:
        return (Message(role="user", content=str(prompt)),)
    return tuple(m if isinstance(m, Message) else message_of(m) for m in messages)


def message_of(form: Any) -> Message:
    """Return the message that a dict describes.

    Raises:
        SettingsError: it describes none.
    """
    if not isinstance(form, Mapping) or not ({"content", "tool_calls"} & form.keys()):
        raise SettingsError(
            'Each message is a dict with `role` and `content`: [{"role": "user", "content": "Hello"}].'
        )
    if form.get("role") not in _ROLES:
        raise SettingsError(f"Unknown `role` {form.get('role')!r} of a message; roles: {', '.join(_ROLES)}.")
    for name, value in form.items():
        if name not in _KNOWN and name not in _OF_ANSWERS and value is not None:
            raise SettingsError(f"A message cannot hold `{name}`; it holds {', '.join(sorted(_KNOWN))}.")
    content = form.get("content")
    return Message(
        role=form["role"],
        content=_content(content),
        calls=tuple(call_of(call) for call in form.get("tool_calls") or ()),
        call_id=str(form.get("tool_call_id") or ""),
    )


def part_of(form: Mapping[str, Any]) -> Part:
    """Return the part of a message's content that a dict describes; one of an unknown type is passed on as it is.

    Raises:
        SettingsError: it describes none.

    Example:
        >>> part_of({"type": "image_url", "image_url": {"url": "https://example.org/1.png"}})
        ImagePart(url='https://example.org/1.png', detail=None)
    """
    kind = form.get("type") if isinstance(form, Mapping) else None
    try:
        part = _known_part(form, str(kind or ""))
        if part is None and kind:
            part = OtherPart(_raw(form))
    except (KeyError, TypeError, AttributeError, DataError):
        part = None
    if part is None:
        raise SettingsError(
            f"A part of a message's content is a dict such as {{'type': 'text', 'text': '...'}}, not {form!r:.80}."
        )
    return part


def call_of(form: Any) -> Call:
    """Return the call of a tool that a dict, or an object of OpenAI's client, describes.

    Raises:
        SettingsError: it describes none.
    """
    if isinstance(form, Call):
        return form
    function = look(form, "function")
    name, arguments = look(function, "name"), look(function, "arguments")
    if not isinstance(name, str):
        raise SettingsError(
            "A tool call is a dict with `id` and `function`: {'name': ..., 'arguments': ...}."
        )
    text = arguments if isinstance(arguments, str) else _canon.canonical(arguments or {})
    return Call(id=str(look(form, "id") or ""), name=name, arguments=text)


def tools_of(tools: Sequence[Any]) -> tuple[ToolSpec, ...] | None:
    """Return the tools that specs or dicts describe; None where one is of a provider's own kind.

    Raises:
        SettingsError: one has no JSON form.
    """
    specs = tuple(tool if isinstance(tool, ToolSpec) else _tool_of(tool) for tool in tools)
    return None if None in specs else cast(tuple[ToolSpec, ...], specs)


def plain_text(text: str) -> str:
    """Return a text as Python's own kind, the one that can be written as JSON: arrays have another.

    Example:
        >>> type(plain_text(type("Text", (str,), {})("hi"))).__name__
        'str'
    """
    return text if type(text) is str else str.__str__(text)


def look(value: Any, name: str) -> Any:
    """Return a part of a dict or of an object; None where it has none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _content(content: Any) -> str | tuple[Part, ...]:
    if content is None or isinstance(content, str):
        return plain_text(content or "")
    if isinstance(content, (list, tuple)):
        return tuple(
            TextPart(plain_text(part))
            if isinstance(part, str)
            else part
            if isinstance(part, Part)
            else part_of(part)
            for part in content
        )
    raise SettingsError(
        f"A message's `content` is a text or a list of parts, not a `{type(content).__name__}`."
    )


def _known_part(form: Mapping[str, Any], kind: str) -> Part | None:
    inner = form.get(kind)
    # A part that says more than we know, such as `cache_control`, goes on as it is.
    if len(form) != 2:
        return None
    match kind:
        case "text" if isinstance(inner, str):
            return TextPart(plain_text(inner))
        case "image_url" if isinstance(inner, str):
            return ImagePart(inner)
        case "image_url" if isinstance(inner, Mapping) and inner.keys() <= {"url", "detail"}:
            return ImagePart(str(inner["url"]), inner.get("detail"))
        case "input_audio" if isinstance(inner, Mapping) and inner.keys() <= {"data", "format"}:
            return AudioPart(str(inner["data"]), str(inner["format"]))
        case "file" if isinstance(inner, Mapping) and inner.keys() <= {"file_data", "file_id", "filename"}:
            return FilePart(inner.get("file_data"), inner.get("file_id"), inner.get("filename"))
    return None


def _tool_of(form: Any) -> ToolSpec | None:
    function = form.get("function") if isinstance(form, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return None
    if function.keys() - {"name", "description", "parameters"}:
        return None
    described = {"description": str(function["description"])} if function.get("description") else {}
    given = {"parameters": _raw(function["parameters"])} if function.get("parameters") else {}
    return ToolSpec(name=function["name"], **described, **given)  # type: ignore[arg-type]  # each is of its own type


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_canon.canonical(value).encode())
