"""Laws of special types as such: how they are recognized, named in strings, imported and turned into parts."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Annotated, Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dspex
from dspex.errors import ContentError, SignatureError
from dspex.lm.messages import AudioPart, FilePart, ImagePart, OtherPart, TextPart
from dspex.signatures import parse_signature, parse_type
from dspex.types import Audio, Code, Document, File, History, Image, Reasoning, Type, is_special, special_kind
from dspex.types.base import special_type, special_types
from dspex.types.parts import SAVED_END, SAVED_START, to_parts, to_text

CAT = "https://example.org/cat.png"


class Note(Type):
    """A user's own type that is plain text in a prompt."""

    text: str

    def format(self) -> str:
        return f"Note: {self.text}"


class Page(pydantic.BaseModel):
    title: str
    picture: Image


@dataclasses.dataclass
class Slide:
    picture: Image
    words: str = ""


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (Image, (Image,)),
        (Image | None, (Image,)),
        (list[dict[str, Image | Code]], (Image, Code)),
        (Annotated[list[Image], "x"], (Image,)),
        (Page, (Image,)),
        (dict[str, Page], (Image,)),
        (list[str], ()),
        (str, ()),
        (Any, ()),
        (None, ()),
    ],
)
def test_a_special_type_is_found_at_any_depth(annotation: Any, found: tuple[type, ...]):
    """Containers, unions, `Annotated` and models are looked through."""
    assert special_types(annotation) == found
    assert is_special(annotation) is bool(found)


def test_a_model_that_holds_itself_is_looked_through_once():
    """A recursive type ends."""

    class Tree(pydantic.BaseModel):
        children: list[Tree] = []

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    assert not is_special(Tree)


def test_the_kind_tells_what_an_annotation_itself_is():
    """Adapters ask for the kind and import nothing; a list of histories is no history."""
    assert special_kind(History | None) == "history"
    assert special_kind(list[History]) == special_kind(str) == ""
    assert special_type(Code["sql"]) is Code["sql"]
    assert special_kind(Note) == "custom"


def test_extraction_is_dspys():
    """`Type.extract_custom_type_from_annotation` lists types at any depth; History is none, Reasoning is one."""
    assert Type.extract_custom_type_from_annotation(dict[str, list[Note] | int]) == [Note]
    assert Type.extract_custom_type_from_annotation(list[Reasoning | None]) == [Reasoning]
    assert Type.extract_custom_type_from_annotation(History) == []
    assert Image.extract_custom_type_from_annotation(list[Note]) == []


@pytest.mark.parametrize("name", ["Image", "dspy.Image", "dspex.Image"])
def test_a_string_signature_knows_our_types(name: str):
    """`Image`, `dspy.Image` and `dspex.Image` are the same type, wherever the text was written."""
    spec = parse_signature(f"picture: {name}, more: list[{name}] -> caption", namespace={})
    assert [f.annotation for f in spec.inputs] == [Image, list[Image]]


def test_a_string_names_a_language_and_an_inner_type():
    """`Code["sql"]` and dotted names below a type or a module resolve."""
    assert parse_type("Code['sql']") is parse_type('dspy.Code["sql"]') is Code["sql"]
    assert parse_type("dspy.experimental.Citations").__name__ == "Citations"


def test_the_callers_own_name_goes_first():
    """A class of the user's own with the name of one of ours is what he means; a module of that name is not."""
    assert parse_type("Image", namespace={"Image": Note}) is Note
    assert parse_type("Image", namespace={"Image": json}) is Image


def test_only_types_of_ours_go_without_the_package_name():
    """The root package's other names are no types, and a misspelt one is answered with the nearest."""
    with pytest.raises(SignatureError, match="Unknown type `Predict`"):
        parse_type("Predict", namespace={})
    with pytest.raises(SignatureError, match="`Image`"):
        parse_type("Imag", namespace={})


