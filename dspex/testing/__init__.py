"""Tools for tests of programs, and of dspex itself; library code never imports them."""

from dspex.lm.cassette import cassette
from dspex.testing.clock import FakeClock
from dspex.testing.dummy import DummyLM, DummyVectorizer
from dspex.testing.scripted import Scripted, never
from dspex.testing.server import Fault, serving

__all__ = ["DummyLM", "DummyVectorizer", "FakeClock", "Fault", "Scripted", "cassette", "never", "serving"]
