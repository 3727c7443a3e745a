"""`warren runner`: the privileged runner of an agent that was not started by root."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from warren.agent.io.config_file import read_config
from warren.cli.help import Command
from warren.cli.options import config_options, config_path, own_defaults
from warren.commands.settings import CommandSettings
from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.unix_listener import activation_fd, remove_socket
from warren.privsep.io.control_group import leave_unit_group
from warren.privsep.io.exec_setting import ExecSetting
from warren.privsep.io.operations.config_file import open_config
from warren.privsep.io.runner_process import confine
from warren.privsep.io.runner_socket import RunnerSocket, adopt_runner, bind_runner
from warren.privsep.io.separation import prepare_helper
from warren.privsep.io.service_user import ROOT, find_service_user, is_root
from warren.telemetry.io.logging import start_logging
from warren.telemetry.levels import Level


@click.command(cls=Command, examples=("systemctl enable --now warren-runner.socket",))
@config_options
def runner(config: Path | None, root: str) -> None:
    """Run the privileged runner of signed commands, for systemd.

    It serves the user of [daemon] only: it verifies each signed command again and executes the part that needs root. It
    listens at the socket passed by systemd, else at runner.sock next to the agent's socket. It exits after a minute
    without an agent. The configuration file must be owned by root.
    """
    if not is_root():
        raise HostError("the runner must run as root", code="host.not_permitted")
    start_logging(Level.INFO)
    defaults = own_defaults(root)
    path = config_path(config, defaults)
    service, _ = read_rules(path, defaults)
    descriptor = activation_fd()
    listener = bind_runner(Path(defaults.runner_socket), service) if descriptor is None else adopt_runner(descriptor)
    confine()
    leave_unit_group()
    with listener:
        setting = ExecSetting(path)
        asyncio.run(RunnerSocket(listener, service, lambda: read_rules(path, defaults)[1], setting.is_enabled).serve())
    if descriptor is None:
        remove_socket(Path(defaults.runner_socket))


def read_rules(path: Path, defaults: Defaults) -> tuple[int, CommandSettings]:
    """Return the user that the configuration names and the settings of commands, and create the directories.

    Raises WarrenError.
    """
    settings = read_config(path, defaults, opener=open_config, owners=frozenset((ROOT,)))
    user = find_service_user(settings.daemon.user, settings.daemon.group)
    if user.uid == ROOT:
        raise HostError("[daemon] user is root: an agent of root needs no runner", code="runner.denied")
    commands = prepare_helper(user, settings, defaults).commands
    if commands is None:
        hint = "set [security] exec_enable = true"
        raise HostError("signed commands are disabled on this node", code="runner.denied", hint=hint)
    return user.uid, commands
