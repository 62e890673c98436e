"""Laws of Tool: what the model is told of a function, and what becomes of the arguments it gives."""

from __future__ import annotations

import asyncio
import contextvars
import enum
import functools
import json
import threading
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dspex
from dspex import _host
from dspex.errors import ContentError
from dspex.scope.callbacks import BaseCallback
from dspex.tools import Tool


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Person(pydantic.BaseModel):
    name: str
    tags: list[str] = []


class Team(pydantic.BaseModel):
    lead: Person
    others: dict[str, Person] = {}


class Tree(pydantic.BaseModel):
    value: int
    children: list[Tree] = []


def search(query: str, k: int = 3) -> list[str]:
    """Search the handbook.

    Args:
        query: what to look for.
    """
    return [query] * k


def typed(team: Team, color: Color = Color.RED, ids: list[int] | None = None, other=None) -> tuple[Any, ...]:
    return (team, color, ids, other)


async def slow(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def test_a_tool_tells_what_the_function_says():
    """Name, docstring, types and defaults are read off the function."""
    tool = Tool(search)
    assert (tool.name, tool.func, tool.has_kwargs) == ("search", search, False)
    assert tool.desc.startswith("Search the handbook.\n\nArgs:\n    query:")
    assert tool.args == {"query": {"type": "string"}, "k": {"type": "integer", "default": 3}}
    assert tool.arg_types == {"query": str, "k": int}


def test_what_is_given_goes_first():
    """Given words replace the function's."""
    tool = Tool(search, name="find", desc="Find.", arg_desc={"query": "the words"})
    assert (tool.name, tool.desc) == ("find", "Find.")
    assert tool.args["query"] == {"type": "string", "description": "the words"}
    own = Tool(search, args={"query": {"type": "string"}})
    assert own.args == {"query": {"type": "string"}}
    assert own(query="a") == ["a"] * 3


def test_the_function_call_form_is_openais():
    """The form for providers names what is required, and a request's own spec says the same."""
    form = Tool(search).format_as_litellm_function_call()
    assert form == {
        "type": "function",
        "function": {
            "name": "search",
            "description": Tool(search).desc,
            "parameters": {"type": "object", "properties": Tool(search).args, "required": ["query"]},
        },
    }
    assert msgspec.json.decode(Tool(search).spec().parameters) == form["function"]["parameters"]


def test_schemas_hold_no_references():
    """Models inside models are written out; a model that holds itself ends."""
    args = Tool(typed).args
    assert "$ref" not in json.dumps(args)
    assert args["team"]["properties"]["lead"]["properties"]["name"]["type"] == "string"
    assert args["color"] == {"enum": ["red", "blue"], "title": "Color", "type": "string", "default": "red"}
    assert args["other"] == {"default": None}

    def plant(tree: Tree) -> int:
        return len(tree.children)

    schema = Tool(plant).args["tree"]
    assert schema["properties"]["children"]["items"] == {"type": "object"}
    assert Tool(plant)(tree={"value": 1, "children": [{"value": 2}]}) == 1


def test_a_parameters_own_words_reach_the_model():
    """Literal, constraints and descriptions of `Annotated` are in the schema; a default has its JSON form."""

    def order(
        size: Literal["s", "l"],
        n: Annotated[int, pydantic.Field(description="how many", ge=1)] = 1,
        price: Decimal = Decimal("1.5"),
    ) -> str:
        return f"{n}{size}"

    args = Tool(order).args
    assert args["size"]["enum"] == ["s", "l"]
    assert args["n"] == {"type": "integer", "description": "how many", "minimum": 1, "default": 1}
    assert args["price"]["default"] == 1.5
    with pytest.raises(ContentError, match="greater than or equal to 1"):
        Tool(order)(size="s", n=0)


@pytest.mark.parametrize(
    ("given_args", "answer"),
    [
        ({"query": "a"}, ["a"] * 3),
        ({"query": "a", "k": "2"}, ["a"] * 2),
        ({"query": "a", "k": 1.0}, ["a"]),
    ],
)
def test_arguments_become_the_functions_types(given_args: dict[str, Any], answer: list[str]):
    """A model's numbers in quotes are numbers."""
    assert Tool(search)(**given_args) == answer


def test_objects_become_models():
    """Dicts, JSON text and models of an older class of the same form become what the function takes."""
    team, color, ids, other = Tool(typed)(team={"lead": {"name": "n"}}, color="blue", ids="[1, 2]", other=3)
    assert team == Team(lead=Person(name="n"))
    assert (color, ids, other) == (Color.BLUE, [1, 2], 3)
    assert Tool(typed)(team='{"lead": {"name": "n"}}')[0] == team

    class Older(pydantic.BaseModel):
        lead: Person

    assert Tool(typed)(team=Older(lead=Person(name="n")))[0] == team


@pytest.mark.parametrize(
    ("given_args", "said"),
    [
        ({"query": "a", "k": "many"}, r"Argument `k` of `search` is invalid: .*integer.*`'many'`"),
        ({"query": "a", "k": 1.5}, "`k` of `search`"),
        ({"query": 5}, "`query` of `search`"),
        ({"qery": "a"}, r"has no argument `qery`\. Did you mean `query`\?"),
        ({}, "needs `query`"),
        ({"query": "a", "x": 1}, "It has: `query`, `k`"),
    ],
)
def test_a_wrong_argument_is_named(given_args: dict[str, Any], said: str):
    """The message says which argument of which tool, what it should be and what it was."""
    with pytest.raises(ContentError, match=said):
        Tool(search)(**given_args)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["query", "k", "z"]),
        st.one_of(st.none(), st.text(), st.integers(-5, 5), st.lists(st.text())),
    )
)
def test_a_call_answers_or_says_what_is_wrong(arguments: dict[str, Any]):
    """Whatever a model gives, the function gets its types or is not called."""
    try:
        found = Tool(search)(**arguments)
    except ContentError:
        return
    assert isinstance(found, list)


