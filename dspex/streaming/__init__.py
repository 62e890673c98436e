"""Streaming: a program's output fields, piece by piece, while the model writes them."""

from dspex.streaming.listener import StreamListener
from dspex.streaming.messages import StatusMessage, StatusMessageProvider, StreamResponse
from dspex.streaming.streamify import apply_sync_streaming, streamify, streaming_response

__all__ = [
    "StatusMessage",
    "StatusMessageProvider",
    "StreamListener",
    "StreamResponse",
    "apply_sync_streaming",
    "streamify",
    "streaming_response",
]
