"""Language models: what is asked and answered, who answers, and what is wrapped around that."""

from dspex.lm.lm import LM
from dspex.lm.messages import Choice, Message, Request, Response, Usage
from dspex.lm.transport import Transport

__all__ = ["LM", "Choice", "Message", "Request", "Response", "Transport", "Usage"]
