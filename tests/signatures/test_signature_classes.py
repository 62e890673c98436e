"""The class form, and what can be done with a signature class."""

import copy
import enum
import types
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pydantic
import pytest

from dspex.errors import SignatureError
from dspex.signatures import InputField, OutputField, Signature, SignatureSpec, as_signature, make_signature


def a_triage() -> type[Signature]:
    class Urgency(enum.Enum):
        LOW = "low"
        HIGH = "high"

    class Fact(pydantic.BaseModel):
        text: str

    class Triage(Signature):
        """Sort a ticket.

        Think of who can fix it.
        """

        ticket: str = InputField(desc="what the customer wrote")
        team: Literal["billing", "bug"] = OutputField()
        urgency: Urgency = OutputField()
        facts: list[Fact] | None = OutputField(default=None)

    return Triage


def test_a_class_is_its_fields_and_its_docstring() -> None:
    """Inputs, outputs, order and instructions are as written."""
    triage = a_triage()
    assert triage.signature == "ticket -> team, urgency, facts"
    assert list(triage.input_fields) == ["ticket"]
    assert list(triage.fields) == ["ticket", "team", "urgency", "facts"]
    assert triage.instructions == "Sort a ticket.\n\nThink of who can fix it."
    assert triage.fields["ticket"].json_schema_extra == {
        "prefix": "Ticket:",
        "desc": "what the customer wrote",
        "__dspy_field_type": "input",
    }


def test_defining_a_class_twice_is_harmless() -> None:
    """The same cell run again gives an equal signature, with types that are other objects."""
    one, two = a_triage(), a_triage()
    assert one.output_fields["urgency"].annotation is not two.output_fields["urgency"].annotation
    assert one.spec == two.spec
    assert hash(one.spec) == hash(two.spec)
    assert one.spec.digest == two.spec.digest
    assert one.equals(two)


def test_another_type_or_text_is_another_signature() -> None:
    """Content that differs is told apart."""
    one = Signature("a -> b: Literal['x']")
    assert not one.equals(Signature("a -> b: Literal['y']"))
    assert not one.equals(one.with_instructions("Otherwise."))
    assert not one.equals(one.with_updated_fields("a", desc="other"))
    assert one.spec.digest != Signature("a -> b: Literal['y']").spec.digest
    assert Signature("a -> b: int").spec.digest != Signature("a -> b: float").spec.digest


def test_a_field_without_a_side_is_refused() -> None:
    """The message holds the two lines that can be written."""
    with pytest.raises(SignatureError) as caught:

        class Bad(Signature):
            ticket: list[str]
            team: str = OutputField()

    assert str(caught.value) == (
        "`Bad.ticket` is neither input nor output; write `ticket: list[str] = dspex.InputField()` or "
        "`ticket: list[str] = dspex.OutputField()`."
    )


def test_a_signature_needs_an_output() -> None:
    """A class, a dict and a deletion that leave no output are refused when they are made."""
    with pytest.raises(SignatureError, match="`Bad` has no output; add one"):

        class Bad(Signature):
            ticket: str = InputField()

    with pytest.raises(SignatureError, match="has no output"):
        make_signature({"ticket": InputField()})
    with pytest.raises(SignatureError, match="has no output"):
        Signature("a -> b").delete("b")


def test_other_members_stay_as_they_are() -> None:
    """Constants and methods of a signature class are no fields."""

    class Counted(Signature):
        """Count."""

        limit: ClassVar[int] = 3
        _note: str = "kept"
        text: str = InputField()
        count = OutputField()

        def twice(self) -> int:
            return 2 * self.limit

    assert Counted.signature == "text -> count"
    assert Counted.output_fields["count"].annotation is str
    assert Counted(text="a", count=1).twice() == 6
    assert Counted._note == "kept"


def test_a_subclass_adds_and_replaces_fields() -> None:
    """Inherited fields keep their place, and instructions are inherited unless they only list the fields."""

    class Urgent(a_triage()):  # type: ignore[misc]
        ticket: int = InputField(ge=1)
        why: str = OutputField()

    assert Urgent.signature == "ticket -> team, urgency, facts, why"
    assert Urgent.input_fields["ticket"].annotation is int
    assert Urgent.instructions.startswith("Sort a ticket.")

    class More(Signature("a -> b")):  # type: ignore[misc]
        c: str = OutputField()

    assert More.instructions == "Given `a`, give `b` and `c`."


