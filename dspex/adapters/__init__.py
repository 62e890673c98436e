"""Adapters: between signatures and the messages a model reads and writes."""

from __future__ import annotations

from dspex.adapters.adapter import Adapter, Fields
from dspex.adapters.chat import ChatAdapter
from dspex.adapters.convert import parse_value, render_value, type_phrase

__all__ = ["Adapter", "ChatAdapter", "Fields", "parse_value", "render_value", "type_phrase"]
