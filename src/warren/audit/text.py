"""A line of the log as text."""

from __future__ import annotations

import json

SHOWN_KEYS = ("timestamp", "n", "event", "command", "result", "error_code", "actor", "correlation_id", "parameters")
"""The keys that are shown, in this order; `details` follow."""


def line_text(line: bytes) -> str:
    """Return the line for people, without the members of the chain. A line that cannot be parsed is escaped."""
    try:
        members = json.loads(line)
        head = " ".join(_value_text(members[name]) for name in SHOWN_KEYS[:3])
        pairs = {
            name: members[name] for name in (*SHOWN_KEYS[3:], "details") if members.get(name) not in (None, {}, "NONE")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return ascii(line.decode("ascii", "replace"))
    return " ".join((head, *(f"{name}={_value_text(value)}" for name, value in pairs.items())))


def _value_text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and " " not in value else json.dumps(value)
