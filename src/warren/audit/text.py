"""A line of the log for people."""

from __future__ import annotations

import json

SHOWN = ("timestamp", "n", "event", "command", "result", "error_code", "actor", "correlation_id", "parameters")
"""In this order, before what else there is."""


def line_text(line: bytes) -> str:
    """On one line, without what only machines need; one that is none of ours as it stands, escaped."""
    try:
        members = json.loads(line)
        head = " ".join(str(members[name]) for name in SHOWN[:3])
        pairs = {name: members[name] for name in (*SHOWN[3:], "details") if members.get(name) not in (None, {}, "NONE")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ascii(line.decode("ascii", "replace"))
    return " ".join((head, *(f"{name}={_word(value)}" for name, value in pairs.items())))


def _word(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and " " not in value else json.dumps(value)
