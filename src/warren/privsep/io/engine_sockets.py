"""UAPI sockets that the engines of a killed agent left behind."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from warren._core import UAPI_DIRECTORY
from warren.errors import HostError
from warren.files.directory import open_directory
from warren.files.unix_listener import InUseError, remove_dead_socket_in
from warren.privsep.io.service_user import ServiceUser
from warren.privsep.service_config import ServiceConfig

SUFFIX = ".sock"


def remove_dead_engine_sockets(user: ServiceUser, config: ServiceConfig) -> None:
    """Remove the sockets at which nobody listens: those of the service's user, and root's if a network has their name.

    One that cannot be removed stays.
    """
    own = {f"{network.interface}{SUFFIX}" for network in config.networks}
    with suppress(OSError), open_directory(Path(UAPI_DIRECTORY), follow=False) as directory:
        for name in directory.names():
            with suppress(OSError, HostError, InUseError):
                if name.endswith(SUFFIX) and (name in own or directory.status(name).st_uid == user.uid):
                    remove_dead_socket_in(directory, name)
