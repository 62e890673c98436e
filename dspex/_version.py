"""The version, alone in a file so that nothing needs more to know it."""

__version__ = "0.1.0"
