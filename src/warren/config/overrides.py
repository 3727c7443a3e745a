"""Values that override the file: flags, then the environment (precedence: flag, environment, file, default)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warren.config.fields import options_of

LOG_LEVEL = "daemon.log_level"
USER = "daemon.user"
VERBOSE_LEVEL = "debug"


@dataclass(frozen=True, slots=True)
class Override:
    """A value that takes precedence over the file's."""

    key: str
    """As in a finding: `daemon.log_level`."""
    value: object
    origin: str
    """The source as `config show --origin` names it: `flag --verbose`."""


def overrides(
    settings: type[object], flags: Mapping[str, tuple[str, object]], environment: Mapping[str, str]
) -> tuple[Override, ...]:
    """Return what overrides the file, whose tables are the rows of `settings`.

    `flags`: by key, the spelling of the flag and its value; None is "not given".
    """
    by_key = {override.key: override for override in _from_environment(settings, environment)}
    for key, (flag, value) in flags.items():
        if value is not None:
            by_key[key] = Override(key, value, f"flag {flag}")
    return tuple(by_key.values())


def verbosity(verbose: bool) -> tuple[str, str | None]:
    """Return the flag `--verbose` and the log level that it sets, for `overrides` (H-19)."""
    return "--verbose", VERBOSE_LEVEL if verbose else None


def _from_environment(settings: type[object], environment: Mapping[str, str]) -> Iterator[Override]:
    """Yield the first variable of each row that says something (X-33)."""
    for key, option in options_of(settings):
        for variable in option.environment:
            text = environment.get(variable.name)
            if text and (value := variable.read(text)) is not None:
                yield Override(key, value, f"environment {variable.name}")
                break
