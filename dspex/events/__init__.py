"""Everything that happens, and who may listen."""

from dspex.events.event import AnyEvent, Event, kind_of
from dspex.events.listeners import Subscription, drain, subscribe
from dspex.events.recorder import record

__all__ = ["AnyEvent", "Event", "Subscription", "drain", "kind_of", "record", "subscribe"]
