"""Where am I, may I go on, and what may I spend."""

from dspex.scope.budget import Budget, Reservation
from dspex.scope.cancel import CancelToken
from dspex.scope.scope import Scope, Tally, current, enter, within

__all__ = ["Budget", "CancelToken", "Reservation", "Scope", "Tally", "current", "enter", "within"]
