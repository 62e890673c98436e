"""The calls that a model asks for, and what came of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pydantic

from dspex.errors import ContentError, Interruption, ToolError, nearest
from dspex.lm.messages import Call, Choice
from dspex.tools.tool import Tool
from dspex.types.base import Special
from dspex.types.type import Type

Functions = Mapping[str, Callable[..., Any]] | Sequence[Tool | Callable[..., Any]]


class ToolCalls(Type):
    """The calls of tools that a model asks for, as an output of a signature.

    Example:
        >>> calls = ToolCalls.from_dict_list([{"name": "search", "args": {"query": "cats"}}])
        >>> calls.tool_calls[0].execute(functions={"search": lambda query: query.upper()})
        'CATS'
    """

    class ToolCall(Type):
        """One call: the tool's name and its arguments."""

        id: str | None = None
        name: str
        args: dict[str, Any] = pydantic.Field(json_schema_extra={"additionalProperties": True})

        def format(self) -> dict[str, Any]:
            """Return the call as an object."""
            return {"name": self.name, "args": self.args}

        @pydantic.model_serializer()
        def serialize_model(self) -> dict[str, Any]:  # type: ignore[override]  # pydantic calls it either way
            """Write the call as an object, with its id where it has one."""
            return self.format() if self.id is None else {"id": self.id, **self.format()}

        @classmethod
        def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
            return _without(super().__get_pydantic_json_schema__(core_schema, handler), "id")

        def execute(self, functions: Functions | None = None) -> Any:
            """Call the tool and return what it gives.

            Args:
                functions: the functions by name, or tools; without it, what has this name where `execute` is called.

            Raises:
                ContentError: there is no such function.
                ToolError: the function raised; its error is the cause.
            """
            if functions is None:
                functions = _names_of_caller(self.name)
            func = _function(self.name, functions)
            try:
                return func(**self.args)
            except Interruption:
                raise
            except Exception as exc:  # whatever a user's function raises goes on as the cause of one error
                raise ToolError(f"Tool `{self.name}` failed: {type(exc).__name__}: {exc}") from exc

        def __repr__(self) -> str:
            return f"{self.name}({', '.join(f'{k}={v!r:.60}' for k, v in self.args.items())})"

    __dspex_type__ = "tool_calls"

    tool_calls: list[ToolCall]
    tool_call_results: Any | None = None

    @classmethod
    def from_dict_list(cls, tool_calls_dicts: Iterable[dict[str, Any]]) -> ToolCalls:
        """Return calls from objects with `name` and `args`, or in OpenAI's form.

        Raises:
            ContentError: an object is no call.
        """
        return cls(tool_calls=[cls.ToolCall(**_call(item)) for item in tool_calls_dicts])

    @classmethod
    def from_calls(cls, calls: Iterable[Call]) -> ToolCalls:
        """Return the calls of a model's native answer.

        Raises:
            ContentError: arguments are no JSON object.
        """
        return cls.from_dict_list({"id": c.id, "name": c.name, "arguments": c.arguments} for c in calls)

    @classmethod
    def parse_lm_response(cls, response: Any) -> ToolCalls | None:
        """Return the calls that came beside the text of an answer, or None."""
        if isinstance(response, Choice):
            return cls.from_calls(response.calls) if response.calls else None
        found = response.get("tool_calls") if isinstance(response, dict) else None
        return cls.from_dict_list(found) if found else None

    @classmethod
    def description(cls) -> str:
        """Say in words for the model what calls look like."""
        return 'an object such as {"tool_calls": [{"name": "search", "args": {"query": "cats"}}]}'

    def format(self) -> dict[str, Any]:
        """Return the calls as an object."""
        return {"tool_calls": [call.format() for call in self.tool_calls]}

    @pydantic.model_serializer()
    def serialize_model(self) -> dict[str, Any]:  # type: ignore[override]  # pydantic calls it either way
        """Write the calls as an object, with their results where there are any."""
        found = self.format()
        if self.tool_call_results is not None:
            kind: Any = pydantic.TypeAdapter(type(self.tool_call_results))
            found["tool_call_results"] = kind.dump_python(self.tool_call_results, mode="json")
        return found

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read calls from a list of objects, from an object with that list, or from a single call.

        Raises:
            ContentError: the value is none of them.
        """
        if isinstance(data, cls):
            return data
        results: dict[str, Any] = {}
        if isinstance(data, dict) and "tool_calls" in data:
            results = {"tool_call_results": data["tool_call_results"]} if "tool_call_results" in data else {}
            data = data["tool_calls"]
        elif isinstance(data, dict):
            data = [data]
        if not isinstance(data, list):
            raise ContentError("`ToolCalls` are a list of objects with `name` and `args`.")
        calls = [cls.ToolCall(**_call(item)) if isinstance(item, dict) else item for item in data]
        return {"tool_calls": calls, **results}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return _without(super().__get_pydantic_json_schema__(core_schema, handler), "tool_call_results")

    def __repr__(self) -> str:
        return f"ToolCalls({', '.join(map(repr, self.tool_calls))})"


class ToolCallResults(pydantic.BaseModel, Special):
    """What calls of tools gave, as an input of a signature.

    Example:
        >>> calls = ToolCalls.from_dict_list([{"name": "add", "args": {"x": 1}}])
        >>> ToolCallResults.from_tool_calls_and_values(calls, [2]).tool_call_results[0].value
        2
    """

    class ToolCallResult(pydantic.BaseModel):
        """What one call gave, or the error it ended in."""

        call_id: str | None = None
        name: str
        value: Any
        is_error: bool = False

    __dspex_type__ = "tool_results"

    tool_call_results: list[ToolCallResult]

    @classmethod
    def from_tool_calls_and_values(
        cls,
        tool_calls: ToolCalls | Sequence[ToolCalls.ToolCall],
        values: Sequence[Any],
        is_errors: Sequence[bool] | None = None,
    ) -> ToolCallResults:
        """Return the results of calls, in their order.

        Raises:
            ContentError: there are not as many values as calls.
        """
        calls = tool_calls.tool_calls if isinstance(tool_calls, ToolCalls) else list(tool_calls)
        errors = [False] * len(calls) if is_errors is None else list(is_errors)
        if not len(calls) == len(values) == len(errors):
            raise ContentError(
                f"There are {len(calls)} calls, {len(values)} values and {len(errors)} of `is_errors`; give one of each "
                "for each call."
            )
        found = zip(calls, values, errors, strict=True)
        return cls(
            tool_call_results=[
                cls.ToolCallResult(call_id=call.id, name=call.name, value=value, is_error=error)
                for call, value, error in found
            ]
        )

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Read results from a list, from an object with that list, or from a single result.

        Raises:
            ContentError: the value is none of them.
        """
        if isinstance(data, list):
            return {"tool_call_results": data}
        if isinstance(data, cls) or (isinstance(data, dict) and "tool_call_results" in data):
            return data
        if isinstance(data, dict) and {"name", "value"} <= data.keys():
            return {"tool_call_results": [data]}
        raise ContentError("`ToolCallResults` are a list of objects with `name` and `value`.")

    def prompt_form(self) -> str:
        """Return the results as JSON text."""
        return json.dumps(
            self.model_dump(mode="json", fallback=str), ensure_ascii=False, separators=(",", ":")
        )

    def completion_form(self) -> str:
        """Return the results as JSON text."""
        return self.prompt_form()


