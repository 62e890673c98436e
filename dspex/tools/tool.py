"""A user's function as a tool: what the model is told of it, and how it is called with what the model gives."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

import msgspec
import pydantic

from dspex import _host
from dspex.errors import ContentError, nearest
from dspex.lm.messages import ToolSpec
from dspex.scope.ambient import ambient
from dspex.scope.callbacks import Told, listening, told
from dspex.tools.arguments import bare, converted, parameters, schemas_of, types_of
from dspex.types.type import Type


class Tool(Type):
    """A function that a model may ask to have called.

    What is not given is read off the function: its name, its docstring, its parameters' types and defaults.

    Args:
        func: a function, method or callable object; a coroutine function too.
        name: what the model calls it.
        desc: what it does.
        args: the JSON schema of each parameter.
        arg_types: the type of each parameter.
        arg_desc: what each parameter means.

    Raises:
        ContentError: `func` cannot be called, or a parameter's type has no JSON form.

    Example:
        >>> def add(x: int, y: int = 1) -> int:
        ...     "Add two numbers."
        ...     return x + y
        >>> tool = Tool(add)
        >>> tool.args
        {'x': {'type': 'integer'}, 'y': {'type': 'integer', 'default': 1}}
        >>> tool(x="2")
        3
    """

    __dspex_type__ = "tool"
    callback_kind: ClassVar[str] = "tool"
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    func: Callable[..., Any]
    name: str
    desc: str
    args: dict[str, Any]
    arg_types: dict[str, Any]
    arg_desc: dict[str, str] | None = None
    has_kwargs: bool = False
    _needed: tuple[str, ...] = ()
    """The arguments without which the function cannot be called."""

    def __init__(
        self,
        func: Callable[..., Any],
        name: str | None = None,
        desc: str | None = None,
        args: dict[str, Any] | None = None,
        arg_types: dict[str, Any] | None = None,
        arg_desc: dict[str, str] | None = None,
        **_: Any,
    ) -> None:
        if not callable(func):
            raise ContentError(
                f"A tool is made of a function, not of a `{type(func).__name__}`: {func!r:.60}."
            )
        called = name or _name(func)
        if args is None:
            types = types_of(func, called, arg_types or {})
            args = schemas_of(func, called, types)
            for each, said in (arg_desc or {}).items():
                if each in args:
                    args[each] = {**args[each], "description": said}
            arg_types = arg_types if arg_types is not None else types
        elif arg_types is None:
            arg_types = _types_if_known(func, called)
        known = parameters(func, called)
        fields = {
            "func": func, "name": called, "desc": desc or _doc(func), "args": args, "arg_types": arg_types,
            "arg_desc": arg_desc, "has_kwargs": any(p.kind is p.VAR_KEYWORD for p in known.values()),
        }  # fmt: skip
        super().__init__(**fields)
        self._needed = tuple(n for n, p in known.items() if n in args and p.default is p.empty)

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return inspect.iscoroutinefunction(self.func) or inspect.iscoroutinefunction(type(self.func).__call__)

    def __call__(self, **kwargs: Any) -> Any:
        """Call the function with a model's arguments, as its parameters' types.

        Raises:
            ContentError: an argument is unknown, missing or of another type; or the function is a coroutine function.
        """
        callbacks = listening(self)
        if not callbacks:
            return self._call(kwargs)
        with Told(callbacks, "tool", self, {"kwargs": kwargs}) as telling:
            telling.outputs = self._call(kwargs)
            return telling.outputs

    async def acall(self, **kwargs: Any) -> Any:
        """Call the function as a coroutine; a plain function runs in a worker thread.

        Raises:
            ContentError: an argument is unknown, missing or of another type.
        """
        callbacks = listening(self)
        if not callbacks:
            return await self._acall(kwargs)
        return await told(callbacks, "tool", self, {"kwargs": kwargs}, lambda: self._acall(kwargs))

    async def _acall(self, kwargs: dict[str, Any]) -> Any:
        given = self.converted(kwargs)
        if self.is_async:
            return await _host.native(_awaited(self.func(**given)))
        result = await _host.in_worker(lambda: self.func(**given))
        return await _host.native(_awaited(result)) if inspect.isawaitable(result) else result

    def _call(self, kwargs: dict[str, Any]) -> Any:
        result = self.func(**self.converted(kwargs))
        if not inspect.isawaitable(result):
            return result
        if not ambient().allow_tool_async_sync_conversion:
            if inspect.iscoroutine(result):
                result.close()
            raise ContentError(
                f"Tool `{self.name}` is a coroutine function; write `await tool.acall(...)`, or allow sync calls "
                "with `dspex.configure(allow_tool_async_sync_conversion=True)`."
            )
        return _host.portal.run(_awaited(result), f"`{self.name}`")

    def converted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model's arguments as the parameters' types.

        Raises:
            ContentError: an argument is unknown, missing or of another type.
        """
        unknown = [] if self.has_kwargs else [name for name in given if name not in self.args]
        if unknown:
            has = ", ".join(f"`{a}`" for a in self.args) or "none"
            raise ContentError(
                f"Tool `{self.name}` has no argument `{unknown[0]}`.{nearest(unknown[0], self.args)} It has: {has}."
            )
        missing = [name for name in self._needed if name not in given]
        if missing:
            raise ContentError(
                f"Tool `{self.name}` needs {', '.join(f'`{m}`' for m in missing)}; give a value."
            )
        return {
            name: converted(
                value, self.arg_types.get(name, Any), self.args.get(name, {}), f"`{name}` of `{self.name}`"
            )
            for name, value in given.items()
        }

    @property
    def required(self) -> list[str]:
        """The arguments that have no default."""
        return [name for name, schema in self.args.items() if "default" not in schema]

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of all arguments together."""
        schema = {"type": "object", "properties": self.args, "required": self.required}
        return {**schema, "additionalProperties": True} if self.has_kwargs else schema

    def format_as_litellm_function_call(self) -> dict[str, Any]:
        """Return the tool as OpenAI's API and litellm take it."""
        function = {"name": self.name, "description": self.desc, "parameters": self.parameters}
        return {"type": "function", "function": function}

    def spec(self) -> ToolSpec:
        """Return the tool as a request holds it."""
        schema = msgspec.Raw(json.dumps(self.parameters, ensure_ascii=False, default=str).encode())
        return ToolSpec(name=self.name, description=self.desc, parameters=schema)

    def format(self) -> str:
        """Return the tool in words for a prompt."""
        return str(self)

    def __str__(self) -> str:
        said = " ".join(self.desc.split())
        arguments = json.dumps(self.args, ensure_ascii=False, default=str)
        return f"{self.name}: {said + ' ' if said else ''}Arguments: {arguments}"

    def __repr__(self) -> str:
        return f"Tool(name={self.name!r}, desc={self.desc!r:.80}, args={', '.join(self.args) or 'none'})"


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _name(func: Callable[..., Any]) -> str:
    inner = bare(func)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _doc(func: Callable[..., Any]) -> str:
    inner = bare(func)
    plain = inspect.isroutine(inner) or inspect.isclass(inner)
    said = inner.__doc__ or ("" if plain else type(inner).__call__.__doc__)
    return inspect.cleandoc(said or "")


def _types_if_known(func: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return types_of(func, name, {})
    except ContentError:
        return {}  # the user gave the schemas himself, so nothing depends on the function's own words
