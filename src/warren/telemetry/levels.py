"""How much is logged: who decides it when several say so (X-33)."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from warren.errors import InputError


class Level(enum.StrEnum):
    """What a line asks of its reader."""

    ERROR = "error"
    """A person must act."""
    WARNING = "warning"
    """A person should know."""
    INFO = "info"
    """Something changed."""
    DEBUG = "debug"
    """Why it did."""


WORDS = {level.value: level for level in Level} | {"warn": Level.WARNING, "trace": Level.DEBUG}
OUR_TARGETS = frozenset(("warren", "harmony_agent", "viworks_gateway_agent", "wantasticd", "privateer"))


def log_level(flag: str | None, environ: Mapping[str, str], file: str | None) -> Level:
    """The flag's level, else that of VIW_AGENT_LOG_LEVEL, of RUST_LOG, of the file, else info; empty is not said.

    Raises InputError, naming who said it, for a word that is no level. RUST_LOG, which other programs read too, may
    say what means nothing here.
    """
    if flag:
        return parse_level(flag, "the flag")
    if word := environ.get("VIW_AGENT_LOG_LEVEL"):
        return parse_level(word, "VIW_AGENT_LOG_LEVEL")
    if level := _rust_log(environ.get("RUST_LOG", "")):
        return level
    return parse_level(file, "the configuration") if file else Level.INFO


def parse_level(word: str, source: str) -> Level:
    """Raises InputError."""
    level = WORDS.get(word.strip().lower())
    if level is None:
        raise InputError(f"{source}: {word!r} is no log level; expected {', '.join(WORDS)}", code="value.invalid")
    return level


def _rust_log(directives: str) -> Level | None:
    """What env_logger makes of it for a program of our names: `NAME=LEVEL` before `LEVEL`."""
    everyone, ours = None, None
    for directive in directives.split(","):
        target, _, word = directive.strip().rpartition("=")
        level = WORDS.get(word.lower())
        if not target:
            everyone = level or everyone
        elif target.replace("-", "_") in OUR_TARGETS:
            ours = level or ours
    return ours or everyone
