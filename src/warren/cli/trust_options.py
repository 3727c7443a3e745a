"""The trust settings of a node: [security] of the configuration, or the defaults without such a file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from warren.agent.io.config_file import read_config
from warren.cli.help import Option
from warren.cli.options import config_options, config_path, own_defaults

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Security:
    """The files of a node's trust, and the user that owns them."""

    identity: str
    trust: str
    roots: tuple[str, ...]
    """Thumbprints of the pinned roots."""
    threshold: int
    """How many of them must sign a bundle."""
    user: str
    """The user that the agent runs as."""
    group: str
    commands: str
    """Directory of the agent's replay store."""
    runner: str
    """Directory of the privileged runner's replay store."""
    socket: str
    """Control socket of the agent."""


def security_options(command: Command) -> Command:
    """Add `--config` and `--root`, passed together as `security`."""

    @functools.wraps(command)
    def run(*arguments: Any, config: Path | None, root: str, **others: Any) -> Any:
        return command(*arguments, security=read_security(config, root), **others)

    return config_options(run)  # type: ignore[return-value]


def read_security(config: Path | None, root: str) -> Security:
    """Return the settings. Raises WarrenError if the named configuration file cannot be used."""
    defaults = own_defaults(root)
    path = config_path(config, defaults)
    if config is None and not path.exists():
        directory = f"{defaults.state}/identity"
        stores = f"{defaults.state}/commands", f"{defaults.state}/runner"
        return Security(
            directory, f"{directory}/trust.jws", (), 1, defaults.user, defaults.group, *stores, defaults.socket
        )
    settings = read_config(path, defaults)
    security, daemon = settings.commands.security, settings.daemon
    stores = settings.commands.commands, settings.commands.runner
    pinned = security.root, security.root_threshold
    return Security(security.identity, security.trust, *pinned, daemon.user, daemon.group, *stores, daemon.socket)


def pin_option(command: Command) -> Command:
    """Add `--pin`, passed as `pins`."""
    return click.option(
        "--pin",
        "pins",
        cls=Option,
        metavar="THUMBPRINT",
        multiple=True,
        help="Root thumbprint to trust.",
        default_text="[security] root",
    )(command)
