"""What stands above the file: flags, then the environment (precedence: flag, environment, file, default)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LOG_LEVEL = "daemon.log_level"
USER = "daemon.user"
VERBOSE_LEVEL = "debug"
# RUST_LOG has two more words than we have levels.
RUST_LEVELS = {"error": "error", "warn": "warning", "info": "info", "debug": "debug", "trace": "debug"}


@dataclass(frozen=True, slots=True)
class Override:
    """A value that the file's does not count against."""

    key: str
    """As in a finding: `daemon.log_level`."""
    value: object
    origin: str
    """Where it comes from, in the words of the command line."""


def overrides(flags: Mapping[str, tuple[str, object]], environment: Mapping[str, str]) -> tuple[Override, ...]:
    """What counts above the file. `flags`: by key, the flag as it is written and its value; None is "not given"."""
    above = {override.key: override for override in _from_environment(environment)}
    for key, (written, value) in flags.items():
        if value is not None:
            above[key] = Override(key, value, f"flag {written}")
    return tuple(above.values())


def verbosity(verbose: bool) -> tuple[str, str | None]:
    """What `--verbose` says of the log level, for `overrides` (H-19)."""
    return "--verbose", VERBOSE_LEVEL if verbose else None


def _from_environment(environment: Mapping[str, str]) -> Iterator[Override]:
    """X-33: VIW_AGENT_LOG_LEVEL, else RUST_LOG. Filters of single modules are for programs that have such."""
    levels = [RUST_LEVELS.get(word.strip().lower()) for word in environment.get("RUST_LOG", "").split(",")]
    if level := environment.get("VIW_AGENT_LOG_LEVEL"):
        yield Override(LOG_LEVEL, level.lower(), "environment VIW_AGENT_LOG_LEVEL")
    elif named := [level for level in levels if level]:
        yield Override(LOG_LEVEL, named[-1], "environment RUST_LOG")
