"""Optimizers: find better instructions and demonstrations for a program."""

from dspex.optimize.bootstrap import BootstrapFewShot
from dspex.optimize.labeled import LabeledFewShot
from dspex.optimize.optimizer import Teleprompter
from dspex.optimize.random_search import BootstrapFewShotWithRandomSearch

__all__ = ["BootstrapFewShot", "BootstrapFewShotWithRandomSearch", "LabeledFewShot", "Teleprompter"]
