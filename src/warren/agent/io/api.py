"""Serve the agent's subsystems on the control socket and the local HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from warren._core import __version__
from warren.agent.config import AgentConfig
from warren.agent.io.local_http import LocalHttp
from warren.agent.subsystem import Subsystem
from warren.clock import wall_seconds
from warren.config.defaults import Defaults
from warren.files.unix_listener import Listener
from warren.files.unix_socket import find_group
from warren.http.router import HttpRouter
from warren.local_client import ADMIN_GROUP, Client, Token
from warren.localapi.agent_actions import AgentActions
from warren.localapi.http_routes import LocalRoutes
from warren.localapi.io import socket
from warren.localapi.messages import PROTOCOL_VERSION
from warren.localapi.networks import Networks
from warren.localapi.permissions import Permissions, PermissionTable
from warren.localapi.router import ActionRouter, RejectionCounter
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)

STOP_DELAY_SECONDS = 0.1  # the client that stops the agent receives its response first


@dataclass(frozen=True, slots=True)
class AgentApi:
    """Expose the actions and conditions of the subsystems of one agent."""

    config: AgentConfig
    networks: Networks
    http: LocalHttp
    subsystems: Sequence[Subsystem]
    rejections: RejectionCounter = field(default_factory=RejectionCounter)

    def servers(
        self, listener: Listener, defaults: Defaults, stop: Callable[[], None], *, has_helper: bool
    ) -> Iterator[Subsystem]:
        """Yield the server of the control socket, whose action `stop` calls `stop`, and those of the local HTTP."""
        loop = asyncio.get_running_loop()

        def stop_soon() -> None:
            loop.call_later(STOP_DELAY_SECONDS, stop)

        own = AgentActions(self.networks, self.info, self.conditions, stop_soon)
        actions = [*(action for each in self.subsystems for action in each.actions), *own.actions()]
        table = PermissionTable(actions, self._permissions(defaults, has_helper=has_helper))
        router = ActionRouter(table, self.rejections)
        yield Subsystem("control", lambda: socket.serve(listener, router))
        yield from self._http_servers(table)

    def _http_servers(self, table: PermissionTable) -> Iterator[Subsystem]:
        """Return a server for each listener of the local HTTP."""
        local = LocalRoutes(
            self.networks,
            now=wall_seconds,
            version=__version__,
            aliases=self.config.metrics.aliases,
            conditions=self.conditions,
            info=self.info,
            rejected_requests=lambda: int(self.rejections),
        )
        return self.http.servers(HttpRouter(local.routes(), self.http.access, partial(_verify_and_log, table)))

    def conditions(self) -> Iterator[Condition]:
        """Yield the conditions of all subsystems."""
        for subsystem in self.subsystems:
            yield from subsystem.conditions()

    def info(self) -> Mapping[str, object]:
        """Describe this agent; `http` lists the TCP addresses that the local HTTP listens on."""
        return {
            "version": __version__,
            "protocol_version": PROTOCOL_VERSION,
            "pid": os.getpid(),
            "config": self.config.source,
            "socket": self.config.daemon.socket,
            "http": list(self.http.tcp_addresses()),
            "requests_rejected": int(self.rejections),
        }

    def _permissions(self, defaults: Defaults, *, has_helper: bool) -> Permissions:
        users = find_group(self.config.daemon.group)
        return Permissions(
            read=users,
            # The group of the harmony-agent interface may request all; Warren separates read and change.
            admin=users if defaults.program != "warren" else find_group(ADMIN_GROUP),
            owner=None if has_helper else _owner(),
        )


def _verify_and_log(table: PermissionTable, client: Client | Token, name: str) -> None:
    """Check that a client of the local HTTP may request an action, and log one that changes something.

    Raises HostError.
    """
    table.verify(client, name)
    if (event := table.actions[name].event) is not None:
        who = {"token": client.value} if isinstance(client, Token) else {"uid": client.uid, "pid": client.pid}
        log.info(event, extra={"action": name, "transport": "http", **who})


def _owner() -> int | None:
    """Return the uid of a user who runs an agent of their own; None for the agent of a host, which root starts."""
    owner: int | None = None
    if sys.platform != "win32":
        owner = os.geteuid() or None
    return owner
