"""The levels of log lines."""

from __future__ import annotations

import enum


class Level(enum.StrEnum):
    """A log level, from the most urgent on."""

    ERROR = "error"
    """A person must act."""
    WARNING = "warning"
    """A person should know."""
    INFO = "info"
    """Something changed."""
    DEBUG = "debug"
    """The reason of a change."""