def test_further_keywords_go_through():
    """A function with `**kwargs` takes what it does not name, and the model is told so."""

    def call(x: int, *rest: int, **more: Any) -> tuple[int, dict[str, Any]]:
        return x, more

    tool = Tool(call)
    assert tool(x="1", y=2) == (1, {"y": 2})
    assert list(tool.args) == tool.required == ["x"]
    assert tool.parameters["additionalProperties"] is True


def test_given_schemas_are_held():
    """Where the function has no types, the given schema's type and options hold."""
    tool = Tool(lambda **kw: kw, name="pay", args={"n": {"type": "integer"}, "to": {"enum": ["a", "b"]}})
    assert tool(n=1, to="a") == {"n": 1, "to": "a"}
    for bad, said in (({"n": "x"}, "integer"), ({"n": True}, "integer"), ({"to": "c"}, "'a', 'b'")):
        with pytest.raises(ContentError, match=said):
            tool(**bad)


def test_everything_callable_can_be_a_tool():
    """Methods, callable objects, partials and classes are tools; other values are refused."""

    class Shop:
        """Sells things."""

        def price(self, item: str) -> int:
            """Tell the price."""
            return len(item)

        def __call__(self, a: int) -> int:
            return a

    assert Tool(Shop().price)(item="abc") == 3
    assert (Tool(Shop()).name, Tool(Shop()).desc, Tool(Shop())(a="1")) == ("Shop", "Sells things.", 1)
    part = Tool(functools.partial(search, k=1))
    assert (part.name, part(query="a"), part.required) == ("search", ["a"], ["query"])
    assert Tool(Person)(name="n") == Person(name="n")
    assert Tool(lambda q: q).args == {"q": {}}
    with pytest.raises(ContentError, match="made of a function"):
        Tool("search")  # type: ignore[arg-type]


