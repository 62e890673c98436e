"""An OpenAI-compatible server on this machine that answers, or fails in the way a test asks for."""

from dspex.testing.server.faults import Fault
from dspex.testing.server.serving import Server, serving

__all__ = ["Fault", "Server", "serving"]
