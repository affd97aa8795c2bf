"""The library behind the embedding compression study."""

__version__ = "0.1.0"
