"""Values that override the file: flags, then the environment (precedence: flag, environment, file, default)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LOG_LEVEL = "daemon.log_level"
USER = "daemon.user"
VERBOSE_LEVEL = "debug"
# RUST_LOG has one level more than Warren, and another spelling of "warning".
RUST_LEVELS = {"error": "error", "warn": "warning", "info": "info", "debug": "debug", "trace": "debug"}


@dataclass(frozen=True, slots=True)
class Override:
    """A value that takes precedence over the file's."""

    key: str
    """As in a finding: `daemon.log_level`."""
    value: object
    origin: str
    """The source as `config show --origin` names it: `flag --verbose`."""


def overrides(flags: Mapping[str, tuple[str, object]], environment: Mapping[str, str]) -> tuple[Override, ...]:
    """Return what overrides the file. `flags`: by key, the spelling of the flag and its value; None is "not given"."""
    by_key = {override.key: override for override in _from_environment(environment)}
    for key, (flag, value) in flags.items():
        if value is not None:
            by_key[key] = Override(key, value, f"flag {flag}")
    return tuple(by_key.values())


def verbosity(verbose: bool) -> tuple[str, str | None]:
    """Return the flag `--verbose` and the log level that it sets, for `overrides` (H-19)."""
    return "--verbose", VERBOSE_LEVEL if verbose else None


def _from_environment(environment: Mapping[str, str]) -> Iterator[Override]:
    """Yield the log level of VIW_AGENT_LOG_LEVEL, else of RUST_LOG (X-33). Filters of single modules do not apply."""
    levels = [RUST_LEVELS.get(word.strip().lower()) for word in environment.get("RUST_LOG", "").split(",")]
    if level := environment.get("VIW_AGENT_LOG_LEVEL"):
        yield Override(LOG_LEVEL, level.lower(), "environment VIW_AGENT_LOG_LEVEL")
    elif named := [level for level in levels if level]:
        yield Override(LOG_LEVEL, named[-1], "environment RUST_LOG")
