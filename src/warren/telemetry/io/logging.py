"""Logs: one line for an event, as JSON or for people; never a private or preshared key, a token or a password (H-79).

An event is `noun.verb`, and what belongs to it is given as `extra`:

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

EVENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
HIDDEN = "(hidden)"
SECRET_NAME = re.compile(r"(private_?key|preshared_?key|token|password|secret)$", re.IGNORECASE)
PLAIN_WORD = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
LEVELS = {
    Level.ERROR: logging.ERROR,
    Level.WARNING: logging.WARNING,
    Level.INFO: logging.INFO,
    Level.DEBUG: logging.DEBUG,
}
WORD_OF = {number: level.value for level, number in LEVELS.items()} | {logging.CRITICAL: Level.ERROR.value}


def start_logging(level: Level, stream: TextIO | None = None, *, as_json: bool | None = None) -> None:
    """All logs of this process go to `stream` (stderr): as JSON unless that is a terminal, or as `as_json` says.

    Called again, it takes the place of what it did before.
    """
    stream = sys.stderr if stream is None else stream
    as_json = not stream.isatty() if as_json is None else as_json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)


def set_level(level: Level) -> None:
    """From now on, without a restart (H-91). What libraries explain at length is left out at any level."""
    logging.getLogger().setLevel(max(LEVELS[level], logging.INFO))
    logging.getLogger("warren").setLevel(LEVELS[level])


class JsonFormatter(logging.Formatter):
    """`{"ts":…,"level":…,"event":…}` and the event's own fields, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Guarantees one line of JSON in ASCII."""
        head = {"ts": _timestamp(record.created), "level": WORD_OF.get(record.levelno, Level.INFO.value)}
        return json.dumps(head | self.fields(record), separators=(",", ":"))

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """The event and what belongs to it, without secrets. A library's free text becomes `LIBRARY.message`."""
        said = record.getMessage()
        if EVENT.fullmatch(said):
            found: dict[str, object] = {"event": said}
        else:
            found = {"event": f"{record.name.partition('.')[0]}.message", "message": said}
        found |= {key: value for key, value in vars(record).items() if key not in OWN_ATTRIBUTES and key not in found}
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return {key: presentable(value, key) for key, value in found.items()}


class TextFormatter(JsonFormatter):
    """`TIME LEVEL EVENT key=value …` on one line, and a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Guarantees that no value begins a line."""
        fields = self.fields(record)
        level, event, traceback = WORD_OF.get(record.levelno, "info"), fields.pop("event"), fields.pop("traceback", "")
        pairs = [f"{key}={_word(value)}" for key, value in fields.items()]
        line = " ".join((_timestamp(record.created), f"{level:7}", str(event), *pairs))
        return f"{line}\n{traceback}" if traceback else line


def presentable(value: object, name: str = "") -> object:
    """`value` as JSON can say it, without what is secret by its type, or by the name it goes under."""
    if isinstance(value, PrivateKey | PresharedKey) or (SECRET_NAME.search(name) and value is not None):
        return HIDDEN
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): presentable(each, str(key)) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [presentable(each) for each in value]
        case _:
            return str(value)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _word(value: object) -> str:
    said = value if isinstance(value, str) else json.dumps(value)
    return said if PLAIN_WORD.fullmatch(said) else json.dumps(said)
