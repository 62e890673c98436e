"""Signatures: what a program step takes, gives and is told to do."""

from __future__ import annotations

from dspex.signatures.field import MISSING, Field, InputField, OutputField, infer_prefix
from dspex.signatures.parse import parse_signature, parse_type
from dspex.signatures.signature import Signature, as_signature, make_signature
from dspex.signatures.spec import SignatureSpec, default_instructions

__all__ = [
    "MISSING",
    "Field",
    "InputField",
    "OutputField",
    "Signature",
    "SignatureSpec",
    "as_signature",
    "default_instructions",
    "infer_prefix",
    "make_signature",
    "parse_signature",
    "parse_type",
]
