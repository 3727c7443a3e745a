"""What commands about trust go by: the configuration's [security], or the defaults where there is no such file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from warren.agent.io.config_file import read_config
from warren.cli.options import config_options, config_path, own_defaults

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Security:
    """Where a node keeps what it trusts."""

    identity: str
    trust: str
    roots: tuple[str, ...]
    """Thumbprints that are pinned."""
    user: str
    """Whom the agent runs as."""
    group: str
    commands: str
    """Where the agent has its record of used commands, and"""
    runner: str
    """where root's runner has its own."""


def security_options(command: Command) -> Command:
    """`--config` and `--root`, as the one `security`."""

    @functools.wraps(command)
    def run(*arguments: Any, config: Path | None, root: str, **others: Any) -> Any:
        return command(*arguments, security=read_security(config, root), **others)

    return config_options(run)  # type: ignore[return-value]


def read_security(config: Path | None, root: str) -> Security:
    """Raises WarrenError for a file that was named and cannot be used."""
    defaults = own_defaults(root)
    path = config_path(config, defaults)
    if config is None and not path.exists():
        directory = f"{defaults.state}/identity"
        records = f"{defaults.state}/commands", f"{defaults.state}/runner"
        return Security(directory, f"{directory}/trust.jws", (), defaults.user, defaults.group, *records)
    found = read_config(path, defaults)
    security, daemon = found.commands.security, found.daemon
    records = found.commands.commands, found.commands.runner
    return Security(security.identity, security.trust, security.root, daemon.user, daemon.group, *records)


def pin_option(command: Command) -> Command:
    """`--pin`, as `pins`."""
    return click.option(
        "--pin", "pins", metavar="THUMBPRINT", multiple=True, help="A root to believe; without it, [security] root."
    )(command)
