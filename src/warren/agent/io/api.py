"""What the agent answers: on its control socket, on its local HTTP, and of itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from warren._core import __version__
from warren.agent.command_api import CommandFrontend
from warren.agent.config import AgentConfig
from warren.agent.io.key_memory import key_memory_conditions
from warren.agent.io.local_http import LocalHttp
from warren.agent.io.networks import AgentNetworks
from warren.clock import wall_seconds
from warren.config.defaults import Defaults
from warren.config.json_network import network_from_json
from warren.files.unix_socket import find_group
from warren.local_client import ADMIN_GROUP
from warren.localapi.http_routes import Pages
from warren.localapi.permissions import Permissions
from warren.localapi.router import Handler
from warren.privsep.io.privileged_ops import PrivilegedOps
from warren.telemetry.conditions import Condition
from warren.telemetry.io.echo import Prober

ANSWER_SECONDS = 0.1  # who tells the agent to stop has its answer first


@dataclass(frozen=True, slots=True)
class AgentApi:
    """Over the parts of one agent."""

    config: AgentConfig
    networks: AgentNetworks
    rights: PrivilegedOps
    http: LocalHttp
    prober: Prober
    commands: CommandFrontend

    def handler(self, defaults: Defaults, stop: Callable[[], None]) -> Handler:
        """Of the control socket; `stop` ends the agent."""
        users, loop = find_group(self.config.daemon.group), asyncio.get_running_loop()

        def stop_soon() -> None:
            loop.call_later(ANSWER_SECONDS, stop)

        return Handler(
            self.networks,
            lambda name, given: network_from_json(name, given, defaults.root),
            self.info,
            permissions=Permissions(
                read=users,
                # The group of document 000 may do all; ours keeps looking and changing apart.
                admin=users if defaults.program != "warren" else find_group(ADMIN_GROUP),
                owner=_owner() if self.rights.helper is None else None,
            ),
            key_directories=self.config.daemon.key_directories,
            conditions=self.conditions,
            stop=stop_soon,
            commands=self.commands.actions,
        )

    def pages(self) -> Pages:
        """Of the local HTTP."""
        return Pages(
            self.networks,
            now=wall_seconds,
            version=__version__,
            access=self.http.access,
            aliases=self.config.metrics.aliases,
            conditions=self.conditions,
            settings=self.info,
        )

    def conditions(self) -> Iterator[Condition]:
        """What a person should look at."""
        yield from self.http.conditions
        yield from self.rights.conditions()
        yield from key_memory_conditions()
        yield from self.commands.conditions()
        if self.prober.unavailable is not None:
            yield Condition("echo.unavailable", self.prober.unavailable)
        if waiting := self.networks.waiting():
            sentence = f"{', '.join(waiting)} of the configuration counts at the next start of the agent"
            yield Condition("config.restart_required", sentence)

    def info(self) -> Mapping[str, object]:
        """Which agent this is. Of the local HTTP, the addresses that could be opened."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "config": self.config.source,
            "socket": self.config.daemon.socket,
            "http": [door.name for door in self.http.doors if not door.trusted],
        }


def _owner() -> int | None:
    """Who runs an agent of their own, and so may do all with it; None for the agent of a host, as root starts it."""
    owner: int | None = None
    if sys.platform != "win32":
        owner = os.geteuid() or None
    return owner