def test_a_type_no_model_can_write_is_named():
    """The parameter and the way out are in the message; given schemas are a way out."""

    def lock(door: threading.Event) -> None:
        door.set()

    with pytest.raises(ContentError, match=r"`door` of `lock`.*`Event`.*give `args=`"):
        Tool(lock)
    assert Tool(lock, args={}).args == {}

    def lost(x: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
        pass

    with pytest.raises(ContentError, match=r"`lost` cannot be read.*arg_types"):
        Tool(lost)
    assert Tool(lost, arg_types={"x": int}).args == {"x": {"type": "integer"}}


async def test_a_coroutine_function_is_awaited_where_it_was_called():
    """`acall` awaits on the caller's loop, and converts arguments as a call does."""
    seen: list[object] = []

    async def where(x: int) -> int:
        seen.append(asyncio.get_running_loop())
        return x

    assert await Tool(where).acall(x="3") == 3
    assert seen == [asyncio.get_running_loop()]
    assert await Tool(slow).acall(x=1) == 2


async def test_a_plain_function_does_not_stop_the_loop():
    """`acall` runs it in another thread, with the caller's context."""
    word = contextvars.ContextVar("word", default="")
    word.set("mine")

    def look() -> tuple[str, bool]:
        return word.get(), threading.current_thread() is threading.main_thread()

    assert await Tool(look).acall() == ("mine", False)


def test_a_driven_call_reaches_a_coroutine_function():
    """A sync program that awaits `acall` gets its answer though no loop runs in its thread."""
    assert _host.drive(Tool(slow).acall(x=1)) == 2
    assert _host.drive(Tool(search).acall(query="a", k=1)) == ["a"]


def test_a_sync_call_of_a_coroutine_function_has_to_be_allowed():
    """As DSPy has it; and where it is allowed, a running loop is no hindrance."""
    with pytest.raises(ContentError, match="allow_tool_async_sync_conversion"):
        Tool(slow)(x=1)
    with dspex.context(allow_tool_async_sync_conversion=True):
        assert Tool(slow)(x=1) == 2

        async def inside() -> int:
            return Tool(slow)(x=1)

        assert asyncio.run(inside()) == 2


class Ear(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append((instance.name, inputs))

    def on_tool_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self.heard.append((outputs, type(exception).__name__))


async def test_callbacks_hear_of_calls():
    """A call, a coroutine call and a failing one are told with what went in and came out."""
    ear = Ear()
    with dspex.context(callbacks=[ear]):
        Tool(search)(query="a", k=1)
        await Tool(slow).acall(x=1)
        with pytest.raises(ContentError):
            Tool(search)(k=1)
    assert ear.heard == [
        ("search", {"kwargs": {"query": "a", "k": 1}}),
        (["a"], "NoneType"),
        ("slow", {"kwargs": {"x": 1}}),
        (2, "NoneType"),
        ("search", {"kwargs": {"k": 1}}),
        (None, "ContentError"),
    ]


def test_a_tools_own_error_is_its_own():
    """What the function raises comes out as it is."""

    def fails(x: int) -> float:
        return x / 0

    with pytest.raises(ZeroDivisionError):
        Tool(fails)(x=1)


def test_a_tool_in_words():
    """In a prompt a tool says its name, what it does and its arguments on one line; its repr is short."""
    text = Tool(search).format()
    assert text.startswith("search: Search the handbook.")
    assert '"query"' in text
    assert "\n" not in text
    assert len(repr(Tool(search, desc="x" * 5000))) < 200


def test_tools_are_an_input_type():
    """A signature takes tools, and finds them."""
    spec = dspex.Signature("question, tools: list[dspy.Tool] -> calls: dspy.ToolCalls")
    assert spec.input_fields["tools"].annotation == list[Tool]
    assert dspex.Type.extract_custom_type_from_annotation(list[Tool]) == [Tool]
