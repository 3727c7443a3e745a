"""What a line of the log asks of its reader."""

from __future__ import annotations

import enum


class Level(enum.StrEnum):
    """From the most urgent."""

    ERROR = "error"
    """A person must act."""
    WARNING = "warning"
    """A person should know."""
    INFO = "info"
    """Something changed."""
    DEBUG = "debug"
    """Why it did."""
