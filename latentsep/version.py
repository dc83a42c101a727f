"""The one place that states the version."""

__version__ = "0.1.0"

ALGORITHM_VERSION = 1
"""Raised whenever the bytes of a stem change for the same input, model and settings."""
