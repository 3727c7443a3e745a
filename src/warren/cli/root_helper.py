"""`warren helper`: what needs root, for an agent that root has not started."""

from __future__ import annotations

from pathlib import Path

import click

from warren.agent.io.config_file import read_config
from warren.cli.options import config_options, config_path, own_defaults
from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.unix_listener import activation_fd
from warren.privsep.io.helper_process import confine, open_config
from warren.privsep.io.helper_socket import HelperSocket, Terms, adopt_helper, bind_helper
from warren.privsep.io.privileges import find_service, is_root, prepare
from warren.telemetry.io.logging import start_logging
from warren.telemetry.levels import Level

ROOT = 0


@click.command()
@config_options
def helper(config: Path | None, root: str) -> None:
    """Do for the agent what needs root, and nothing else; for a unit of the service manager.

    It opens root's key files and the driver of TUN, changes keys and the host's name servers, for the user of [daemon]
    alone. It listens at a socket that the service manager holds, else at helper.sock beside the agent's own, and ends
    when no agent has needed it for a minute. Only a configuration of root's counts.
    """
    if not is_root():
        raise HostError("the helper does what only root may", code="host.not_permitted")
    start_logging(Level.INFO)
    defaults = own_defaults(root)
    path = config_path(config, defaults)
    terms_of(path, defaults)
    descriptor = activation_fd()
    listener = bind_helper(Path(defaults.helper_socket)) if descriptor is None else adopt_helper(descriptor)
    confine()
    with listener:
        HelperSocket(listener, lambda: terms_of(path, defaults)).serve()
    if descriptor is None:
        Path(defaults.helper_socket).unlink(missing_ok=True)


def terms_of(path: Path, defaults: Defaults) -> Terms:
    """Whom the configuration names, and what it allows; its directories are made. Raises WarrenError."""
    settings = read_config(path, defaults, opener=open_config, owners=frozenset((ROOT,)))
    service = find_service(settings.daemon.user, settings.daemon.group)
    if service.uid == ROOT:
        raise HostError("the agent of this configuration is root's own, and needs no helper", code="helper.denied")
    return Terms(service.uid, prepare(service, settings, defaults))