def _call(data: Any) -> dict[str, Any]:
    """Return the fields of a call from an object in our form or in OpenAI's."""
    inner = data.get("function", data) if isinstance(data, dict) else None
    name = inner.get("name", data.get("name")) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(name, str):
        raise ContentError(f"`{data!r:.60}` is no call of a tool; it needs `name` and `args`.")
    arguments = inner.get("args", inner.get("arguments"))
    if isinstance(arguments, str):
        arguments = _object_in(arguments, name)
    if inner is data and arguments is None:
        raise ContentError(
            f"The call of `{name}` has no `args`; give an object, `{{}}` where there are none."
        )
    number = data.get("id") or data.get("call_id")
    return {"id": number, "name": name, "args": arguments if isinstance(arguments, dict) else {}}


def _object_in(text: str, name: str) -> Any:
    """Return the JSON object that a model wrote as text; broken JSON is repaired."""
    try:
        return json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        import json_repair

        found = json_repair.loads(text)
    if not isinstance(found, dict):
        raise ContentError(f"The arguments of the call of `{name}` are no JSON object: `{text[:60]}`.")
    return found


def _function(name: str, functions: Functions) -> Callable[..., Any]:
    if isinstance(functions, Mapping):
        known = dict(functions)
    else:
        tools = [f if isinstance(f, Tool) else Tool(f) for f in functions]
        known = {tool.name: tool for tool in tools}
    func = known.get(name)
    if not callable(func):
        raise ContentError(
            f"There is no tool `{name}`.{nearest(name, known)} Give it: `call.execute(functions=[...])`."
        )
    return func


def _names_of_caller(name: str) -> dict[str, Any]:
    """Return what has this name where `execute` was called, as DSPy does."""
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame and frame.f_back else None
    if caller is None:
        return {}
    found = caller.f_locals.get(name, caller.f_globals.get(name))
    return {name: found} if found is not None else {}


def _without(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object's schema without a property that a model does not write."""
    schema.get("properties", {}).pop(name, None)
    if "required" in schema:
        schema["required"] = [n for n in schema["required"] if n != name]
    return schema
