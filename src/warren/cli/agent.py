"""`warren agent`: start, stop and reload the daemon."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from warren.cli.help import Group, Option
from warren.cli.options import config_options, config_path, own_defaults, socket_option
from warren.cli.output import warn, write
from warren.clock import monotonic_seconds
from warren.errors import EngineError, InputError, RemoteError
from warren.localapi.io.client import request

STOP_TIMEOUT_SECONDS = 10.0  # H-55 allows the agent five
POLL_INTERVAL_SECONDS = 0.02
FILE_CAPS = "WARREN_FILE_CAPS"  # the launcher sets it if capabilities came from its file (launcher/src/environment.rs)


@click.group(cls=Group, examples=("warren agent start --config ./agent.toml", "warren agent reload"))
def agent() -> None:
    """Manage the agent daemon."""


@agent.command(
    examples=(
        "warren agent start",
        "warren agent start --config ./agent.toml --verbose",
    ),
)
@config_options
@click.option(
    "--user",
    cls=Option,
    metavar="USER",
    help="Run as USER instead of [daemon] user.",
    default_text="[daemon] user",
)
@click.option("-v", "--verbose", is_flag=True, help="Enable debug logging.")
def start(config: Path | None, root: str, user: str | None, verbose: bool) -> None:
    """Run the agent in the foreground.

    It runs until SIGTERM, SIGINT or `warren agent stop`. Started as root, it drops to another user and keeps
    CAP_NET_ADMIN. A helper process stays root: it opens key files of root and changes the host's DNS settings.

    SIGHUP reloads the configuration, as `warren agent reload` does: only differences are applied, and an invalid
    configuration, or one that would remove everything, changes nothing. Logs go to standard error, as JSON unless it is
    a terminal.
    """
    from warren.agent.config import AgentConfig  # noqa: PLC0415, no other command loads the daemon
    from warren.agent.main import Options, run  # noqa: PLC0415
    from warren.config.overrides import LOG_LEVEL, USER, overrides, verbosity  # noqa: PLC0415

    has_file_caps = FILE_CAPS in os.environ
    if has_file_caps and root:
        raise InputError("--root is not allowed with file capabilities", code="privilege.file_capabilities")
    defaults = own_defaults(root)
    flags = overrides(AgentConfig, {LOG_LEVEL: verbosity(verbose), USER: ("--user", user)}, os.environ)
    run(Options(config_path(config, defaults), defaults, flags, has_file_capabilities=has_file_caps))


@agent.command(examples=("warren agent stop",))
@socket_option
def stop(socket: Path) -> None:
    """Stop the agent; remove its interfaces, routes and DNS.

    They are removed when the command returns.
    """
    request(socket, "stop")
    begin = monotonic_seconds()
    while _answers(socket):
        if monotonic_seconds() - begin > STOP_TIMEOUT_SECONDS:
            problem = f"the agent at {socket} still answers {STOP_TIMEOUT_SECONDS:g} s after the request to stop"
            raise EngineError(problem, code="agent.failed")
        time.sleep(POLL_INTERVAL_SECONDS)
    write("the agent has stopped\n")


@agent.command(examples=("warren agent reload",))
@click.option(
    "--allow-empty",
    is_flag=True,
    help="Apply the configuration even if it removes every network, or every peer of one.",
)
@socket_option
def reload(socket: Path, allow_empty: bool) -> None:
    """Apply changes of the configuration.

    Sessions of unchanged peers continue. An invalid configuration changes nothing. Neither does one that would remove
    every network, or every peer of one, as an empty or truncated file does, unless --allow-empty confirms it. Networks
    that are disabled by `enable_wireguard = false` need no confirmation.
    """
    answer: Any = request(socket, "reload", config={"allowEmpty": True} if allow_empty else None)
    write("reloaded\n")
    if keys := answer.get("restart_needed"):
        warn(f"changes in {', '.join(keys)} take effect after a restart")


def _answers(socket: Path) -> bool:
    try:
        request(socket, "ping")
    except RemoteError:
        return False
    return True
