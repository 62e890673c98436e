"""Annotations that are text: `from __future__ import annotations`, notebooks, functions."""

from __future__ import annotations

import datetime
import enum
import sys
import types
from typing import Annotated, ClassVar, Literal, Optional

import pytest

from dspex.errors import SignatureError
from dspex.signatures import InputField, OutputField, Signature


class Color(enum.Enum):
    RED = "red"


class OfModule(Signature):
    """Do."""

    kept: ClassVar[int] = 1
    color: Color = InputField()
    date: datetime.date = InputField()
    sure: Literal["a"] | None = OutputField()
    later: Optional["Color"] = OutputField()  # noqa: UP037, UP045  # text inside text
    exact: Annotated[int, "whole"] = OutputField()


def test_text_annotations_are_resolved_in_the_module() -> None:
    """Names of the module, text inside text and Annotated come out as types."""
    kinds = [f.annotation for f in OfModule.fields.values()]
    assert kinds == [Color, datetime.date, Literal["a"] | None, Color | None, Annotated[int, "whole"]]


def test_text_annotations_are_resolved_in_a_function() -> None:
    """A type defined in the same function is found."""

    class Mood(enum.Enum):
        GOOD = 1

    class Local(Signature):
        """Do."""

        class Nested(enum.Enum):
            X = 1

        text: str = InputField()
        mood: list[Mood] = OutputField()
        nested: Nested = OutputField()

    assert [f.annotation for f in Local.output_fields.values()] == [list[Mood], Local.Nested]


def test_a_field_may_be_named_like_its_type() -> None:
    """`Color: Color` means the type outside the class."""

    class Same(Signature):
        """Do."""

        Color: Color = InputField()
        b: str = OutputField()

    assert Same.input_fields["Color"].annotation is Color


def test_an_unknown_name_gets_the_nearest() -> None:
    """The message names class, field, type and what was probably meant."""
    with pytest.raises(SignatureError) as caught:

        class Bad(Signature):
            a: Colour = InputField()  # noqa: F821
            b: str = OutputField()

    assert str(caught.value) == (
        "`Bad.a`: the type `Colour` is not known here. Did you mean `Color`? Import or define it before `Bad`."
    )


@pytest.mark.parametrize("kind", ["3", "Literal", "'x y'", "Color.RED"])
def test_what_is_no_type_is_refused(kind: str) -> None:
    """A value, a bare typing word or broken text in the place of a type is our error."""
    code = f"class Bad(Signature):\n    a: {kind} = InputField()\n    b: str = OutputField()\n"
    scope = {
        "Signature": Signature,
        "InputField": InputField,
        "OutputField": OutputField,
        "Color": Color,
        "__name__": "nowhere",
    }
    with pytest.raises(SignatureError, match=r"`Bad\.a`"):
        exec(
            compile(
                f"from __future__ import annotations\nfrom typing import Literal\n{code}", "cell", "exec"
            ),
            scope,
        )


def test_a_notebook_cell_is_read_like_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types of `__main__` serve the class form, and the string form called from elsewhere."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    vars(main).update(Signature=Signature, InputField=InputField, OutputField=OutputField)
    cell = """
from __future__ import annotations
class Ticket: pass
class Cell(Signature):
    '''Do.'''
    a: Ticket = InputField()
    b: str = OutputField()
"""
    exec(compile(cell, "cell", "exec"), vars(main))
    assert main.Cell.input_fields["a"].annotation is main.Ticket
    assert Signature("a: Ticket -> b").input_fields["a"].annotation is main.Ticket
