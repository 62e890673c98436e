"""Programs: modules, predictors, and how they are saved."""

from dspex.modules.chain_of_thought import ChainOfThought
from dspex.modules.module import Module
from dspex.modules.predict import Predict

__all__ = ["ChainOfThought", "Module", "Predict"]