def test_changes_make_new_classes_and_keep_the_old() -> None:
    """Every change leaves what it started from, and no chain of classes grows."""
    first = a_triage()
    second = (
        first.append("score", OutputField(), float)
        .prepend("lang", InputField())
        .insert(1, "mood", OutputField())
    )
    assert second.signature == "lang, ticket -> team, mood, urgency, facts, score"
    assert second.delete("mood").delete("lang").signature == "ticket -> team, urgency, facts, score"
    assert first.signature == "ticket -> team, urgency, facts"
    assert second.__name__ == "Triage"
    third = first
    for i in range(50):
        third = third.with_instructions(f"Version {i}.")
    assert third.__mro__[1:] == first.__mro__
    assert third.append_instructions("Be brief.").instructions == "Version 49.\nBe brief."
    assert third.__doc__ == "Version 49."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.delete("tem"), "`Triage` has no field `tem`. Did you mean `team`? It has: ticket, team, urgency, facts."),
        (lambda s: s.append("team", OutputField()), "`Triage` has two fields named `team`; rename one of them."),
        (lambda s: s.insert(9, "x", InputField()), "`Triage` has 1 input fields: `x` cannot go to place 9; use 0 to 1, or -1 for the end."),
        (lambda s: s.append("x", str), "`x` is a `type`, not a field; write `dspex.InputField()` or `dspex.OutputField()`."),
        (lambda s: s.with_updated_fields("team", dsc="x"), "A field has no `dsc` to update. Did you mean `desc`? It has: desc, prefix, default, default_factory."),
        (lambda s: s(ticket="x"), "`Triage(...)` lacks a value for `team`; give `team=...`."),
        (lambda s: InputField(desk="x"), "`InputField` has no option `desk`. Did you mean `desc`? It has: desc, prefix, format, default, default_factory, allow_inf_nan, decimal_places, ge, gt, le, lt, max_digits, max_length, min_length, multiple_of, pattern, strict."),
        (lambda s: as_signature(Signature), "`Signature` itself has no fields; give a subclass or a string such as `question -> answer`."),
        (lambda s: as_signature(3), "A signature is a string such as `question -> answer` or a dict of fields, not `int`."),
        (lambda s: s.load_state({"instructions": "x", "fields": []}), "The saved state of `Triage` has 0 fields, the signature has 4: ticket, team, urgency, facts; load it into the signature it was saved from."),
    ],
)  # fmt: skip
def test_a_wrong_change_says_what_to_do(change: Any, message: str) -> None:
    """Each mistake is one line with the nearest fix."""
    with pytest.raises(SignatureError) as caught:
        change(a_triage())
    assert str(caught.value) == message


def test_state_goes_through_json_in_dspys_shape() -> None:
    """What optimizers change is saved and loaded; what was only inferred stays inferred."""
    triage = a_triage()
    changed = triage.with_instructions("New.").with_updated_fields(
        "team", desc="who fixes it", prefix="Team is"
    )
    state = changed.dump_state()
    assert state == {
        "instructions": "New.",
        "fields": [
            {"prefix": "Ticket:", "description": "what the customer wrote"},
            {"prefix": "Team is", "description": "who fixes it"},
            {"prefix": "Urgency:", "description": "${urgency}"},
            {"prefix": "Facts:", "description": "${facts}"},
        ],
    }
    assert triage.load_state(state).equals(changed)
    assert changed.load_state(triage.dump_state()).fields["urgency"] == triage.fields["urgency"]


def test_every_way_to_write_a_signature_meets_in_one() -> None:
    """String, dict, class and spec are one signature."""
    text = Signature("question, k: int -> answer", "Be brief.")
    fields = {"question": InputField(), "k": (int, InputField()), "answer": ("str", OutputField())}
    assert text.__name__ == "StringSignature"
    assert text.equals(Signature(fields, "Be brief."))
    assert as_signature(text) is text
    assert as_signature(text.spec).equals(text)
    assert isinstance(text.spec, SignatureSpec)
    assert as_signature("question, k: int -> answer").equals(Signature("question, k: int -> answer"))
    assert Signature("a, b, c -> d, e").instructions == "Given `a`, `b` and `c`, give `d` and `e`."


def test_field_names_hide_nothing_of_the_class() -> None:
    """A field may be called like a method; the class's own words win on the class, the value on the instance."""
    made = Signature("fields, append -> instructions, spec", "Do.")
    assert made.instructions == "Do."
    assert made.append("more", OutputField()).signature == "fields, append -> instructions, spec, more"
    assert made(fields=1, append=2, instructions=3, spec=4).append == 2
    assert "with_instructions" in dir(made)


def test_instances_hold_values() -> None:
    """An instance checks names, fills defaults and compares by value."""

    @dataclass
    class Place:
        city: str

    class Trip(Signature):
        """Plan."""

        place: Place = InputField()
        notes: list[str] = OutputField(default_factory=list)

    one = Trip(place=Place("Bonn"))
    assert one.notes == []
    assert one == Trip(place=Place("Bonn"))
    one.notes.append("x")
    assert one != Trip(place=Place("Bonn"))


def test_a_copy_by_pieces_is_allowed() -> None:
    """Tools that rebuild a class first make it empty and then set what it held."""
    triage = a_triage()
    empty = types.new_class("Triage", (Signature,), {}, lambda body: body.update(__module__=__name__))
    empty.__dspex_spec__ = copy.deepcopy(triage.spec)
    assert empty.equals(triage)
    assert copy.deepcopy(triage) is triage


def test_a_class_made_by_call_is_read_too() -> None:
    """`type(...)`-like construction goes through the same reading as a class statement."""
    made = types.new_class(
        "Made", (Signature,), {}, lambda body: body.update(a=InputField(), b=OutputField())
    )
    assert made.signature == "a -> b"


def test_the_root_says_that_it_is_empty() -> None:
    """Asking the base class for its fields is answered in words."""
    with pytest.raises(AttributeError, match="`Signature` itself has no fields"):
        _ = Signature.fields
    assert "fields" not in dir(Signature)
