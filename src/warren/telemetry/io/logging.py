"""Logs: one line per event, as JSON or as text; never a private or preshared key, a token or a password (H-79).

An event is `noun.verb_past`, and its fields are given as `extra`:

    log.info("network.up", extra={"network": "default"})
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from warren._core import PresharedKey, PrivateKey
from warren.telemetry.levels import Level
from warren.terminal import visible, visible_line

EVENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
HIDDEN = "(hidden)"
SECRET_FIELD = re.compile(r"(private_?key|preshared_?key|token|password|secret)$", re.IGNORECASE)
UNQUOTED = re.compile(r"[^\s\"=\\]+")
RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
LEVELS = {
    Level.ERROR: logging.ERROR,
    Level.WARNING: logging.WARNING,
    Level.INFO: logging.INFO,
    Level.DEBUG: logging.DEBUG,
}
LEVEL_NAMES = {number: level.value for level, number in LEVELS.items()} | {logging.CRITICAL: Level.ERROR.value}


def start_logging(level: Level, stream: TextIO | None = None, *, as_json: bool | None = None) -> None:
    """Send all logs of this process to `stream` (stderr): as JSON unless that is a terminal, or as `as_json` says.

    A later call replaces the former one.
    """
    stream = sys.stderr if stream is None else stream
    as_json = not stream.isatty() if as_json is None else as_json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)


def set_level(level: Level) -> None:
    """Change the level at once (H-91). The debug output of libraries is left out at any level."""
    logging.getLogger().setLevel(max(LEVELS[level], logging.INFO))
    logging.getLogger("warren").setLevel(LEVELS[level])


class JsonFormatter(logging.Formatter):
    """Formats a record as `{"ts":…,"level":…,"event":…}` with the event's own fields, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON in ASCII."""
        head = {"ts": _timestamp(record.created), "level": LEVEL_NAMES.get(record.levelno, Level.INFO.value)}
        return json.dumps(head | self.fields(record), separators=(",", ":"))

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Return the event and its fields, without secrets. The free text of a library becomes `LIBRARY.message`."""
        message = record.getMessage()
        if EVENT.fullmatch(message):
            fields: dict[str, object] = {"event": message}
        else:
            fields = {"event": f"{record.name.partition('.')[0]}.message", "message": message}
        fields |= {
            key: value for key, value in vars(record).items() if key not in RECORD_ATTRIBUTES and key not in fields
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return {key: presentable(value, key) for key, value in fields.items()}


class TextFormatter(JsonFormatter):
    """Formats a record as `TIME LEVEL EVENT key=value …` on one line, with a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line in which no value contains a line break."""
        fields = self.fields(record)
        level, event, traceback = (
            LEVEL_NAMES.get(record.levelno, "info"),
            fields.pop("event"),
            fields.pop("traceback", ""),
        )
        pairs = [f"{key}={_text_value(value)}" for key, value in fields.items()]
        line = visible_line(" ".join((_timestamp(record.created), f"{level:7}", str(event), *pairs)))
        return f"{line}\n{visible(str(traceback))}" if traceback else line


def presentable(value: object, name: str = "") -> object:
    """Return `value` in a form that JSON can express; a secret, by its type or by `name`, is hidden."""
    if isinstance(value, PrivateKey | PresharedKey) or (SECRET_FIELD.search(name) and value is not None):
        return HIDDEN
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): presentable(item, str(key)) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [presentable(item) for item in value]
        case _:
            return str(value)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text_value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() and UNQUOTED.fullmatch(text) else json.dumps(text)