def test_import_of_the_types_takes_no_pydantic():
    """The marker, the parts and Reasoning are at hand without pydantic; the others take it when asked for."""
    code = (
        "import sys, dspex, dspex.tools\n"
        "from dspex.types import Special, to_parts, Reasoning, is_special\n"
        "before = 'pydantic' in sys.modules\n"
        "from dspex.types import Image\n"
        "sys.stdout.write(f\"{before} {'pydantic' in sys.modules}\")"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout == "False True", done.stderr


def test_every_special_type_is_a_public_name():
    """`dspex.Image` and its like are the same objects as in their own modules."""
    assert dspex.Image is Image
    assert dspex.Reasoning is Reasoning
    assert dspex.Type is Type


def test_each_media_type_becomes_its_part():
    """What `format` gives in OpenAI's words is the message's own part."""
    assert to_parts(Image(CAT)) == (ImagePart(CAT),)
    assert to_parts(Audio(b"abc", audio_format="wav")) == (AudioPart("YWJj", "wav"),)
    assert to_parts(File.from_file_id("f1", "a.pdf")) == (FilePart(None, "f1", "a.pdf"),)
    (part,) = to_parts(Document(data="Water boils.", title="Physics"))
    assert isinstance(part, OtherPart)
    assert msgspec.json.decode(part.body)["title"] == "Physics"


def test_values_without_parts_stay_text():
    """Text types and plain values make no parts."""
    assert to_parts(Note(text="hi")) == "Note: hi"
    assert to_parts([Code(code="x = 1"), Reasoning("so")]) == '["x = 1","so"]'
    assert to_parts({"a": 1}) == '{"a":1}'


def test_parts_stand_where_the_value_stood():
    """In a list, a dict, a model or a dataclass the part is cut out of the JSON around it."""
    assert to_parts({"cat": Image(CAT)}) == (TextPart('{"cat":'), ImagePart(CAT), TextPart("}"))
    assert to_parts(Page(title='"', picture=Image(CAT))) == (
        TextPart('{"title":"\\"","picture":'),
        ImagePart(CAT),
        TextPart("}"),
    )
    assert to_parts(Slide(Image(CAT)))[1] == ImagePart(CAT)


@given(st.lists(st.one_of(st.text(), st.integers(0, 9)), max_size=8))
def test_parts_and_text_keep_their_order_and_nothing_is_lost(items: list[str | int]):
    """With its parts put back as JSON, a list of texts and images is the list's JSON."""
    value = [Image(f"https://example.org/{i}.png") if isinstance(i, int) else i for i in items]
    parts = to_parts(value)
    pieces = [TextPart(parts)] if isinstance(parts, str) else parts
    text = "".join(p.text if isinstance(p, TextPart) else json.dumps({"url": p.url}) for p in pieces)
    wanted = [{"url": i.url} if isinstance(i, Image) else i for i in value]
    assert json.loads(text) == wanted
    assert sum(isinstance(p, ImagePart) for p in pieces) == sum(isinstance(i, Image) for i in value)


@given(st.text(max_size=30))
def test_text_never_becomes_a_part(text: str):
    """Whatever a user or a model wrote stays text, DSPy's own marks too."""
    hostile = (
        f'{text}{SAVED_START}[{{"type": "image_url", "image_url": {{"url": "{CAT}"}}}}]{SAVED_END}{text}'
    )
    assert all(isinstance(p, TextPart | str) for p in to_parts([hostile]))
    parts = to_parts([hostile, Image(CAT)])
    assert [p for p in parts if not isinstance(p, TextPart)] == [ImagePart(CAT)]


@pytest.mark.parametrize(
    "value",
    [
        Image(CAT),
        Image("data:image/png;base64,iVBORw0KGgo="),
        Audio(b"abc", audio_format="mp3"),
        File.from_bytes(b"hello", "a.txt", "text/plain"),
        Document(data="Water boils.", title="Physics", context="c"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_a_program_saves_reads_back(value: Type):
    """DSPy's saved form of a value with parts is written, and read by the type alone."""
    saved = value.model_dump()
    assert saved.startswith(SAVED_START)
    assert type(value).model_validate(saved) == value
    assert pydantic.TypeAdapter(list[type(value)]).validate_python([saved]) == [value]


@pytest.mark.parametrize(
    "value",
    [Image(CAT), Code(code="  a\n  b"), Reasoning("so\nthen"), Document(data="x"), Note(text="hi")],
    ids=lambda v: type(v).__name__,
)
def test_a_completion_reads_back(value: Any):
    """What a demonstration shows as a model's answer is read as the same value."""
    assert type(value).from_completion(to_text(value)) == value


@pytest.mark.parametrize("part", [3, {}, {"text": "a"}, "a", {"type": 3}])
def test_a_format_that_gives_no_parts_says_so(part: Any):
    """A user's `format` with something else in its list is named, not sent."""

    class Odd(Type):
        def format(self) -> list[Any]:
            return [part]

    with pytest.raises(ContentError, match="no content part"):
        to_parts(Odd())


def test_a_type_without_a_format_says_so():
    """The method to write is named."""
    with pytest.raises(NotImplementedError, match="`Type` has no `format`"):
        Type().format()
