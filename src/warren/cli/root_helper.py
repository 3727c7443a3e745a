"""`warren helper`: the privileged helper of an agent that was not started by root."""

from __future__ import annotations

from pathlib import Path

import click

from warren.agent.io.config_file import read_config
from warren.cli.help import Command
from warren.cli.options import config_options, config_path, own_defaults
from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.unix_listener import activation_fd, remove_socket
from warren.privsep.io.helper_process import confine
from warren.privsep.io.helper_socket import HelperSocket, ServiceRules, adopt_helper, bind_helper
from warren.privsep.io.operations.config_file import open_config
from warren.privsep.io.separation import prepare_helper
from warren.privsep.io.service_user import ROOT, find_service_user, is_root
from warren.telemetry.io.logging import start_logging
from warren.telemetry.levels import Level


@click.command(cls=Command, examples=("systemctl enable --now warren-helper.socket",))
@config_options
def helper(config: Path | None, root: str) -> None:
    """Run the privileged helper (socket-activated by systemd).

    It serves the user of [daemon] only: it opens key files of root and the TUN device, replaces keys, and changes the
    host's DNS settings. It listens at the socket passed by systemd, else at helper.sock next to the agent's socket. It
    exits after a minute without an agent. The configuration file must be owned by root.
    """
    if not is_root():
        raise HostError("the helper must run as root", code="host.not_permitted")
    start_logging(Level.INFO)
    defaults = own_defaults(root)
    path = config_path(config, defaults)
    service = read_rules(path, defaults).uid
    descriptor = activation_fd()
    listener = bind_helper(Path(defaults.helper_socket), service) if descriptor is None else adopt_helper(descriptor)
    confine()
    with listener:
        HelperSocket(listener, service, lambda: read_rules(path, defaults)).serve()
    if descriptor is None:
        remove_socket(Path(defaults.helper_socket))


def read_rules(path: Path, defaults: Defaults) -> ServiceRules:
    """Return the user that the configuration names and what it allows, and create its directories.

    Raises WarrenError.
    """
    settings = read_config(path, defaults, opener=open_config, owners=frozenset((ROOT,)))
    user = find_service_user(settings.daemon.user, settings.daemon.group)
    if user.uid == ROOT:
        raise HostError("[daemon] user is root: an agent of root needs no helper", code="helper.denied")
    return ServiceRules(user.uid, prepare_helper(user, settings, defaults))
