"""The practice model: an embedded in-context learner that answers without a network."""

from dspex.lm.practice.transport import PRACTICE_PRICE, PracticeTransport, TokenPrice

__all__ = ["PRACTICE_PRICE", "PracticeTransport", "TokenPrice"]
