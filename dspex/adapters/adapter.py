"""What an adapter is: it renders a signature, demonstrations and inputs to messages, and reads the answer.

Adapters are pure: same values in, same text out. They know nothing of modules, models or settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from dspex.lm.messages import Message
from dspex.signatures.signature import Signature
from dspex.signatures.spec import SignatureSpec


class Fields(Protocol):
    """Values by field name: a dict, an Example, a Prediction."""

    def get(self, name: str, default: Any = ..., /) -> Any:
        """Return the value of a field, or the default where there is none."""
        ...


@runtime_checkable
class Adapter(Protocol):
    """Between signatures and messages."""

    def format(
        self, signature: type[Signature] | SignatureSpec, demos: Sequence[Fields], inputs: Fields
    ) -> tuple[Message, ...]:
        """Return the messages that ask a model for the signature's outputs."""
        ...

    def parse(self, signature: type[Signature] | SignatureSpec, completion: str) -> dict[str, Any]:
        """Return the outputs by name, in the signature's order.

        Raises:
            AdapterParseError: a field is missing or is no value of its type.
        """
        ...
