"""`warren agent`: the daemon, started, stopped, told to read its configuration again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from warren.cli.options import config_options, config_path, own_defaults, socket_option
from warren.cli.output import warn, write
from warren.clock import monotonic_seconds
from warren.errors import EngineError, InputError, RemoteError
from warren.localapi.io.client import request

STOP_SECONDS = 10.0  # H-55 allows it five
GLANCE_SECONDS = 0.02
GAINED = "WARREN_GAINED"  # the launcher's word that capabilities came by its file (launcher/src/environment.rs)


@click.group()
def agent() -> None:
    """The daemon that keeps this host's networks as its configuration says."""


@agent.command()
@config_options
@click.option("--user", metavar="NAME", help="Become this user, not the one of the configuration; root stays root.")
@click.option("-v", "--verbose", is_flag=True, help="Log why, too.")
def start(config: Path | None, root: str, user: str | None, verbose: bool) -> None:
    """Run in the foreground until SIGTERM, SIGINT or `warren agent stop`.

    Started as root it becomes another user, who keeps CAP_NET_ADMIN; a helper that stays root opens root's key files
    and changes the host's name servers for it, and nothing else.

    SIGHUP, or `warren agent reload`, reads the configuration again: only the difference is applied, and an invalid one
    changes nothing. Logs go to standard error, as JSON unless that is a terminal.
    """
    from warren.agent.main import Options, run  # noqa: PLC0415, no other command waits for the daemon
    from warren.config.overrides import LOG_LEVEL, USER, overrides, verbosity  # noqa: PLC0415

    gained = GAINED in os.environ
    if gained and root:
        raise InputError("--root leads to files of the caller's choice", code="privilege.file_capabilities")
    defaults = own_defaults(root)
    above = overrides({LOG_LEVEL: verbosity(verbose), USER: ("--user", user)}, os.environ)
    run(Options(config_path(config, defaults), defaults, above, has_file_capabilities=gained))


@agent.command()
@socket_option
def stop(socket: Path) -> None:
    """End the agent; its interfaces, routes and DNS are gone when this returns."""
    request(socket, "stop")
    begin = monotonic_seconds()
    while _answers(socket):
        if monotonic_seconds() - begin > STOP_SECONDS:
            raise EngineError(f"the agent at {socket} was told to stop, and still answers", code="agent.failed")
        time.sleep(GLANCE_SECONDS)
    write("the agent has stopped\n")


@agent.command()
@socket_option
def reload(socket: Path) -> None:
    """Apply what has changed in the configuration; sessions of unchanged peers go on."""
    answer: Any = request(socket, "reload")
    write("reloaded\n")
    if waiting := answer.get("restart_needed"):
        warn(f"what was changed in {', '.join(waiting)} counts at the next start of the agent")


def _answers(socket: Path) -> bool:
    try:
        request(socket, "ping")
    except RemoteError:
        return False
    return True
