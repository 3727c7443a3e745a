"""The context that all networks of an agent share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from warren._core import Netlink
from warren.agent.io.exit_nodes import ExitNodes
from warren.agent.io.name_servers import NameServers
from warren.agent.io.probes import Probes
from warren.privsep.io.privileged_ops import PrivilegedOps


@dataclass(frozen=True, slots=True)
class NetworkContext:
    """The host's facilities that every network uses."""

    netlink: Netlink
    probes: Probes
    name_servers: NameServers
    exit_nodes: ExitNodes
    privileged: PrivilegedOps
    tasks: asyncio.TaskGroup
    agent_id: str = ""
    """Marks the links of this agent, so that the next start finds those of a killed one (tunnel/io/link_owner.py)."""
